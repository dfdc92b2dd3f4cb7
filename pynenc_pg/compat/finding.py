"""One thing that is to be changed, or known."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

#: The page that every finding leads to.
PAGE: Final = "docs/howto/from-pynenc.md"


class Severity(StrEnum):
    """How much it matters."""

    MUST_CHANGE = "must change"  # it fails, or is refused, as it stands
    DIFFERS = "differs"  # it works, and does something else
    NOTE = "note"  # worth knowing


class Topic(StrEnum):
    """The heading of the page that a finding leads to."""

    IMPORTS = "imports"
    STORES = "where-work-is-kept"
    RUNNERS = "runners"
    TASKS = "options-of-tasks"
    APP = "the-app-and-its-components"
    BUILDER = "the-builder"
    TRIGGERS = "triggers"
    SERIALIZERS = "serializers"
    SETTINGS = "settings"
    COMMANDS = "commands-and-packages"


@dataclass(frozen=True, slots=True, order=True)
class Finding:
    """What stands in a line, and what to write instead."""

    path: str
    line: int
    found: str
    instead: str
    severity: Severity
    page: str

    @property
    def must_change(self) -> bool:
        """It fails, or is refused, as it stands."""
        return self.severity is Severity.MUST_CHANGE

    @classmethod
    def at(cls, path: str, line: int, advice: Advice) -> Finding:
        """Say where a piece of advice applies."""
        page = f"{PAGE}#{advice.topic}"
        return cls(path, line, advice.found, advice.instead, advice.severity, page)


@dataclass(frozen=True, slots=True)
class Advice:
    """A finding without its place."""

    found: str
    instead: str
    topic: Topic
    severity: Severity = Severity.MUST_CHANGE
