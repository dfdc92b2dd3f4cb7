"""From an invocation to its end: decode, call, encode. Decides; a writer stores the decision."""

from __future__ import annotations

import asyncio
import contextvars
import inspect
import json
import logging
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from pynenc_pg.domain.records import Again, Claimed, End, Ending
from pynenc_pg.domain.runner_context import RunnerContext
from pynenc_pg.engine.context import Running, running
from pynenc_pg.engine.logs import ids
from pynenc_pg.engine.registry import Registry, TaskDefinition
from pynenc_pg.engine.retries import retry_delay
from pynenc_pg.engine.transactions import complete, complete_async
from pynenc_pg.exceptions import RetryError, TaskFailedError, TaskNotFoundError
from pynenc_pg.invocation.status import InvocationStatus, Reason
from pynenc_pg.serializer.base import BaseSerializer
from pynenc_pg.serializer.failure import encode_exception
from pynenc_pg.serializer.wire import decode_arguments, encode

if TYPE_CHECKING:
    from pynenc_pg.engine.pauses import Pauses

logger = logging.getLogger(__name__)

#: Seconds before an invocation is offered again whose task this runner does not know: the runner
#: of a newer deployment may.
UNKNOWN_TASK_DELAY = 30.0

Describe = Callable[[BaseException], str]


def execute(
    claimed: Claimed,
    *,
    registry: Registry,
    serializer: BaseSerializer,
    describe: Describe,
    pauses: Pauses | None = None,
    runner: RunnerContext | None = None,
    forced_sync: bool = False,
) -> End:
    """Call the task. Whatever it raises is its outcome; nothing is raised here.

    ``serializer`` is the app's; a task may have its own. ``describe`` words an exception for the
    log. ``pauses`` is how the task waits for others, ``runner`` who executes it.
    """
    task = _known(claimed, registry)
    if task is None:
        return _unknown(claimed)
    serializer = registry.serializer(task, serializer)
    token = running.set(_running(claimed, pauses, runner, forced_sync=forced_sync))
    try:
        value = encode(_finished(_call(claimed, task, serializer)), serializer)
        if pauses is not None and pauses.transaction is not None:
            return complete(pauses, pauses.transaction, value)
    except BaseException as error:  # noqa: BLE001 - SystemExit ends the invocation, not the worker
        return _failed(error, claimed, task, serializer, describe)
    finally:
        running.reset(token)
        if pauses is not None:
            pauses.close()
    return Ending(claimed.invocation_id, claimed.lease, InvocationStatus.SUCCESS, value)


async def execute_async(
    claimed: Claimed,
    *,
    registry: Registry,
    serializer: BaseSerializer,
    describe: Describe,
    pauses: Pauses,
    runner: RunnerContext | None = None,
) -> End:
    """Like ``execute``, for an ``async def`` task in the loop that runs."""
    task = _known(claimed, registry)
    if task is None:
        return _unknown(claimed)
    serializer = registry.serializer(task, serializer)
    token = running.set(_running(claimed, pauses, runner, forced_sync=False))
    try:
        value = encode(await _call(claimed, task, serializer), serializer)
        if pauses.transaction is not None:
            return await complete_async(pauses, pauses.transaction, value)
    except BaseException as error:  # noqa: BLE001 - as above
        return _failed(error, claimed, task, serializer, describe)
    finally:
        running.reset(token)
        await pauses.close_async()
    return Ending(claimed.invocation_id, claimed.lease, InvocationStatus.SUCCESS, value)


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


def _call(claimed: Claimed, task: TaskDefinition, serializer: BaseSerializer) -> Any:
    arguments = decode_arguments(claimed.arguments, serializer)
    if task.by_name:
        return task.function(**arguments)
    call = inspect.BoundArguments(task.signature, OrderedDict(arguments))
    return task.function(*call.args, **call.kwargs)


def _failed(
    error: BaseException,
    claimed: Claimed,
    task: TaskDefinition,
    serializer: BaseSerializer,
    describe: Describe,
) -> Ending | Again:
    again = isinstance(error, (RetryError, *task.conf.retry_for))
    if again and claimed.retries < _max_retries(claimed, task):
        try:
            delay = retry_delay(task.conf, claimed.retries + 1, error)
        except BaseException as worse:  # noqa: BLE001 - the task's own callable may raise anything
            worse.__context__ = error
            error = worse
        else:
            logger.info("invocation.retry: in %.1f s, %s", delay, describe(error), extra=ids())
            failure = encode_exception(error, serializer)
            return Again(claimed.invocation_id, claimed.lease, Reason.ERROR, delay, failure)
    logger.info("invocation.failed: %s", describe(error), extra=ids())
    failure = encode_exception(error, serializer)
    return Ending(claimed.invocation_id, claimed.lease, InvocationStatus.FAILED, failure)


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
