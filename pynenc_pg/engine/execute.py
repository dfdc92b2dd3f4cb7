"""From an invocation to its end: decode, call, encode. Decides; a writer stores the decision."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from pynenc_pg.domain.records import Again, Claimed, Ending
from pynenc_pg.engine.context import Running, running
from pynenc_pg.engine.logs import ids
from pynenc_pg.engine.registry import Registry, TaskDefinition
from pynenc_pg.engine.retries import retry_delay
from pynenc_pg.exceptions import RetryError, TaskNotFoundError
from pynenc_pg.invocation.status import InvocationStatus, Reason
from pynenc_pg.serializer.base import BaseSerializer
from pynenc_pg.serializer.failure import encode_exception
from pynenc_pg.serializer.wire import decode_arguments, encode

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
    forced_sync: bool = False,
) -> Ending | Again:
    """Call the task. Whatever it raises is its outcome; nothing is raised here.

    ``serializer`` is the app's; a task may have its own. ``describe`` words an exception for the
    log.
    """
    try:
        task = registry.get(claimed.task_id)
    except TaskNotFoundError as error:
        about = {"invocation_id": claimed.invocation_id, "task_id": claimed.task_id}
        logger.warning("task.unknown: %s", error, extra=about)
        return Again(claimed.invocation_id, claimed.lease, Reason.SNOOZED, delay=UNKNOWN_TASK_DELAY)
    token = running.set(
        Running(
            claimed.invocation_id,
            claimed.task_id,
            claimed.depth,
            claimed.retries,
            claimed.lease,
            forced_sync,
        )
    )
    try:
        try:
            serializer = registry.serializer(task, serializer)
            arguments = decode_arguments(claimed.arguments, serializer)
            result = task.function(*_args(task, arguments), **_kwargs(task, arguments))
            value = encode(result, serializer)
        except BaseException as error:  # noqa: BLE001 - SystemExit ends the invocation, not the worker
            return _failed(error, claimed, task, serializer, describe)
    finally:
        running.reset(token)
    return Ending(claimed.invocation_id, claimed.lease, InvocationStatus.SUCCESS, value)


def _failed(
    error: BaseException,
    claimed: Claimed,
    task: TaskDefinition,
    serializer: BaseSerializer,
    describe: Describe,
) -> Ending | Again:
    again = isinstance(error, (RetryError, *task.conf.retry_for))
    if again and claimed.retries < task.conf.max_retries:
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


def _args(task: TaskDefinition, arguments: dict[str, Any]) -> list[Any]:
    args: list[Any] = []
    for name, parameter in task.signature.parameters.items():
        if name not in arguments:
            continue
        if parameter.kind is parameter.VAR_POSITIONAL:
            args.extend(arguments[name])
        elif parameter.kind in (parameter.POSITIONAL_ONLY, parameter.POSITIONAL_OR_KEYWORD):
            args.append(arguments[name])
    return args


def _kwargs(task: TaskDefinition, arguments: dict[str, Any]) -> dict[str, Any]:
    kwargs: dict[str, Any] = {}
    for name, parameter in task.signature.parameters.items():
        if name not in arguments:
            continue
        if parameter.kind is parameter.VAR_KEYWORD:
            kwargs.update(arguments[name])
        elif parameter.kind is parameter.KEYWORD_ONLY:
            kwargs[name] = arguments[name]
    return kwargs
