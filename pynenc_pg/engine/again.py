"""A call that is made again after its end: what it was called with, and how."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from pynenc_pg.conf.config_call import CallOptions
from pynenc_pg.domain.records import CallRecord, InvocationRecord
from pynenc_pg.engine.fitting import DoesNotFit, fitted
from pynenc_pg.engine.registry import TaskDefinition
from pynenc_pg.engine.verdicts import said_in
from pynenc_pg.exceptions import DataRejectedError, InvocationStatusError


def check_ended(record: InvocationRecord) -> None:
    """Refuse what may still end well.

    Raises:
        InvocationStatusError: it has not ended.
    """
    if not record.status.is_final():
        message = (
            f"invocation {record.invocation_id} of {record.task_id} is {record.status.value} and "
            "has not ended: wait for its end, or cancel it first"
        )
        raise InvocationStatusError(message)


def call_again(task: TaskDefinition, arguments: dict[str, Any]) -> Mapping[str, Any]:
    """Return the arguments as the task, as it is now, takes them.

    Raises:
        DataRejectedError: it takes others.
    """
    try:
        return fitted(task, arguments)
    except DoesNotFit as refused:
        message = (
            f"{task.task_id}{task.signature} cannot be called like that any more: "
            f"{refused.misfit}; call it with other arguments"
        )
        raise DataRejectedError(message) from None


def options_again(record: InvocationRecord, call: CallRecord) -> CallOptions:
    """Return how it was called; what was written by hand and cannot be is as the task has it."""
    said: dict[str, Any] = {}
    for name in ("max_retries", "timeout"):
        try:
            one = CallOptions.model_validate({name: said_in(call.options).get(name)})
        except ValidationError:
            continue
        said[name] = getattr(one, name)
    return CallOptions(queue=record.queue, priority=call.priority, **said)
