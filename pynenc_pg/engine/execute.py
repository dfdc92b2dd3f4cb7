"""From an invocation to its end: decode, call, encode."""

from __future__ import annotations

import asyncio
import contextvars
import inspect
import logging
from collections import OrderedDict
from collections.abc import Coroutine, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from typing import TYPE_CHECKING, Any

from pynenc_pg.domain.records import Claimed, End, Payload
from pynenc_pg.domain.runner_context import RunnerContext
from pynenc_pg.engine.context import Running, running
from pynenc_pg.engine.fitting import DoesNotFit, fitted, refused, unknown
from pynenc_pg.engine.logs import ids
from pynenc_pg.engine.registry import Registry, TaskDefinition, unknown_task
from pynenc_pg.engine.stops import Stop
from pynenc_pg.engine.suspension import check_suspension
from pynenc_pg.engine.transactions import complete, complete_async
from pynenc_pg.engine.verdicts import (
    Describe,
    Judge,
    LaterError,
    cancelled,
    hook_failed,
    success,
    told_of_success,
)
from pynenc_pg.exceptions import StoreUnavailableError
from pynenc_pg.serializer.base import BaseSerializer
from pynenc_pg.serializer.wire import QUOTED_REF, decode_arguments, encode

if TYPE_CHECKING:
    from pynenc_pg.engine.pauses import Pauses
    from pynenc_pg.engine.payloads import Payloads

logger = logging.getLogger(__name__)

_NOTHING = nullcontext()


def execute(
    claimed: Claimed,
    *,
    registry: Registry,
    serializer: BaseSerializer,
    describe: Describe,
    stop: Stop,
    pauses: Pauses | None = None,
    runner: RunnerContext | None = None,
    payloads: Payloads | None = None,
    forced_sync: bool = False,
) -> End:
    """Call the task. Whatever it raises is its outcome; nothing is raised here.

    ``serializer`` is the app's; a task may have its own. ``describe`` words an exception for the
    log. ``stop`` is how the task learns that it has to, ``pauses`` how it waits for others,
    ``runner`` who executes it; ``payloads`` has what is large.
    """
    task = registry.find(claimed.task_id)
    if task is None:
        return unknown(claimed, registry)
    serializer = registry.serializer(task, serializer)
    token = running.set(_running(claimed, stop, pauses, runner, forced_sync=forced_sync))
    try:
        try:
            with _inside(registry, task, claimed):
                arguments = _arguments(claimed, task, serializer, payloads)
                result = _finished(_call(task, arguments), stop)
            check_suspension()
            stop.over()
            value, large = _encoded(result, task, serializer, payloads)
            if payloads is not None and large:
                large = payloads.settled(large)
            end: End = (ending := success(claimed, value, large))
            if pauses is not None and pauses.transaction is not None:
                end = complete(pauses, pauses.transaction, ending)
            if task.conf.on_success is None:
                return end
            verdict = told_of_success(end, task, result)
        except DoesNotFit as error:
            stop.over()
            return refused(claimed, task, error.misfit)
        except BaseException as error:  # noqa: BLE001 - SystemExit ends it, not the worker
            stop.over()
            verdict = Judge(
                claimed, task, serializer, describe=describe, stop=stop, payloads=payloads
            ).raised(error)
        if verdict.hook is not None and not (pauses and pauses.given_away):
            _tell(verdict.tell())
        return verdict.end
    finally:
        running.reset(token)
        if pauses is not None:
            pauses.close()


async def execute_async(
    claimed: Claimed,
    *,
    registry: Registry,
    serializer: BaseSerializer,
    describe: Describe,
    stop: Stop,
    pauses: Pauses,
    runner: RunnerContext | None = None,
    payloads: Payloads | None = None,
) -> End:
    """Like ``execute``, for an ``async def`` task in the loop that runs."""
    task = registry.find(claimed.task_id)
    if task is None:
        return unknown(claimed, registry)
    serializer = registry.serializer(task, serializer)
    token = running.set(_running(claimed, stop, pauses, runner, forced_sync=False))
    try:
        try:
            with stop.in_loop(), _inside(registry, task, claimed):
                if QUOTED_REF in claimed.arguments:  # the loop goes on while they are fetched
                    arguments = await asyncio.to_thread(
                        _arguments, claimed, task, serializer, payloads
                    )
                else:
                    arguments = _arguments(claimed, task, serializer, payloads)
                result = await _call(task, arguments)
            check_suspension()
            stop.over()
            value, large = _encoded(result, task, serializer, payloads)
            if payloads is not None and large:
                large = await asyncio.to_thread(payloads.settled, large)
            end: End = (ending := success(claimed, value, large))
            if pauses.transaction is not None:
                end = await complete_async(pauses, pauses.transaction, ending)
            if task.conf.on_success is None:
                return end
            verdict = told_of_success(end, task, result)
        except DoesNotFit as error:
            stop.over()
            return refused(claimed, task, error.misfit)
        except BaseException as error:  # noqa: BLE001 - as above
            stop.over()
            verdict = Judge(
                claimed, task, serializer, describe=describe, stop=stop, payloads=payloads
            ).raised(error)
        if verdict.hook is not None and not pauses.given_away:
            await _tell_async(verdict.tell())
        return verdict.end
    finally:
        running.reset(token)
        await pauses.close_async()


