"""Tasks that look at the span they run in."""

from __future__ import annotations

import threading
from typing import NoReturn

from opentelemetry import baggage, trace

from pynenc_pg import Pynenc, RetryError
from pynenc_pg.exceptions import Snooze

app = Pynenc("traced", config_values={"tracing": True})
seen: list[object] = []
gate = threading.Event()


def here() -> list[str]:
    """Return trace, span and parent of the span that is current."""
    span = trace.get_current_span()
    context, parent = span.get_span_context(), getattr(span, "parent", None)
    return [
        f"{context.trace_id:032x}",
        f"{context.span_id:016x}",
        f"{parent.span_id:016x}" if parent is not None else "",
    ]


@app.task
def where() -> list[str]:
    """Tell the span of the attempt."""
    return here()


@app.task
def customer() -> object:
    """Tell what came along."""
    return baggage.get_baggage("customer")


@app.task
async def where_async() -> list[str]:
    """The same as a coroutine."""
    return here()


@app.task
def ask_another() -> list[list[str]]:
    """Tell the own span and the child's."""
    return [here(), where().result]


@app.task(max_retries=1)
def try_twice() -> list[str]:
    """Fail first."""
    if try_twice.invocation.num_retries == 0:
        message = "not yet"
        raise RetryError(message)
    return here()


@app.task
def fail(word: str) -> NoReturn:
    """Fail for good."""
    raise ValueError(word)


@app.task
def snooze_once() -> list[str]:
    """Put it off, once."""
    if not seen:
        seen.append(1)
        raise Snooze(0)
    return here()


@app.workflow
def flow() -> list[list[str]]:
    """A workflow, and a task it calls."""
    return [here(), flow.wf.execute_task(where).result]
