"""Tasks of an app that signs, with the default serializer, which runs code from data."""

from __future__ import annotations

import threading
from typing import Any

from pynenc_pg import Pynenc, RetryError, TriggerBuilder

OLD, NEW = "o" * 40, "n" * 40
app = Pynenc("signed", config_values={"serializer_signing_key": NEW})
seen: list[Any] = []
gate = threading.Event()


@app.task(max_retries=3, retry_for=(Exception,))
def take(value: Any) -> Any:
    """Return what it gets."""
    seen.append(value)
    return value


@app.task(max_retries=3, retry_for=(Exception,))
def other(value: Any) -> Any:
    """Do the same."""
    seen.append(value)
    return value


@app.task(max_retries=1)
def fails(how: str) -> None:
    """Fail twice."""
    raise (RetryError if how == "again" else ValueError)(how)


@app.task
def parent(values: list[Any]) -> list[Any]:
    """Wait for others."""
    return list(take.parallelize([(value,) for value in values]).results)


@app.task(triggers=TriggerBuilder().on_event("signed").with_args_from_event())
def on_event(value: Any) -> None:
    """Be started by an event."""
    seen.append(value)


@app.task
def watched(value: Any) -> Any:
    """Return what a trigger gets."""
    return value


@app.task(triggers=TriggerBuilder().on_any_result(watched).with_args_from_result())
def on_result(result: Any) -> None:
    """Be started by a result."""
    seen.append(("result", result))
