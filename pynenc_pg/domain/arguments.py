"""The arguments of a call, and what of a user's values may be shown in text.

Everything that prints an argument or somebody's exception goes through here: the mode is obeyed,
a long value is not printed in full to be cut afterwards, and a value whose ``__repr__`` fails or
contains line breaks does no harm.
"""

from __future__ import annotations

import dataclasses
import re
from collections import Counter, OrderedDict, defaultdict, deque
from collections.abc import Iterator, Mapping
from enum import StrEnum
from itertools import islice
from types import MappingProxyType
from typing import Any, Final

#: Characters of each value that the mode ``truncated`` shows.
TRUNCATED_LENGTH: Final = 32
#: Characters of an exception's message in a log line, in every mode but ``full``.
_MESSAGE_LENGTH: Final = 1_000

#: What breaks a line, moves a cursor, turns the direction of the text or cannot be encoded.
_CONTROL: Final = re.compile(
    "[\x00-\x08\x0a-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
)


class ArgumentPrintMode(StrEnum):
    """How much of a call's arguments is shown in text."""

    HIDDEN = "hidden"  #: nothing, not even how many there are
    KEYS = "keys"  #: the names of the parameters
    TRUNCATED = "truncated"  #: the beginning of each value
    FULL = "full"  #: everything

    @property
    def shows_values(self) -> bool:
        """Whether anything that a user's value contains may be seen."""
        return self in {ArgumentPrintMode.TRUNCATED, ArgumentPrintMode.FULL}


class Arguments:
    """Bound arguments by parameter name; as text they show what their mode allows.

    Two are equal if their ``kwargs`` are, whatever their modes.

    >>> print(Arguments({"x": 1, "name": "a" * 100}, length=10))
    x=1, name='aaaaaaa…'
    >>> print(Arguments({"x": 1, "name": "a" * 100}, print_mode=ArgumentPrintMode.KEYS))
    x, name
    """

    # No dataclass: JSON encoders, those of log formatters among them, write the fields of one.

    __slots__ = ("_kwargs", "_length", "_print_mode")

    def __init__(
        self,
        kwargs: Mapping[str, Any],
        *,
        print_mode: ArgumentPrintMode = ArgumentPrintMode.TRUNCATED,
        length: int = TRUNCATED_LENGTH,
    ) -> None:
        """Copy the mapping, not the values. ``length`` bounds each value where truncated."""
        self._kwargs = dict(kwargs)
        self._print_mode = ArgumentPrintMode(print_mode)
        self._length = length

    @property
    def kwargs(self) -> Mapping[str, Any]:
        """The arguments themselves, read-only."""
        return MappingProxyType(self._kwargs)

    @property
    def print_mode(self) -> ArgumentPrintMode:
        """What of them is shown in text."""
        return self._print_mode

    def __eq__(self, other: object) -> bool:
        """Compare the arguments."""
        return self._kwargs == other._kwargs if isinstance(other, Arguments) else NotImplemented

    __hash__ = None  # type: ignore[assignment]  #: as unhashable as most of what they contain

    def __len__(self) -> int:
        """How many there are."""
        return len(self._kwargs)

    def __str__(self) -> str:
        """Show what the mode allows, on one line."""
        match self._print_mode:
            case ArgumentPrintMode.HIDDEN:
                return "<arguments hidden>"
            case ArgumentPrintMode.KEYS:
                return ", ".join(self._kwargs)
            case ArgumentPrintMode.TRUNCATED:
                shown = ((name, short_repr(v, self._length)) for name, v in self._kwargs.items())
            case ArgumentPrintMode.FULL:
                shown = ((name, safe_repr(value)) for name, value in self._kwargs.items())
        return ", ".join(f"{name}={value}" for name, value in shown)

    def __repr__(self) -> str:
        """Show no more than ``str`` does."""
        return f"Arguments({self})"

    def __format__(self, spec: str) -> str:
        """Format what ``str`` shows."""
        return format(str(self), spec)


