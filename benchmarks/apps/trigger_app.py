"""Tasks with triggers; ``MANY`` of these watch others than what is measured."""

from __future__ import annotations

import os
import time
from typing import Any

from pynenc_pg import Pynenc, TriggerBuilder
from pynenc_pg.trigger import CronContext, ResultContext, TriggerContext

app = Pynenc("triggers")


@app.task
def unwatched() -> None:
    """Do nothing."""


@app.task
def elsewhere() -> None:
    """Is never called, and watched by many."""


@app.task
def watched() -> float:
    """Return when it was done."""
    return time.time()


def end_of(context: ResultContext) -> dict[str, Any]:
    """Pass on when it was done."""
    return {"done": context.result}


@app.task(triggers=TriggerBuilder().on_any_result(watched).with_args_from_result(end_of))
def react(done: float) -> float:
    """Return the seconds since."""
    return time.time() - done


def tick_of(context: TriggerContext) -> dict[str, Any]:
    """Pass on when a tick was due."""
    [tick] = context.of(CronContext)
    return {"due": tick.timestamp.timestamp()}


if os.environ.get("TICKS"):

    @app.task(
        triggers=TriggerBuilder().on_cron("* * * * * *").with_args_from_trigger_context(tick_of)
    )
    def tick(due: float) -> float:
        """Return how late it is."""
        return time.time() - due


for number in range(int(os.environ.get("MANY", "0"))):
    started = app.trigger.on_result(elsewhere, number) if number % 2 else None
    started = started or app.trigger.on_event(f"code-{number}")
    started.with_args_static({"done": 0.0}).run(react)
