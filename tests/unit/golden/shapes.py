"""Classes that the frozen texts name, so they keep name, place and attributes."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, Flag, IntEnum
from typing import Any


@dataclass
class Point:
    """What jsonpickle and pickle carry."""

    x: int
    y: Any = None


class Color(Enum):
    """An enum, by name."""

    RED = "r"


class Level(IntEnum):
    """An enum that is a number, too."""

    HIGH = 3


class Rights(Flag):
    """A flag, by value: several at once have no name."""

    READ = 1
    WRITE = 2


class Money:
    """A class of the guide's."""

    def __init__(self, amount: float, currency: str) -> None:
        self.amount = amount
        self.currency = currency

    def to_json(self) -> dict[str, Any]:
        """Return JSON."""
        return {"amount": self.amount, "currency": self.currency}

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Money:
        """Make it again."""
        return cls(data["amount"], data["currency"])

    def __eq__(self, other: object) -> bool:
        """Compare both."""
        return isinstance(other, Money) and vars(other) == vars(self)

    __hash__ = None  # type: ignore[assignment]


class RefusedError(Exception):
    """An exception with a constructor of its own."""

    def __init__(self, *, code: int) -> None:
        super().__init__(f"refused with {code}")
        self.code = code
