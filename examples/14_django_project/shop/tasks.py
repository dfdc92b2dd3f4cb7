"""Tasks as Django 6 has them; the package django-tasks has the same for releases before."""

try:
    from django.tasks import task
except ModuleNotFoundError:
    from django_tasks import task

from shop.models import Order


@task(queue_name="mail", priority=5)
def send_receipt(order_id: int) -> str:
    order = Order.objects.get(pk=order_id)
    order.receipt_sent = True
    order.save()
    return f"receipt for {order}"
