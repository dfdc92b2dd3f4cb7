"""Conditions on events, which ``app.trigger.emit_event`` makes known."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Final, Self

from pynenc_pg.exceptions import TriggerDefinitionError
from pynenc_pg.trigger.conditions.base import Condition, Context, Watch
from pynenc_pg.trigger.filters import Filter, read, stored

#: Characters.
_LONGEST_CODE: Final = 255


@dataclass(frozen=True, slots=True, kw_only=True)
class EventContext(Context):
    """An event that was emitted."""

    event_id: str  #: what ``emit_event`` returned
    event_code: str  #: its name, as "order.paid"
    payload: Any  #: what was emitted with it


@dataclass(frozen=True, slots=True)
class EventCondition(Condition):
    """Met by each event of a code whose payload passes.

    Raises:
        TriggerDefinitionError: the code is none.
    """

    kind: ClassVar[str] = "event"
    context_type: ClassVar[type[Context]] = EventContext

    event_code: str
    payload_filter: Filter | None = None

    def __post_init__(self) -> None:
        """Check the code."""
        check_event_code(self.event_code)

    @property
    def watches(self) -> Watch:
        """The code of the event."""
        return Watch(event_code=self.event_code)

    @property
    def _filters(self) -> dict[str, Filter | None]:
        return {"payload": self.payload_filter}

    def _met_by(self, context: EventContext) -> bool:
        return context.event_code == self.event_code and (
            self.payload_filter is None or self.payload_filter.accepts(context.payload)
        )

    def _content(self) -> dict[str, Any]:
        return {"event_code": self.event_code, "payload": stored(self.payload_filter)}

    @classmethod
    def from_json(cls, stored: dict[str, Any]) -> Self:
        """Read what ``to_json`` returned."""
        return cls(stored["event_code"], read(stored["payload"]))


def check_event_code(code: object) -> str:
    """Return the code of an event.

    Raises:
        TriggerDefinitionError: it is no text, empty, too long, or not one that SQL can hold.
    """
    fine = isinstance(code, str) and code.isprintable() and code.strip() == code != ""
    if not fine or len(str(code)) > _LONGEST_CODE:
        message = (
            f"event code {code!r}: it must be a text of 1 to {_LONGEST_CODE} printable characters "
            "without spaces around it, as 'order.paid'"
        )
        raise TriggerDefinitionError(message)
    return str(code)
