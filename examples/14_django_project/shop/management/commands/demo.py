"""`manage.py demo`: make the tables, work in a thread, and place orders."""

import time
from typing import Any

from django.core.management import call_command
from django.core.management.base import BaseCommand
from django.db import transaction

from mysite.queue import app
from shop.models import Order
from shop.tasks import send_receipt


class Command(BaseCommand):
    def handle(self, *_: Any, **__: Any) -> None:
        call_command("migrate", verbosity=0)
        app.migrate()  # or: pynenc-pg db migrate
        with app, app.runner.in_background():  # or: manage.py pynenc runner start
            self.place_orders()

    def place_orders(self) -> None:
        with transaction.atomic():
            order = Order.objects.create(customer="Ann", total="19.90")
            result = send_receipt.enqueue(order.pk)  # committed with the order
            print(f"placed: {result.status}")
        with transaction.atomic():
            lost = Order.objects.create(customer="Bob", total="5.00")
            send_receipt.enqueue(lost.pk)
            transaction.set_rollback(True)  # neither the order nor the call was ever there

        while not result.is_finished:
            time.sleep(0.02)
            result.refresh()
        print(f"worked: {result.return_value}")
        order.refresh_from_db()
        print(f"the order knows: receipt_sent is {order.receipt_sent}")
        print(f"orders of Bob: {Order.objects.filter(customer='Bob').count()}")
