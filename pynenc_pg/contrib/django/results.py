"""An invocation as Django sees one: a ``TaskResult``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from traceback import format_exception
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from django.utils.module_loading import import_string

from pynenc_pg.contrib.django.framework import (
    Task,
    TaskError,
    TaskResult,
    TaskResultDoesNotExist,
    TaskResultStatus,
)
from pynenc_pg.exceptions import InvocationNotFoundError
from pynenc_pg.invocation.status import InvocationStatus

if TYPE_CHECKING:
    from pynenc_pg.app import Pynenc
    from pynenc_pg.invocation.handle import Invocation

_RUNNING: Final = frozenset(
    {InvocationStatus.RUNNING, InvocationStatus.PAUSED, InvocationStatus.RESUMED}
)


def new(
    task: Task[..., Any], alias: str, args: Sequence[Any], kwargs: Mapping[str, Any]
) -> TaskResult[Any]:
    """Return one that has not begun; arguments that JSON does not have are refused."""
    return TaskResult(
        task=task,
        id="",
        status=TaskResultStatus.READY,
        enqueued_at=None,
        started_at=None,
        last_attempted_at=None,
        finished_at=None,
        args=list(args),
        kwargs=dict(kwargs),
        backend=alias,
        errors=[],
        worker_ids=[],
    )


def amend(result: TaskResult[Any], **fields: Any) -> None:
    """Write fields of what is frozen for everybody else."""
    for name, value in fields.items():
        object.__setattr__(result, name, value)


def get(app: Pynenc, result_id: str, alias: str) -> TaskResult[Any]:
    """Return how an invocation stands.

    Raises:
        TaskResultDoesNotExist: there is none, or it is of no task of Django's.
    """
    try:
        invocation = app.get_invocation(result_id)
        task = import_string(invocation.task_id)
    except (InvocationNotFoundError, ImportError) as error:
        raise TaskResultDoesNotExist(result_id) from error
    if not isinstance(task, Task):
        raise TaskResultDoesNotExist(result_id)
    return found(invocation, task, alias)


def found(invocation: Invocation[Any], task: Task[..., Any], alias: str) -> TaskResult[Any]:
    """Read it, with its attempts."""
    store = invocation._engine().store  # noqa: SLF001 - where it was called, in whatever mode
    record = store.state_backend.get_invocation(invocation.invocation_id)
    attempts = invocation.attempts
    result = new(task, alias, (), dict(invocation.arguments.kwargs))
    ended = record.status.is_final()
    amend(
        result,
        id=invocation.invocation_id,
        status=_status(record.status),
        enqueued_at=record.registered_at,
        started_at=attempts[0].started_at if attempts else None,
        last_attempted_at=attempts[-1].started_at if attempts else None,
        finished_at=record.status_at if ended else None,
        worker_ids=[one.runner_id for one in attempts if one.runner_id],
    )
    result.errors.extend(described(one.error) for one in attempts if one.error is not None)
    if record.status is InvocationStatus.SUCCESS:
        amend(result, _return_value=invocation.result)
    return result


def made_at(invocation_id: str) -> datetime:
    """Return when a call was made: its id says it."""
    return datetime.fromtimestamp((UUID(invocation_id).int >> 80) / 1000, UTC)


def described(error: BaseException) -> TaskError:
    """Describe an exception, with the traceback of the worker."""
    kind = type(error)
    return TaskError(
        exception_class_path=f"{kind.__module__}.{kind.__qualname__}",
        traceback="".join(format_exception(error)),
    )


def plain(value: Any) -> Any:
    """Return a value as JSON has it, as Django's own backends do.

    Raises:
        TypeError: JSON has nothing of the kind.
    """
    match value:
        case None | bool() | int() | float() | str():
            return value
        case bytes():
            return value.decode()
        case Mapping():
            return {plain(key): plain(one) for key, one in value.items()}
        case Sequence():
            return [plain(one) for one in value]
    message = f"Unsupported type: {type(value)}"
    raise TypeError(message)


def _status(status: InvocationStatus) -> TaskResultStatus:
    if status is InvocationStatus.SUCCESS:
        return TaskResultStatus.SUCCESSFUL
    if status.is_final():
        return TaskResultStatus.FAILED
    return TaskResultStatus.RUNNING if status in _RUNNING else TaskResultStatus.READY
