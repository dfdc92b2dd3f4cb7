"""Exceptions of all kinds, well behaved and not."""

from __future__ import annotations

from typing import Any, ClassVar, Self


class CountedError(Exception):
    """Counts how often its constructor is run; it wants other arguments than ``args`` has."""

    ran: ClassVar[int] = 0

    def __init__(self, left: int, right: int) -> None:
        type(self).ran += 1
        super().__init__(f"{left} is not {right}")
        self.left = left


class ChoosyError(Exception):
    """Raises unless it gets what it wants."""

    def __init__(self, *args: Any) -> None:
        if args != ("please",):
            message = "say please"
            raise ValueError(message)
        super().__init__("thanks")


class FileTroubleError(OSError):
    """Derived from OSError, whose ``__new__`` looks at the arguments."""

    def __init__(self, *, path: str) -> None:
        super().__init__(5, "no luck", path)
        self.hint = "look there"


class SilentTroubleError(OSError):
    """Does not tell OSError anything."""

    def __init__(self, hint: str) -> None:
        self.hint = hint


class MadeError(Exception):
    """Has a ``__new__`` of its own."""

    def __new__(cls, one: int, *, two: int) -> Self:
        """Keep the second."""
        made = super().__new__(cls, one)
        made.two = two  # type: ignore[attr-defined]
        return made

    def __init__(self, one: int, *, two: int) -> None:
        pass


class SlottedError(Exception):
    """Has slots, one of them private, one empty."""

    __slots__ = ("__hidden", "empty", "seen")

    def __init__(self) -> None:
        super().__init__()
        self.seen = (1, "x")
        self.__hidden = 2

    def __str__(self) -> str:
        """Show both."""
        return f"{self.seen} {self.__hidden}"


class ClosedError(Exception):
    """Refuses to be written to."""

    def __setattr__(self, name: str, value: Any) -> None:
        """Refuse."""
        raise AttributeError(name)


class CodedGroup(ExceptionGroup[Exception]):
    """A group with a constructor of its own."""

    code: int

    def __new__(cls, message: str, members: list[Exception], code: int) -> Self:
        """Keep the code."""
        group = super().__new__(cls, message, members)
        group.code = code
        return group

    def __init__(self, *args: Any) -> None:
        pass


class UnprintableError(Exception):
    """Nothing about it can be printed."""

    def __str__(self) -> str:
        """Leave."""
        raise SystemExit(9)

    __repr__ = __str__


class NoDictError(Exception):
    """Does not show its attributes."""

    @property
    def __dict__(self) -> Any:  # type: ignore[override]
        """Interrupt."""
        raise KeyboardInterrupt


class WildError(Exception):
    """Each way to look at it fails."""

    def _fail(self, *_: Any) -> Any:
        raise ZeroDivisionError

    __reduce__ = __reduce_ex__ = __getstate__ = __dir__ = _fail
    args = __cause__ = __context__ = __notes__ = property(_fail)
    __class__ = property(_fail)
    __getattr__ = _fail
