"""Conditions on what a task returned."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Self

from pynenc_pg.invocation.status import InvocationStatus
from pynenc_pg.trigger.conditions.base import Condition, Context, Watch
from pynenc_pg.trigger.conditions.status import StatusContext
from pynenc_pg.trigger.filters import Filter, read, stored


@dataclass(frozen=True, slots=True, kw_only=True)
class ResultContext(StatusContext):
    """An invocation that has succeeded, with what it returned."""

    result: Any  #: what the task returned


@dataclass(frozen=True, slots=True)
class ResultCondition(Condition):
    """Met by each invocation of the task that succeeds, if arguments and result pass."""

    kind: ClassVar[str] = "result"
    context_type: ClassVar[type[Context]] = ResultContext

    task_id: str
    result: Filter | None = None  # None: whatever it returned
    arguments: Filter | None = None

    @property
    def watches(self) -> Watch:
        """The task's successes."""
        return Watch(task_id=self.task_id, statuses=(InvocationStatus.SUCCESS,))

    @property
    def _filters(self) -> dict[str, Filter | None]:
        return {"arguments": self.arguments, "result": self.result}

    def _met_by(self, context: ResultContext) -> bool:
        return (
            context.task_id == self.task_id
            and context.status is InvocationStatus.SUCCESS
            and (self.arguments is None or self.arguments.accepts(dict(context.arguments.kwargs)))
            and (self.result is None or self.result.accepts(context.result))
        )

    def _content(self) -> dict[str, Any]:
        return {
            "task_id": self.task_id,
            "result": stored(self.result),
            "arguments": stored(self.arguments),
        }

    @classmethod
    def from_json(cls, stored: dict[str, Any]) -> Self:
        """Read what ``to_json`` returned."""
        return cls(stored["task_id"], read(stored["result"]), read(stored["arguments"]))
