"""Whether a task as it is here takes the arguments of a call that another version of it made.

That is not the fault of whoever made the call, so it is no failure: it waits for a runner that can
take it.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from inspect import Parameter
from typing import Any

from pynenc_pg.domain.known import Misfit
from pynenc_pg.domain.records import Aside, Cause, Claimed
from pynenc_pg.engine.registry import Registry, TaskDefinition
from pynenc_pg.exceptions import TaskNotFoundError

logger = logging.getLogger(__name__)


class DoesNotFit(BaseException):
    """The task takes other arguments."""

    def __init__(self, misfit: Misfit) -> None:
        """Say which."""
        super().__init__(str(misfit))
        self.misfit = misfit


def fitted(task: TaskDefinition, arguments: dict[str, Any]) -> dict[str, Any]:
    """Return the arguments as they are bound, of a task that does not take all of them by name.

    What no other parameter takes goes to the one that stands for ``**``, if there is one.

    Raises:
        DoesNotFit: they cannot be.
    """
    misfit = task.misfit(arguments)
    if misfit:
        raise DoesNotFit(misfit)
    bound: dict[str, Any] = {}
    others: dict[str, Any] = {}
    for name, value in arguments.items():
        (bound if name in task.names else others)[name] = value
    for name, parameter in task.signature.parameters.items():
        if parameter.kind is Parameter.VAR_KEYWORD and (others or name in bound):
            bound[name] = _mapping(name, bound.get(name, {})) | others
        elif parameter.kind is Parameter.VAR_POSITIONAL and not isinstance(
            bound.get(name, []), list | tuple
        ):
            raise DoesNotFit(Misfit((), (name,)))
    return bound


def unknown(claimed: Claimed, registry: Registry) -> Aside:
    """Return the end of what is of a task that this runner does not have."""
    try:
        registry.get(claimed.task_id)
    except TaskNotFoundError as error:
        about = {"invocation_id": claimed.invocation_id, "task_id": claimed.task_id}
        logger.warning("task.unknown: %s", error, extra=about)
    return Aside(claimed.invocation_id, claimed.lease, Cause.UNKNOWN_TASK)


def refused(claimed: Claimed, task: TaskDefinition, misfit: Misfit) -> Aside:
    """Return the end of what was called with other arguments than the task takes."""
    logger.warning(
        "task.other_arguments: %s%s is called with others: %s; it waits for a runner with a "
        "version that takes them",
        task.task_id,
        task.signature,
        misfit,
        extra={"invocation_id": claimed.invocation_id, "task_id": claimed.task_id},
    )
    return Aside(
        claimed.invocation_id, claimed.lease, Cause.ARGUMENTS, misfit.missing, misfit.unknown
    )


def _mapping(name: str, value: object) -> dict[str, Any]:
    if isinstance(value, Mapping):
        return dict(value)
    raise DoesNotFit(Misfit((), (name,)))
