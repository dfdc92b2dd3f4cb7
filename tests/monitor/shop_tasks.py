"""Tasks that leave one of each kind behind: what the pages show."""

from __future__ import annotations

import threading
import time

from pynenc_pg import ConcurrencyControlType, Pynenc
from pynenc_pg.trigger.trigger_builder import TriggerBuilder

app = Pynenc("shop")

#: What is hostile, wherever it comes to stand.
SCRIPT = "<script>alert('args')</script><img src=x onerror=alert(1)>"
ERROR = "<script>alert('error')</script> see https://example.org/help or javascript:alert(2)"
LINK = "javascript:alert('link')"
AWAY = "the bank is away"
#: What nobody must see.
SECRET = "correct-horse-battery-staple"  # noqa: S105 - it is the test's

gate = threading.Event()
begun = threading.Event()


@app.task
def charge(order: int, note: str = "", password: str = "") -> dict[str, object]:
    """Return a receipt."""
    return {"order": order, "note": note, "link": "https://example.org/receipt", "bad": LINK}


@app.task
def refuse(order: int) -> None:
    """Fail, with a message that is hostile."""
    raise ValueError(ERROR)


@app.task(max_retries=1, retry_for=ConnectionError)
def stumble() -> str:
    """Fail once."""
    if stumble.invocation.num_retries == 0:
        raise ConnectionError(AWAY)
    return "done"


@app.task
def pack(item: str) -> str:
    """Do a part of ``fulfil``, which takes longer than to call the next one."""
    time.sleep(0.02 * len(item))
    return item


@app.task
def fulfil(order: int) -> list[str]:
    """Wait for two others."""
    parts = [pack(item) for item in ("book", "pen")]
    return [part.result for part in parts]


@app.task
def held() -> str:
    """Run until the test lets it end."""
    begun.set()
    gate.wait(60)
    return "let go"


@app.task(queue="press", running_concurrency=ConcurrencyControlType.TASK)
def press(page: int) -> int:
    """Run one at a time."""
    return page


@app.workflow
def approve(order: int) -> str:
    """Take steps, and wait for somebody."""
    approve.wf.set_data("customer", {"name": SCRIPT, "api_key": SECRET})
    approve.wf.execute_task(pack, "parcel")
    approve.wf.wait_for_event("approved", timeout=86_400)
    return "approved"


@app.task(triggers=TriggerBuilder().on_event("paid", {}).with_args_static({"order": 7}))
def thank(order: int) -> int:
    """Start by itself."""
    return order


@app.task(triggers=TriggerBuilder().on_cron("0 3 * * *"))
def tidy() -> None:
    """Start at night."""
