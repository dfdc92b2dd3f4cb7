"""What has fired: a trigger, and the causes that met its conditions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType
from typing import TypeVar

from pynenc_pg.trigger.conditions.base import Context

C = TypeVar("C", bound=Context)


@dataclass(frozen=True, slots=True)
class TriggerContext:
    """The contexts of a firing by the id of the condition that they met.

    With ``and`` there is one for each condition, in the order in which they were written; with
    ``or``, one.
    """

    trigger_id: str  #: of the trigger that has fired
    task_id: str  #: of the task that is started
    timestamp: datetime  #: of the last of the causes
    #: By the id of the condition.
    contexts: Mapping[str, Context] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Keep a copy that nobody changes."""
        object.__setattr__(self, "contexts", MappingProxyType(dict(self.contexts)))

    def has_condition(self, condition_id: str) -> bool:
        """Whether that condition was met."""
        return condition_id in self.contexts

    def of(self, kind: type[C]) -> tuple[C, ...]:
        """Return the contexts of one kind, as ``trigger_context.of(EventContext)``.

        Of exactly this kind: a result is no ``StatusContext`` here, though its class is derived.
        """
        return tuple(one for one in self.contexts.values() if type(one) is kind)

    def __iter__(self) -> Iterator[Context]:
        """Iterate over the contexts."""
        return iter(self.contexts.values())

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self.contexts)
