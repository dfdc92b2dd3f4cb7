"""Tasks that triggers start, and those that they watch."""

from __future__ import annotations

import threading
from datetime import timedelta
from typing import Any

from pynenc_pg import Pynenc
from pynenc_pg.exceptions import RetryError
from pynenc_pg.trigger.conditions import (
    EventContext,
    ExceptionContext,
    ResultContext,
    StatusContext,
)
from pynenc_pg.trigger.trigger_builder import TriggerBuilder
from pynenc_pg.trigger.trigger_context import TriggerContext

app = Pynenc("triggers", config_values={"runner": {"concurrency": 4}})
seen: list[Any] = []
gate = threading.Event()
#: What ``moody`` does at its next calls.
moods: list[str] = []


@app.task
def source_task(x: int, loud: int = 0) -> str:
    """Return what is watched."""
    return f"Processed {x}" + "!" * loud


@app.task(max_retries=1, retry_delay=0.01)
def fails(n: int) -> None:
    """Raise, the first time to be tried again."""
    if n == 0:
        raise RetryError
    message = f"no {n}"
    raise LookupError(message)


@app.task(triggers=TriggerBuilder().on_status(source_task, statuses=["SUCCESS"]))
def notification_task() -> str:
    """The guide's."""
    seen.append("notified")
    return "Source task completed successfully"


def is_three(result: str) -> bool:
    """Filter results."""
    return result.endswith("3")


def text_of(context: ResultContext) -> dict[str, Any]:
    """Make arguments of a result."""
    return {"text": context.result, "x": context.arguments.kwargs["x"]}


@app.task(
    triggers=[
        TriggerBuilder().on_result(source_task, is_three).with_args_from_result(text_of),
        TriggerBuilder().on_result(source_task, "Processed 5").with_args_static({"text": "five"}),
    ]
)
def on_some_result(text: str, x: int = 0) -> None:
    """Tell which results."""
    seen.append((text, x))


def quiet(context: StatusContext) -> dict[str, Any]:
    """Make arguments of a status."""
    return {"what": context.status.name, "of": context.arguments.kwargs}


@app.task(
    triggers=TriggerBuilder()
    .on_status(source_task, "success", call_arguments={"x": 8, "loud": 0})
    .with_args_from_status(quiet)
)
def on_some_arguments(what: str, of: dict[str, Any]) -> None:
    """Tell of a call whose default counts, too."""
    seen.append((what, of))


@app.task(triggers=TriggerBuilder().on_exception(fails, LookupError).with_args_from_exception())
def on_exception(exception_type: str, exception_message: str) -> None:
    """Tell what was raised."""
    seen.append((exception_type, exception_message))


def raised(context: ExceptionContext) -> dict[str, Any]:
    """Make arguments of an exception."""
    return {"name": type(context.exception).__name__}


@app.task(
    triggers=TriggerBuilder()
    .on_exception(fails, "LookupError", call_arguments={"n": 2})
    .with_args_from_exception(raised)
)
def on_second_exception(name: str) -> None:
    """Tell of one call's alone."""
    seen.append(("second", name))


@app.task(triggers=TriggerBuilder().on_status(fails, ["RETRY"]))
def on_retry() -> None:
    """Tell that an attempt is followed by another one."""
    seen.append("again")


def order_of(context: EventContext) -> dict[str, Any]:
    """Make arguments of an event."""
    return {"order": context.payload["order"], "code": context.event_code}


@app.task(
    triggers=TriggerBuilder()
    .on_event("order.paid", {"currency": "EUR"})
    .on_event("order.refunded")
    .with_logic("or")
    .with_args_from_event(order_of)
)
def on_event(order: int, code: str) -> None:
    """Tell which events."""
    seen.append((code, order))


def both(context: TriggerContext) -> dict[str, Any]:
    """Make arguments of all that has fired."""
    payloads = [event.payload for event in context.of(EventContext)]
    return {"numbers": sorted(payloads)}


@app.task(
    triggers=TriggerBuilder()
    .on_event("left")
    .on_event("right")
    .with_logic("and", within=timedelta(minutes=5))
    .with_args_from_trigger_context(both)
)
def on_pair(numbers: list[int]) -> None:
    """Tell which belong together."""
    seen.append(numbers)


def moody(context: EventContext) -> dict[str, Any]:
    """Fail, as it is told to."""
    mood = moods.pop() if moods else "fine"
    if mood != "fine":
        raise RuntimeError(mood)
    return {"text": context.payload}


@app.task(triggers=TriggerBuilder().on_event("moody").with_args_from_event(moody))
def on_moody(text: str) -> None:
    """Be started once its provider is well."""
    seen.append(text)


@app.task(triggers=TriggerBuilder().on_cron("* * * * * *").with_args_static({"text": "tick"}))
def on_tick(text: str) -> None:
    """Be started each second."""
    seen.append(text)
