"""Filters: what arguments, a result or a payload must be for a condition to be met."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pynenc_pg.domain.arguments import short_repr
from pynenc_pg.exceptions import TriggerCallableError, TriggerDefinitionError
from pynenc_pg.trigger.callables import CallableRef
from pynenc_pg.trigger.json_values import as_json, for_sql, matches


@dataclass(frozen=True, slots=True)
class Filter:
    """A function that returns a bool; or else JSON: a dict that must be contained, a value."""

    value: Any = None
    function: CallableRef | None = None

    @classmethod
    def of(cls, given: Any, what: str, *, only_dicts: bool = False) -> Filter:
        """Make one of what a user wrote. ``what`` names it in an error.

        Raises:
            TriggerDefinitionError: it is a function that other processes could not find, no JSON,
                or neither dict nor function where these are asked for.
        """
        if callable(given):
            return cls(function=CallableRef.of(given, what))
        if only_dicts and not isinstance(given, Mapping):
            message = f"{what} is {short_repr(given)}: give a dict, or a function of a module"
            raise TriggerDefinitionError(message)
        return cls(as_json(given, what))

    def accepts(self, actual: Any) -> bool:
        """Whether the value passes.

        Raises:
            TriggerCallableError: the function is not known here, or returned no bool.
        """
        if self.function is None:
            return matches(self.value, actual)
        answer = self.function(actual)
        if not isinstance(answer, bool):
            message = (
                f"filter {self.function.address} returned {short_repr(answer)}: it must return "
                "True or False"
            )
            raise TriggerCallableError(message)
        return answer

    def for_sql(self) -> Any:
        """Return JSON that ``jsonb @>`` can test exactly, all of it or a part; ``...`` if none."""
        return ... if self.function is not None else for_sql(self.value)

    def to_json(self) -> dict[str, Any]:
        """Return it as it is stored."""
        if self.function is not None:
            return {"function": self.function.address}
        return {"value": self.value}

    @classmethod
    def from_json(cls, stored: dict[str, Any]) -> Filter:
        """Read what ``to_json`` returned."""
        if "function" in stored:
            return cls(function=CallableRef(stored["function"]))
        return cls(stored["value"])


def optional(given: Any, what: str) -> Filter | None:
    """Make a filter for arguments, if one is given."""
    return None if given is None else Filter.of(given, what, only_dicts=True)


def stored(filter_: Filter | None) -> dict[str, Any] | None:
    """Return an optional filter as it is stored."""
    return None if filter_ is None else filter_.to_json()


def read(stored_filter: dict[str, Any] | None) -> Filter | None:
    """Read what ``stored`` returned."""
    return None if stored_filter is None else Filter.from_json(stored_filter)