def describe(error: BaseException, mode: ArgumentPrintMode) -> str:
    """Say on one line what was raised: type and message, or where values are hidden its type.

    >>> describe(ValueError("no user 'ann'"), ArgumentPrintMode.TRUNCATED)
    "ValueError: no user 'ann'"
    >>> describe(ValueError("no user 'ann'"), ArgumentPrintMode.HIDDEN)
    'ValueError'
    """
    kind = one_line(type(error).__qualname__)
    if not mode.shows_values:
        return kind
    try:
        message = str(error)
    except KeyboardInterrupt:
        raise
    except BaseException:  # noqa: BLE001 - the user's own __str__ may raise anything
        message = "<a message that cannot be printed>"
    if mode is not ArgumentPrintMode.FULL and len(message) > _MESSAGE_LENGTH:
        message = f"{message[: _MESSAGE_LENGTH - 1]}…"
    return one_line(f"{kind}: {message}" if message else kind)


def one_line(text: str) -> str:
    r"""Escape what would break the line, or the terminal that shows it.

    >>> print(one_line("a\nb"))
    a\nb
    """
    return _CONTROL.sub(lambda found: found[0].encode("unicode_escape").decode("ascii"), text)


def safe_repr(value: object) -> str:
    """Return ``repr(value)`` on one line, or what stands for it where that fails."""
    try:
        return one_line(repr(value))
    except KeyboardInterrupt:
        raise
    except BaseException:  # noqa: BLE001 - the user's own __repr__ may raise anything
        return _unprintable(value)


def short_repr(value: object, length: int = TRUNCATED_LENGTH) -> str:
    """Return the first ``length`` characters of the repr on one line; the last one may be ``…``.

    The rest of a large container, string or dataclass is not looked at.
    """
    text = ""
    try:
        for piece in _pieces(value, length):
            text += one_line(piece)
            if len(text) > length:
                break
    except KeyboardInterrupt:
        raise
    except BaseException:  # noqa: BLE001 - the user's own __repr__ may raise anything
        text = _unprintable(value)
    if len(text) <= length:
        return text
    # A string looks like one although its end is missing: 'aaaa…'
    end = f"…{text[0]}" if text[0] in "'\"" else "…"
    return text[: max(0, length - len(end))] + end


def _unprintable(value: object) -> str:
    return one_line(f"<{type(value).__qualname__} that cannot be printed>")


def _pieces(value: Any, length: int) -> Iterator[str]:
    """Yield the repr little by little. Whoever asks stops when it has enough of it.

    Decided by who prints the value, not by its type: a subclass with a ``__repr__`` of its own is
    printed by that one.
    """
    kind = type(value)
    printer: Any = kind.__repr__
    if printer in _TEXTS:
        yield repr(value[: length + 1])
    elif printer in _BRACKETS and len(value):
        opening, closing = _BRACKETS[printer]
        yield opening
        yield from _items(value, length)
        yield ",)" if printer is tuple.__repr__ and len(value) == 1 else closing
    elif printer is dict.__repr__:
        yield from _entries(value, length)
    elif kind in _COLLECTIONS and len(value) > length:
        yield f"{kind.__qualname__}("
        yield from (_entries if isinstance(value, dict) else _items)(value, length)
    elif _prints_its_fields(kind):
        yield f"{kind.__qualname__}("
        shown = [field.name for field in dataclasses.fields(kind) if field.repr]
        for number, name in enumerate(shown):
            yield f"{', ' if number else ''}{name}="
            yield from _pieces(getattr(value, name), length)
        yield ")"
    else:
        yield repr(value)


def _items(value: Any, length: int) -> Iterator[str]:
    for number, item in enumerate(islice(value, length)):
        yield ", " if number else ""
        yield from _pieces(item, length)


def _entries(value: dict[Any, Any], length: int) -> Iterator[str]:
    yield "{"
    for number, (key, item) in enumerate(islice(value.items(), length)):
        yield ", " if number else ""
        yield from _pieces(key, length)
        yield ": "
        yield from _pieces(item, length)
    yield "}"


def _prints_its_fields(kind: type) -> bool:
    """Whether it is a dataclass that is printed by the ``__repr__`` made for it."""
    made = getattr(kind.__repr__, "__wrapped__", None)
    return dataclasses.is_dataclass(kind) and "__create_fn__" in getattr(made, "__qualname__", "")


_TEXTS: Final = frozenset({str.__repr__, bytes.__repr__, bytearray.__repr__})
_COLLECTIONS: Final = frozenset({Counter, OrderedDict, defaultdict, deque})
_BRACKETS: Final = {
    list.__repr__: ("[", "]"),
    tuple.__repr__: ("(", ")"),
    set.__repr__: ("{", "}"),
    frozenset.__repr__: ("frozenset({", "})"),
}
