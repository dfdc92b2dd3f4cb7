"""Tasks that start by themselves: by what becomes of another task, on an event, at times."""

import os

from pynenc_pg import PynencBuilder, TriggerBuilder
from pynenc_pg.trigger import EventContext, ResultContext

app = (
    PynencBuilder()
    .app_id("example_triggers")
    .postgres(os.environ.get("PYNENC__POSTGRES__DSN", "embedded"))
    .build()
)


@app.task
def charge(order: int, amount: int) -> dict[str, int]:
    if amount < 0:
        raise ValueError(f"order {order} costs {amount}")
    return {"order": order, "charged": amount}


# By a status: as often as charge succeeds.
@app.task(triggers=TriggerBuilder().on_status(charge, statuses=["SUCCESS"]))
def count_sale() -> str:
    return "one sale more"


# By a result. Filters and providers are functions at the top of a module: any runner may call them.
def receipt_of(context: ResultContext) -> dict[str, object]:
    return {"order": context.result["order"], "text": f"{context.result['charged']} EUR"}


@app.task(triggers=TriggerBuilder().on_any_result(charge).with_args_from_result(receipt_of))
def send_receipt(order: int, text: str) -> str:
    return f"receipt for order {order}: {text}"


# By an exception.
@app.task(triggers=TriggerBuilder().on_exception(charge, [ValueError]).with_args_from_exception())
def tell_support(exception_type: str, exception_message: str) -> str:
    return f"{exception_type}: {exception_message}"


# By an event whose payload contains what the filter says.
def order_of(context: EventContext) -> dict[str, object]:
    return {"order": context.payload["order"]}


@app.task(
    triggers=TriggerBuilder()
    .on_event("order.lost", {"country": "de"})
    .with_args_from_event(order_of)
)
def search(order: int) -> str:
    return f"where is order {order}?"


# At times: every second. "30 6 * * mon-fri" is half past six on working days.
@app.task(triggers=TriggerBuilder().on_cron("* * * * * *", catch_up="none"))
def tick() -> str:
    return "a second is over"
