"""From an invocation to its end: decode, call, encode. Decides; a writer stores the decision."""

from __future__ import annotations

import logging
from typing import Any

from pynenc_pg.domain.records import Again, Claimed, Ending
from pynenc_pg.engine.context import Running, running
from pynenc_pg.engine.registry import Registry, TaskDefinition
from pynenc_pg.exceptions import RetryError, TaskNotFoundError
from pynenc_pg.invocation.status import InvocationStatus, Reason
from pynenc_pg.serializer.base import BaseSerializer
from pynenc_pg.serializer.failure import encode_exception
from pynenc_pg.serializer.wire import decode_arguments, encode

logger = logging.getLogger(__name__)

#: Seconds before an invocation is offered again whose task this runner does not know: the runner
#: of a newer deployment may.
UNKNOWN_TASK_DELAY = 30.0


def execute(claimed: Claimed, *, registry: Registry, serializer: BaseSerializer) -> Ending | Again:
    """Call the task. Whatever it raises is its outcome; nothing is raised here."""
    try:
        task = registry.get(claimed.task_id)
    except TaskNotFoundError as error:
        logger.warning("task.unknown %s: %s", claimed.invocation_id, error)
        return Again(claimed.invocation_id, claimed.lease, Reason.SNOOZED, delay=UNKNOWN_TASK_DELAY)
    token = running.set(
        Running(
            claimed.invocation_id, claimed.task_id, claimed.depth, claimed.retries, claimed.lease
        )
    )
    try:
        arguments = decode_arguments(claimed.arguments, serializer)
        result = task.function(*_args(task, arguments), **_kwargs(task, arguments))
        value = encode(result, serializer)
    except BaseException as error:  # noqa: BLE001 - SystemExit ends the invocation, not the worker
        return _failed(error, claimed, task, serializer)
    finally:
        running.reset(token)
    return Ending(claimed.invocation_id, claimed.lease, InvocationStatus.SUCCESS, value)


def _failed(
    error: BaseException, claimed: Claimed, task: TaskDefinition, serializer: BaseSerializer
) -> Ending | Again:
    failure = encode_exception(error, serializer)
    again = isinstance(error, (RetryError, *task.conf.retry_for))
    if again and claimed.retries < task.conf.max_retries:
        logger.info("invocation.retry %s: %r", claimed.invocation_id, error)
        return Again(claimed.invocation_id, claimed.lease, Reason.ERROR, error=failure)
    logger.info("invocation.failed %s: %r", claimed.invocation_id, error)
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
