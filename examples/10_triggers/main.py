"""Cause something, and wait for what is started by it."""

import time
from collections.abc import Set as AbstractSet
from typing import Any

from pynenc_pg.task import Task

from tasks import app, charge, count_sale, search, send_receipt, tell_support, tick


def result_of_started(task: Task[..., Any], known: AbstractSet[str | None]) -> Any:
    """Wait until a trigger has started that task anew; return its result."""
    while True:
        for fired in app.trigger.fired():
            started = fired.invocation_id
            if fired.task_id == task.task_id and started and started not in known:
                return app.get_invocation(started).result
        time.sleep(0.02)


def main() -> None:
    app.migrate()
    with app, app.runner.in_background():  # runners tell the database of the triggers in their code
        known = {fired.invocation_id for fired in app.trigger.fired()}  # of a run before this one

        print("charge order 7")
        charge(order=7, amount=20)
        print(f"  on_status:    {result_of_started(count_sale, known)}")
        print(f"  on_result:    {result_of_started(send_receipt, known)}")

        print("charge order 8, which is wrong")
        charge(order=8, amount=-1)
        print(f"  on_exception: {result_of_started(tell_support, known)}")

        print("tell that two orders are lost")
        app.trigger.emit_event("order.lost", {"order": 9, "country": "fr"})  # not of interest
        app.trigger.emit_event("order.lost", {"order": 10, "country": "de"})
        print(f"  on_event:     {result_of_started(search, known)}")

        print("wait")
        print(f"  on_cron:      {result_of_started(tick, known)}")


if __name__ == "__main__":
    main()
