"""An order in three steps. If one fails for good, those before it are undone, the last first."""

import os

from pynenc_pg import PynencBuilder

app = (
    PynencBuilder()
    .app_id("example_saga")
    .postgres(os.environ.get("PYNENC__POSTGRES__DSN", "embedded"))
    .build()
)


class NotDeliverableError(Exception):
    """The parcel service does not go there."""


@app.task
def reserve(order: int, article: str) -> str:
    print(f"  order {order}: reserve a {article}")
    return f"reservation-{order}"


@app.task
def release(reservation: str) -> None:
    print(f"  release {reservation}")


@app.task
def charge(order: int, amount: int) -> str:
    print(f"  order {order}: charge {amount} EUR")
    return f"payment-{order}"


@app.task
def refund(payment: str) -> None:
    print(f"  refund {payment}")


@app.task
def ship(order: int, country: str) -> str:
    if country == "atlantis":
        raise NotDeliverableError(f"nobody delivers to {country}")
    print(f"  order {order}: ship to {country}")
    return f"parcel-{order}"


@app.workflow
def place_order(order: int, article: str, amount: int, country: str) -> str:
    wf = place_order.wf
    with wf.saga() as saga:
        reservation = wf.execute_task(reserve, order, article).result
        saga.add(release, reservation)  # what undoes the step
        payment = wf.execute_task(charge, order, amount).result
        saga.add(refund, payment)
        return wf.execute_task(ship, order, country).result
