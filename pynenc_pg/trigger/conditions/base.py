"""What all conditions have in common, and what a firing tells of its cause."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar, Self

from pynenc_pg.invocation.status import InvocationStatus
from pynenc_pg.trigger.filters import Filter
from pynenc_pg.trigger.json_values import content_id


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """What is known of a cause: an event, a tick, a change of status."""

    timestamp: datetime  #: when it happened, by the clock of the database; aware


@dataclass(frozen=True, slots=True)
class Watch:
    """What can cause a condition to be met; anything else need not be recorded for it."""

    task_id: str | None = None
    statuses: tuple[InvocationStatus, ...] = ()
    event_code: str | None = None
    exception_types: tuple[str, ...] = ()  # empty: whatever was raised


class Condition(ABC):
    """One condition of a trigger: which causes meet it. A frozen value."""

    __slots__ = ()

    kind: ClassVar[str]
    context_type: ClassVar[type[Context]]

    @property
    @abstractmethod
    def watches(self) -> Watch:
        """What can cause it to be met."""

    @property
    def static_filter(self) -> dict[str, Any] | None:
        """JSON that the cause must contain, in the sense of ``jsonb @>``; None if there is none.

        Its keys are ``arguments``, ``payload`` and ``result``. A cause that does not contain it
        does not meet the condition, unless where they differ the cause has a marker of the wire
        format (``$ref``, ``$codec`` and so on): such a value is known only when it is read. A cause
        that contains it meets the condition if ``is_exact``; else ``matches`` tells.
        """
        known = {
            name: wanted
            for name, filter_ in self._filters.items()
            if filter_ is not None and (wanted := filter_.for_sql()) is not ...
        }
        return known or None

    @property
    def is_exact(self) -> bool:
        """Whether ``watches`` and ``static_filter`` say all there is: Python need not be asked."""
        return all(f is None or f.for_sql() == f.value for f in self._filters.values())

    @property
    def _filters(self) -> dict[str, Filter | None]:
        return {}

    def matches(self, context: Context) -> bool:
        """Whether the cause meets the condition: the whole test.

        Raises:
            TriggerCallableError: a filter is not known here, or returned no bool. What a filter
                raises by itself arrives as itself.
        """
        return isinstance(context, self.context_type) and self._met_by(context)

    @abstractmethod
    def _met_by(self, context: Any) -> bool:
        """Tell it of a context of the right type."""

    @property
    def condition_id(self) -> str:
        """Its kind, and a hash of what it matches: the same in every process and deploy."""
        return f"{self.kind}_{content_id(self._identity())}"

    def _identity(self) -> dict[str, Any]:
        return self.to_json()

    def to_json(self) -> dict[str, Any]:
        """Return it as it is stored."""
        return {"kind": self.kind, **self._content()}

    @abstractmethod
    def _content(self) -> dict[str, Any]:
        """Return what ``from_json`` makes it of again."""

    @classmethod
    @abstractmethod
    def from_json(cls, stored: dict[str, Any]) -> Self:
        """Read what ``to_json`` returned."""
