"""From an invocation to its end: decode, call, encode. Decides; a writer stores the decision."""

from __future__ import annotations

import asyncio
import contextvars
import inspect
import json
import logging
from collections import OrderedDict
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from pynenc_pg.domain.records import Again, Claimed, Ending, Payload
from pynenc_pg.domain.runner_context import RunnerContext
from pynenc_pg.engine.context import Running, running
from pynenc_pg.engine.logs import ids
from pynenc_pg.engine.registry import Registry, TaskDefinition
from pynenc_pg.engine.retries import retry_delay
from pynenc_pg.exceptions import (
    RetryError,
    StoreUnavailableError,
    TaskFailedError,
    TaskNotFoundError,
)
from pynenc_pg.invocation.status import InvocationStatus, Reason
from pynenc_pg.serializer.base import BaseSerializer
from pynenc_pg.serializer.failure import encode_exception
from pynenc_pg.serializer.wire import QUOTED_REF, decode_arguments, encode

if TYPE_CHECKING:
    from pynenc_pg.engine.pauses import Pauses
    from pynenc_pg.engine.payloads import Payloads

logger = logging.getLogger(__name__)

#: Seconds before an invocation is offered again whose task this runner does not know: the runner
#: of a newer deployment may.
UNKNOWN_TASK_DELAY = 30.0
#: Seconds before an attempt whose arguments could not be fetched.
UNREACHABLE_DELAY = 1.0

Describe = Callable[[BaseException], str]


def execute(
    claimed: Claimed,
    *,
    registry: Registry,
    serializer: BaseSerializer,
    describe: Describe,
    pauses: Pauses | None = None,
    runner: RunnerContext | None = None,
    payloads: Payloads | None = None,
    forced_sync: bool = False,
) -> Ending | Again:
    """Call the task. Whatever it raises is its outcome; nothing is raised here.

    ``serializer`` is the app's; a task may have its own. ``describe`` words an exception for the
    log. ``pauses`` is how the task waits for others, ``runner`` who executes it; ``payloads`` has
    what is large.
    """
    task = _known(claimed, registry)
    if task is None:
        return _unknown(claimed)
    serializer = registry.serializer(task, serializer)
    token = running.set(_running(claimed, pauses, runner, forced_sync=forced_sync))
    try:
        arguments = _arguments(claimed, serializer, payloads)
        value, large = _encoded(_finished(_call(task, arguments)), task, serializer, payloads)
        if payloads is not None and large:
            large = payloads.settled(large)
    except BaseException as error:  # noqa: BLE001 - SystemExit ends the invocation, not the worker
        return _failed(error, claimed, task, serializer, describe, payloads)
    finally:
        running.reset(token)
        if pauses is not None:
            pauses.close()
    success = InvocationStatus.SUCCESS
    return Ending(claimed.invocation_id, claimed.lease, success, value, payloads=large)


async def execute_async(
    claimed: Claimed,
    *,
    registry: Registry,
    serializer: BaseSerializer,
    describe: Describe,
    pauses: Pauses,
    runner: RunnerContext | None = None,
    payloads: Payloads | None = None,
) -> Ending | Again:
    """Like ``execute``, for an ``async def`` task in the loop that runs."""
    task = _known(claimed, registry)
    if task is None:
        return _unknown(claimed)
    serializer = registry.serializer(task, serializer)
    token = running.set(_running(claimed, pauses, runner, forced_sync=False))
    try:
        if QUOTED_REF in claimed.arguments:  # the loop goes on while they are fetched
            arguments = await asyncio.to_thread(_arguments, claimed, serializer, payloads)
        else:
            arguments = _arguments(claimed, serializer, payloads)
        value, large = _encoded(await _call(task, arguments), task, serializer, payloads)
        if payloads is not None and large:
            large = await asyncio.to_thread(payloads.settled, large)
    except BaseException as error:  # noqa: BLE001 - as above
        return _failed(error, claimed, task, serializer, describe, payloads)
    finally:
        running.reset(token)
        await pauses.close_async()
    success = InvocationStatus.SUCCESS
    return Ending(claimed.invocation_id, claimed.lease, success, value, payloads=large)


def uncarriable(claimed: Claimed, error: BaseException, serializer: BaseSerializer) -> Ending:
    """Return the end of a task whose own exception breaks what would carry it."""
    kind = type(error).__qualname__
    logger.error(
        "invocation.uncarriable: %s",  # no more: a traceback shows what the task's values say
        kind,
        extra={"invocation_id": claimed.invocation_id, "task_id": claimed.task_id},
    )
    failure = TaskFailedError(kind, "the task failed, and its exception could not be carried")
    failed = encode_exception(failure, serializer)
    return Ending(claimed.invocation_id, claimed.lease, InvocationStatus.FAILED, failed)


