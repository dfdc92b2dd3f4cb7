"""Conditions on what becomes of the calls of a task."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, ClassVar, Final, Protocol, Self

from pynenc_pg.domain.arguments import Arguments, short_repr
from pynenc_pg.exceptions import TriggerDefinitionError
from pynenc_pg.invocation.status import InvocationStatus
from pynenc_pg.trigger.conditions.base import Condition, Context, Watch
from pynenc_pg.trigger.filters import Filter, read, stored

_S: Final = InvocationStatus
#: Statuses of a task with a limit on how many run at once, or begin in a period.
_OF_LIMITS: Final = frozenset({_S.CONCURRENCY_CONTROLLED, _S.CONCURRENCY_CONTROLLED_FINAL})


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusContext(Context):
    """An invocation that has got a status."""

    invocation_id: str  #: for ``app.get_invocation``
    task_id: str  #: of the task that is watched
    arguments: Arguments  #: of the call; ``arguments.kwargs`` are the values
    status: InvocationStatus  #: the one it got


@dataclass(frozen=True, slots=True)
class StatusCondition(Condition):
    """Met each time an invocation of the task gets one of the statuses, if its arguments pass."""

    kind: ClassVar[str] = "status"
    context_type: ClassVar[type[Context]] = StatusContext

    task_id: str
    statuses: tuple[InvocationStatus, ...]
    arguments: Filter | None = None

    @property
    def watches(self) -> Watch:
        """The task, and the statuses."""
        return Watch(task_id=self.task_id, statuses=self.statuses)

    @property
    def _filters(self) -> dict[str, Filter | None]:
        return {"arguments": self.arguments}

    def _met_by(self, context: StatusContext) -> bool:
        return (
            context.task_id == self.task_id
            and context.status in self.statuses
            and (self.arguments is None or self.arguments.accepts(dict(context.arguments.kwargs)))
        )

    def _content(self) -> dict[str, Any]:
        return {
            "task_id": self.task_id,
            "statuses": [str(status) for status in self.statuses],
            "arguments": stored(self.arguments),
        }

    @classmethod
    def from_json(cls, stored: dict[str, Any]) -> Self:
        """Read what ``to_json`` returned."""
        statuses = parse_statuses(stored["statuses"])
        return cls(stored["task_id"], statuses, read(stored["arguments"]))


def parse_statuses(
    given: InvocationStatus | str | Iterable[InvocationStatus | str],
) -> tuple[InvocationStatus, ...]:
    """Return statuses given as members, names or values in any case, each of them once.

    >>> [status.name for status in parse_statuses(["SUCCESS", "failed"])]
    ['FAILED', 'SUCCESS']

    Raises:
        TriggerDefinitionError: there is no such status, or none is given.
    """
    many = [given] if isinstance(given, str) or not isinstance(given, Iterable) else list(given)
    if not many:
        message = "no status is given: write which ones, as ['SUCCESS', 'FAILED']"
        raise TriggerDefinitionError(message)
    return tuple(sorted({_status(one) for one in many}))


def _status(given: object) -> InvocationStatus:
    try:
        if isinstance(given, str):
            return InvocationStatus(given.lower())
    except ValueError:
        pass
    names = [status.name for status in InvocationStatus]
    near = get_close_matches(str(given).upper(), names, n=1)
    way_out = f"did you mean {near[0]}?" if near else f"there are {', '.join(names)}"
    message = f"{short_repr(given)} is no status of an invocation: {way_out}"
    raise TriggerDefinitionError(message)


class Limits(Protocol):
    """What of the options of a task says whether it is ever limited."""

    @property
    def limited(self) -> str:
        """Which invocations share a limit; ``disabled`` if there is none."""
        ...

    @property
    def must_not_wait(self) -> bool:
        """Whether what may not run at once ends instead of waiting."""
        ...


def why_never(statuses: Iterable[InvocationStatus], conf: Limits) -> str | None:
    """Return why a task with these options gets none of the statuses; None if it may get one.

    Any task may be retried, recovered, paused or cancelled. Only the statuses of limits need one.
    """
    left = set(statuses)
    if not left <= _OF_LIMITS:
        return None
    names = " or ".join(sorted(status.name for status in left))
    if conf.limited == "disabled":
        return f"it never gets {names} without running_concurrency or rate_limit"
    if not conf.must_not_wait and left == {_S.CONCURRENCY_CONTROLLED_FINAL}:
        return f"it never gets {names}, but waits, unless reroute_on_concurrency_control=False"
    if conf.must_not_wait and left == {_S.CONCURRENCY_CONTROLLED}:
        return f"it never gets {names}, but ends, with reroute_on_concurrency_control=False"
    return None