def give_up(
    claimed: Claimed,
    *,
    registry: Registry,
    serializer: BaseSerializer,
    describe: Describe,
    stop: Stop,
    runner: RunnerContext | None = None,
    payloads: Payloads | None = None,
    hooks: bool = True,
) -> End:
    """Return the end of an attempt that does not listen: as if it had raised what it was asked.

    A task that is not known here ends as if it had no options.
    """
    task = registry.find(claimed.task_id) or unknown_task(claimed.task_id)
    judge = Judge(
        claimed,
        task,
        registry.serializer(task, serializer),
        describe=describe,
        stop=stop,
        payloads=payloads,
    )
    stop.over()
    token = running.set(_running(claimed, stop, None, runner, forced_sync=False))
    try:
        verdict = judge.raised(stop.error or cancelled(claimed))
        if hooks:
            _tell(verdict.tell())
        return verdict.end
    finally:
        running.reset(token)


def is_coroutine(claimed: Claimed, registry: Registry) -> bool:
    """Whether it is an ``async def`` task, for ``execute_async``."""
    task = registry.find(claimed.task_id)
    return task is not None and inspect.iscoroutinefunction(task.function)


def _running(
    claimed: Claimed,
    stop: Stop,
    pauses: Pauses | None,
    runner: RunnerContext | None,
    *,
    forced_sync: bool,
) -> Running:
    return Running(
        claimed.invocation_id,
        claimed.task_id,
        claimed.depth,
        claimed.retries,
        claimed.lease,
        stop,
        pauses,
        runner,
        forced_sync,
        claimed,
    )


def _inside(
    registry: Registry, task: TaskDefinition, claimed: Claimed
) -> AbstractContextManager[None]:
    """Return what surrounds the execution."""
    return _surrounded(registry, task, claimed) if registry.middleware else _NOTHING


@contextmanager
def _surrounded(registry: Registry, task: TaskDefinition, claimed: Claimed) -> Iterator[None]:
    """Enter the middleware. None of it makes a success of a failure."""
    raised: BaseException | None = None
    with ExitStack() as stack:
        for surround in registry.middleware:
            stack.enter_context(surround(task.handle(claimed.invocation_id)))
        try:
            yield
        except BaseException as error:
            raised = error
            raise
    if raised is not None:
        raise raised


def _arguments(
    claimed: Claimed, task: TaskDefinition, serializer: BaseSerializer, payloads: Payloads | None
) -> dict[str, Any]:
    try:
        arguments = decode_arguments(claimed.arguments, serializer, payloads)
        types = task.types(serializer)
        return arguments if types is None else types.lift(arguments)
    except StoreUnavailableError as error:
        logger.warning("payload.unreachable: %s", error, extra=ids())
        raise LaterError from error


def _encoded(
    value: Any, task: TaskDefinition, serializer: BaseSerializer, payloads: Payloads | None
) -> tuple[str, Sequence[Payload]]:
    types = task.types(serializer)
    if types is not None:
        value = types.lower_result(value)
    if payloads is None:
        return encode(value, serializer), ()
    return payloads.result(value, task, serializer)


def _call(task: TaskDefinition, arguments: dict[str, Any]) -> Any:
    # Looked at here and not by the call: a TypeError of the task's own is none of ours.
    if task.by_name:
        if not task.required <= arguments.keys() <= task.names:
            raise DoesNotFit(task.misfit(arguments))
        return task.function(**arguments)
    call = inspect.BoundArguments(task.signature, OrderedDict(fitted(task, arguments)))
    return task.function(*call.args, **call.kwargs)


def _finished(result: Any, stop: Stop) -> Any:
    """Run what an ``async def`` task returned to its end; anything else comes back as it is."""
    if not inspect.iscoroutine(result):
        return result
    # Not in a handler of the error that a thread without a loop raises: what the task raises would
    # have it as its context.
    if not _in_loop():
        return asyncio.run(_awaited(result, stop))
    # Executed at its call, from code that runs in a loop itself: that one cannot run another.
    context = contextvars.copy_context()
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(context.run, asyncio.run, _awaited(result, stop)).result()


def _in_loop() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


async def _awaited(result: Coroutine[Any, Any, Any], stop: Stop) -> Any:
    with stop.in_loop():
        return await result


def _tell(said: Any) -> None:
    """Let a hook that is ``async def`` have its end."""
    try:
        _finished(said, Stop())  # what the task was asked does not stop it
    except BaseException as error:  # noqa: BLE001 - as of one that is not
        hook_failed(error)


async def _tell_async(said: Any) -> None:
    if not inspect.isawaitable(said):
        return
    try:
        await said
    except BaseException as error:  # noqa: BLE001 - as above
        hook_failed(error)
