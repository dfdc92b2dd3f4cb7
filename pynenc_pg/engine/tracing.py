"""Spans for calls and attempts. Imports OpenTelemetry: nobody imports this unless tracing is on.

The context travels in the options of the call, which its runner gets with the claim: to whatever
process, retry or later attempt executes it. Where spans go is the user's to set up, as always.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING, Any, Final, TypeVar, cast

from opentelemetry import context, propagate, trace
from opentelemetry.trace import Span, SpanKind, Status, StatusCode

from pynenc_pg.conf.config_call import UNTUNED, CallOptions
from pynenc_pg.domain.records import Batch, Claimed, Registered
from pynenc_pg.engine.context import running
from pynenc_pg.engine.core import Engine
from pynenc_pg.engine.registry import Registry, TaskDefinition
from pynenc_pg.engine.suspension import Suspended
from pynenc_pg.engine.sync import SyncEngine
from pynenc_pg.engine.verdicts import said_in, said_of
from pynenc_pg.exceptions import Snooze

if TYPE_CHECKING:
    from pynenc_pg.serializer.large import SharedArguments

E = TypeVar("E", bound=Engine)

#: Where the context stands among the options of a call.
TRACE: Final = "trace"
#: Milliseconds for what has not been exported when an app is closed.
_FLUSH: Final = 5_000


class Traced(Engine):
    """An engine whose calls are spans."""

    def submit(
        self,
        task: TaskDefinition,
        calls: Sequence[Mapping[str, Any]],
        *,
        options: CallOptions = UNTUNED,
        shared: SharedArguments | None = None,
        session: object = None,
        amend: Callable[[Batch], Batch] | None = None,
    ) -> list[Registered]:
        """Register calls within a span of theirs."""
        with _calling(task, calls, options) as span:
            registered = super().submit(
                task, calls, options=options, shared=shared, session=session, amend=amend
            )
            _tell(span, registered)
        return registered

    async def submit_async(
        self,
        task: TaskDefinition,
        calls: Sequence[Mapping[str, Any]],
        *,
        options: CallOptions = UNTUNED,
        shared: SharedArguments | None = None,
        session: object,
    ) -> list[Registered]:
        """Like ``submit``; in synchronous mode it is that."""
        if isinstance(self, SyncEngine):
            return await asyncio.to_thread(
                self.submit, task, calls, options=options, shared=shared, session=session
            )
        with _calling(task, calls, options) as span:
            registered = await super().submit_async(
                task, calls, options=options, shared=shared, session=session
            )
            _tell(span, registered)
        return registered

    def close(self) -> None:
        """Have exported what was not."""
        super().close()
        flush = getattr(trace.get_tracer_provider(), "force_flush", None)
        if flush is not None:
            flush(_FLUSH)

    def _new_batch(
        self,
        task: TaskDefinition,
        calls: Sequence[Mapping[str, Any]],
        options: CallOptions,
        shared: SharedArguments | None,
    ) -> Batch:
        """Send the context along."""
        batch = super()._new_batch(task, calls, options, shared)
        carrier: dict[str, str] = {}
        propagate.inject(carrier)
        if not carrier:
            return batch
        return replace(batch, options=json.dumps({**said_in(batch.options), TRACE: carrier}))


def traced(kind: type[E]) -> type[E]:
    """Return an engine of that kind whose calls are spans."""
    return cast("type[E]", type(f"Traced{kind.__name__}", (Traced, kind), {}))


def trace_attempts(registry: Registry, *, on: bool) -> None:
    """Have each attempt be a span, around all middleware; or no longer."""
    if attempt in registry.middleware:
        registry.middleware.remove(attempt)
    if on:
        registry.middleware.insert(0, attempt)


@cache
def _tracer() -> trace.Tracer:
    return trace.get_tracer("pynenc_pg")


@contextmanager
def _calling(
    task: TaskDefinition, calls: Sequence[Mapping[str, Any]], options: CallOptions
) -> Iterator[Span]:
    attributes: dict[str, str | int] = {
        **_about(task.task_id, options.queue or task.conf.queue),
        "messaging.operation.type": "send",
        "messaging.batch.message_count": len(calls),
    }
    with _tracer().start_as_current_span(
        f"call {task.task_id}", kind=SpanKind.PRODUCER, attributes=attributes
    ) as span:
        yield span


def _tell(span: Span, registered: Sequence[Registered]) -> None:
    if len(registered) == 1:
        span.set_attribute("messaging.message.id", registered[0].invocation_id)
    reused = sum(one.reused for one in registered)
    if reused:
        span.set_attribute("pynenc.reused", reused)


@contextmanager
def attempt(_invocation: object) -> Iterator[None]:
    """Surround an attempt by its span, below that of the call wherever that was made."""
    now = running.get()
    claimed = None if now is None else now.claimed
    if now is None or claimed is None:
        yield
        return
    attributes: dict[str, str | int] = {
        **_about(claimed.task_id, claimed.queue),
        "messaging.operation.type": "process",
        "messaging.message.id": claimed.invocation_id,
        "pynenc.attempt": claimed.retries + 1,
        "pynenc.recoveries": claimed.recoveries,
    }
    if now.runner is not None:
        attributes["pynenc.runner_id"] = now.runner.runner_id
    with (
        _sent(claimed),
        _tracer().start_as_current_span(
            f"run {claimed.task_id}",
            kind=SpanKind.CONSUMER,
            attributes=attributes,
            record_exception=False,
            set_status_on_exception=False,
        ) as span,
    ):
        try:
            yield
        except (Suspended, Snooze) as put_off:
            span.set_attribute("pynenc.put_off", type(put_off).__name__.lower())
            raise
        except BaseException as error:
            span.record_exception(error)
            span.set_status(Status(StatusCode.ERROR, type(error).__qualname__))
            raise


def _about(task_id: str, queue: str) -> dict[str, str]:
    return {
        "messaging.system": "pynenc",
        "messaging.destination.name": queue,
        "pynenc.task": task_id,
    }


@contextmanager
def _sent(claimed: Claimed) -> Iterator[None]:
    """Enter the context that was sent along: who calls from SQL may write anything there."""
    said = said_of(claimed).get(TRACE)
    carrier = said.items() if isinstance(said, dict) else ()
    texts = {name: value for name, value in carrier if isinstance(value, str)}
    token = context.attach(propagate.extract(texts))
    try:
        yield
    finally:
        context.detach(token)
