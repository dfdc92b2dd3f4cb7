"""From what a store knows of a cause to what a user's functions get."""

from __future__ import annotations

from typing import Any

from pynenc_pg.domain.causes import Source
from pynenc_pg.domain.ids import InvocationId
from pynenc_pg.domain.records import Outcome
from pynenc_pg.engine.core import Engine
from pynenc_pg.exceptions import TaskFailedError
from pynenc_pg.invocation.status import InvocationStatus
from pynenc_pg.serializer.classes import name_of
from pynenc_pg.serializer.wire import decode
from pynenc_pg.trigger.conditions import (
    Condition,
    Context,
    CronContext,
    EventContext,
    ExceptionContext,
    ResultContext,
    StatusContext,
)


def context_of(source: Source, condition: Condition, engine: Engine) -> Context:
    """Return the context of a cause, of the type that its condition tests.

    Raises:
        SerializationError: something of it cannot be read here.
    """
    if condition.context_type is CronContext:
        return CronContext(timestamp=source.at, last_execution=source.last_at)
    if condition.context_type is EventContext:
        return EventContext(
            timestamp=source.at,
            event_id=source.source_id or "",
            event_code=source.code or "",
            payload=decode(source.payload or "null", engine.serializer, engine.payloads),
        )
    said = _of_invocation(source, engine)
    if condition.context_type is ResultContext:
        return ResultContext(**said, result=engine.value(_outcome(source), source.task_id or ""))
    if condition.context_type is ExceptionContext:
        return _failed(said, engine.failure(_outcome(source), source.task_id or ""))
    return StatusContext(**said)


def _of_invocation(source: Source, engine: Engine) -> dict[str, Any]:
    return {
        "timestamp": source.at,
        "invocation_id": source.source_id or "",
        "task_id": source.task_id or "",
        "arguments": engine.decoded(source.task_id or "", source.arguments or "{}", defaults=True),
        "status": source.status,
    }


def _outcome(source: Source) -> Outcome:
    return Outcome(
        InvocationId(source.source_id or ""),
        source.status or InvocationStatus.FAILED,
        source.value,
        source.reason,
        None,
        source.at,
    )


def _failed(said: dict[str, Any], error: BaseException) -> ExceptionContext:
    if isinstance(error, TaskFailedError):  # its class is not known here
        module, _, name = error.type_name.rpartition(".")
        message = error.message
    else:
        module, name = name_of(type(error))
        message = str(error)
    return ExceptionContext(
        **said,
        exception_type=name,
        exception_message=message,
        exception_module=module or "builtins",
        exception=error,
    )