def is_coroutine(claimed: Claimed, registry: Registry) -> bool:
    """Whether it is an ``async def`` task, for ``execute_async``."""
    task = registry.find(claimed.task_id)
    return task is not None and inspect.iscoroutinefunction(task.function)


def _known(claimed: Claimed, registry: Registry) -> TaskDefinition | None:
    try:
        return registry.get(claimed.task_id)
    except TaskNotFoundError as error:
        about = {"invocation_id": claimed.invocation_id, "task_id": claimed.task_id}
        logger.warning("task.unknown: %s", error, extra=about)
        return None


def _unknown(claimed: Claimed) -> Again:
    return Again(claimed.invocation_id, claimed.lease, Reason.SNOOZED, delay=UNKNOWN_TASK_DELAY)


def _running(
    claimed: Claimed, pauses: Pauses | None, runner: RunnerContext | None, *, forced_sync: bool
) -> Running:
    return Running(
        claimed.invocation_id,
        claimed.task_id,
        claimed.depth,
        claimed.retries,
        claimed.lease,
        pauses,
        runner,
        forced_sync,
    )


class _LaterError(BaseException):
    """The store could not be asked for an argument: nobody is to blame for that."""


def _arguments(
    claimed: Claimed, serializer: BaseSerializer, payloads: Payloads | None
) -> dict[str, Any]:
    try:
        return decode_arguments(claimed.arguments, serializer, payloads)
    except StoreUnavailableError as error:
        logger.warning("payload.unreachable: %s", error, extra=ids())
        raise _LaterError from error


def _encoded(
    value: Any, task: TaskDefinition, serializer: BaseSerializer, payloads: Payloads | None
) -> tuple[str, Sequence[Payload]]:
    if payloads is None:
        return encode(value, serializer), ()
    return payloads.result(value, task, serializer)


def _call(task: TaskDefinition, arguments: dict[str, Any]) -> Any:
    if task.by_name:
        return task.function(**arguments)
    call = inspect.BoundArguments(task.signature, OrderedDict(arguments))
    return task.function(*call.args, **call.kwargs)


def _failed(  # noqa: PLR0917 - all that an end is made of
    error: BaseException,
    claimed: Claimed,
    task: TaskDefinition,
    serializer: BaseSerializer,
    describe: Describe,
    payloads: Payloads | None,
) -> Ending | Again:
    if isinstance(error, _LaterError):
        return Again(claimed.invocation_id, claimed.lease, Reason.SNOOZED, UNREACHABLE_DELAY)
    again = isinstance(error, (RetryError, *task.conf.retry_for))
    if again and claimed.retries < _max_retries(claimed, task):
        try:
            delay = retry_delay(task.conf, claimed.retries + 1, error)
        except BaseException as worse:  # noqa: BLE001 - the task's own callable may raise anything
            worse.__context__ = error
            error = worse
        else:
            logger.info("invocation.retry: in %.1f s, %s", delay, describe(error), extra=ids())
            failure, large = _failure(error, serializer, payloads)
            hold = claimed.invocation_id, claimed.lease
            return Again(*hold, Reason.ERROR, delay, failure, payloads=large)
    logger.info("invocation.failed: %s", describe(error), extra=ids())
    failure, large = _failure(error, serializer, payloads)
    failed = InvocationStatus.FAILED
    return Ending(claimed.invocation_id, claimed.lease, failed, failure, payloads=large)


def _failure(
    error: BaseException, serializer: BaseSerializer, payloads: Payloads | None
) -> tuple[str, Sequence[Payload]]:
    text = encode_exception(error, serializer)
    return (text, ()) if payloads is None else payloads.failure(text)


def _max_retries(claimed: Claimed, task: TaskDefinition) -> int:
    """Of this very call, or else of its task: who calls from SQL may write anything there."""
    said = json.loads(claimed.options)
    own = said.get("max_retries") if isinstance(said, dict) else None
    return own if isinstance(own, int) else task.conf.max_retries


def _finished(result: Any) -> Any:
    """Run what an ``async def`` task returned to its end; anything else comes back as it is."""
    if not inspect.iscoroutine(result):
        return result
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(result)
    # Executed at its call, from code that runs in a loop itself: that one cannot run another.
    context = contextvars.copy_context()
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(context.run, asyncio.run, result).result()
