"""What users give to the operations of a workflow, checked."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from pynenc_pg.domain.arguments import short_repr
from pynenc_pg.domain.workflows import FOREVER, LONGEST_ABOUT
from pynenc_pg.exceptions import DataRejectedError, InvalidTaskOptionsError, WorkflowError
from pynenc_pg.serializer.plain import is_hostile
from pynenc_pg.workflow.callee import Call, Callee, calls_of, is_task

if TYPE_CHECKING:
    from pynenc_pg.engine.core import Engine


def duration(given: float | timedelta, what: str) -> float:
    """Return seconds. ``what`` names them in an error.

    Raises:
        ValueError: it is negative, or no number.
    """
    seconds = given.total_seconds() if isinstance(given, timedelta) else given
    number = isinstance(seconds, int | float) and not isinstance(seconds, bool)
    if not number or not 0 <= seconds < float("inf"):
        message = f"{what} = {given!r}: give seconds, 0 or more"
        raise ValueError(message)
    return min(float(seconds), FOREVER)


def sleep_seconds(
    seconds: float | timedelta | None, until: datetime | None, now: Callable[[], datetime]
) -> Callable[[], float]:
    """Return what computes how long a sleep is; ``now`` is asked only then.

    Raises:
        ValueError: neither or both are given, or one that cannot be.
    """
    if (seconds is None) is (until is None):
        message = "sleep: give seconds, or the time until which as until=..."
        raise ValueError(message)
    if seconds is not None:
        length = duration(seconds, "sleep")
        return lambda: length
    assert until is not None  # noqa: S101 - one of the two
    if until.utcoffset() is None:
        message = f"sleep until {until!r}: give a time with its zone, as in datetime.now(UTC)"
        raise ValueError(message)
    end = until
    return lambda: min(max((end - now()).total_seconds(), 0.0), FOREVER)


def name(text: object, what: str) -> str:
    """Return a text that a step has about it.

    Raises:
        DataRejectedError: it is too long, or the store cannot hold it.
        TypeError: it is no text.
    """
    if not isinstance(text, str):
        message = f"{what} {short_repr(text)}: it must be a text"
        raise TypeError(message)
    if len(text) > LONGEST_ABOUT or is_hostile(text):
        message = (
            f"{what} {short_repr(text)}: it has {len(text)} characters; give a text of "
            f"{LONGEST_ABOUT} at most, without NUL and lone surrogates"
        )
        raise DataRejectedError(message)
    return text


def function_name(func: Callable[..., Any], *, coroutine: bool) -> str:
    """Return what the step of a function is called.

    Raises:
        WorkflowError: it is a task, or asynchronous where nothing is awaited.
    """
    if is_task(func):
        message = f"{func!r} is a task: call it with execute_task, step is for plain functions"
        raise WorkflowError(message)
    if inspect.iscoroutinefunction(func) and not coroutine:
        message = f"{func!r} is async def: a plain task awaits nothing, make it an async def task"
        raise WorkflowError(message)
    own = getattr(func, "__qualname__", None) or type(func).__qualname__
    return name(f"{getattr(func, '__module__', None) or '?'}.{own}", "the name of a function")


def bound(
    task: Callee[..., Any],
    args: tuple[Any, ...],
    kwargs: Call,
    engine_now: Callable[[], Callable[[], Engine]],
) -> Call:
    """Bind the call of a task to be made by a workflow.

    Raises:
        TypeError: the arguments do not fit the task, or it is none.
        InvalidTaskOptionsError: its options are not for the calls of a workflow.
        WorkflowError: it is a task of another app.
    """
    calls = calls_of(task)
    if calls.options.key is not None:
        message = (
            f"the key {calls.options.key!r} is not for calls of a workflow, which know each other "
            "by their place: leave it out"
        )
        raise InvalidTaskOptionsError(message)
    call = calls.binding.bind(*args, **kwargs)
    if calls.engine_now()() is not engine_now()():
        message = (
            f"{calls.definition.task_id} is a task of another app, whose store knows nothing of "
            "this workflow: call it in a function, with step"
        )
        raise WorkflowError(message)
    return call


def checked_path(path: str) -> str:
    """Return the path of a step.

    Raises:
        DataRejectedError: it is none.
    """
    if not re.fullmatch(r"[1-9]\d{0,8}(\.[1-9]\d{0,8})*", path):
        message = f"path {path!r}: give the number of a step, as '3' or '4.1.2'"
        raise DataRejectedError(message)
    return path
