"""How the values of one annotation become JSON and themselves again.

A carrier *lowers* a value to what JSON has, and *lifts* that again. It takes the types of its
annotation literally: no subclass, which would come back as something else. What it lowers to says
nothing of types, since the annotation does.
"""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from enum import Enum, Flag
from typing import Any, Final, Self

ALL_KINDS: Final = frozenset({"null", "bool", "int", "float", "str", "array", "object", "other"})
_KINDS: Final = {
    type(None): "null",
    bool: "bool",
    int: "int",
    float: "float",
    str: "str",
    list: "array",
    dict: "object",
}


class UnfitError(Exception):
    """A value, or what stands in a row, does not fit an annotation."""

    def __init__(self, why: str) -> None:
        """Say why; the place is told by those that it passes."""
        super().__init__(why)
        self.why = why
        self.place = ""

    def within(self, step: str) -> Self:
        """Add how one gets there, as Python writes it."""
        self.place = step + self.place
        return self


def not_this(label: str, value: Any) -> UnfitError:
    """Return the error of a value that is of another type."""
    return UnfitError(f"{label} expected, not {type(value).__qualname__}")


def kind_of(data: Any) -> str:
    """Return what a value is in JSON."""
    return _KINDS.get(type(data), "other")


class Carrier(ABC):
    """Carries the values of one annotation."""

    label: str = ""
    #: What its values may be in JSON.
    kinds: frozenset[str] = ALL_KINDS
    #: Its values are JSON already: it only looks whether they are of this annotation.
    plain: bool = False

    @abstractmethod
    def lower(self, value: Any) -> Any:
        """Return what JSON has for it; ``UnfitError`` if it is not of this annotation."""

    @abstractmethod
    def lift(self, data: Any) -> Any:
        """Return the value; ``UnfitError`` if nothing of this annotation looks so."""


class Anything(Carrier):
    """No annotation: as under ``JsonSerializer``."""

    label = "anything"
    plain = True

    def lower(self, value: Any) -> Any:
        """Leave it."""
        return value

    def lift(self, data: Any) -> Any:
        """Leave it."""
        return data


class Exact(Carrier):
    """What JSON has itself."""

    plain = True

    def __init__(self, label: str, *types: type) -> None:
        """Take values of these very types."""
        self.label = label
        self._types = frozenset(types)
        self.kinds = frozenset(_KINDS[kind] for kind in types)

    def lower(self, value: Any) -> Any:
        """Look at the type."""
        if type(value) not in self._types:
            raise not_this(self.label, value)
        return value

    def lift(self, data: Any) -> Any:
        """Look at the type."""
        return self.lower(data)


class AsText(Carrier):
    """A value that has a text of its own."""

    kinds = frozenset({"str"})

    def __init__(
        self,
        kind: type,
        write: Callable[[Any], str],
        read: Callable[[Any], Any],
        *others: type,
        subclasses: bool = False,
    ) -> None:
        """``read`` takes the text, and JSON of the types ``others``, as one may write it in SQL."""
        self.label = kind.__qualname__
        self._kind, self._write, self._read = kind, write, read
        self._subclasses = subclasses
        self._reads = frozenset({str, *others})
        self.kinds = frozenset(_KINDS[each] for each in self._reads)

    def lower(self, value: Any) -> Any:
        """Write it."""
        exact = type(value) is self._kind
        if not exact and not (self._subclasses and isinstance(value, self._kind)):
            raise not_this(self.label, value)
        return self._write(value)

    def lift(self, data: Any) -> Any:
        """Read it."""
        if type(data) not in self._reads:
            message = f"the text of a {self.label}"
            raise not_this(message, data)
        try:
            return self._read(data)
        except (ArithmeticError, LookupError, OSError, TypeError, ValueError) as error:
            message = f"{data!r:.80} is no {self.label}: {error}"
            raise UnfitError(message) from None


class Items(Carrier):
    """A list, a set, a frozenset or a tuple of any length. Sets stand in one order."""

    kinds = frozenset({"array"})

    def __init__(self, kind: type[Any], item: Carrier) -> None:
        """Take items of one annotation."""
        self.label = kind.__qualname__
        self._kind, self._item = kind, item
        self._ordered = kind in (list, tuple)
        self.plain = kind is list and item.plain

    def lower(self, value: Any) -> Any:
        """Lower each."""
        if type(value) is not self._kind:
            raise not_this(self.label, value)
        if self.plain and isinstance(self._item, Anything):
            return value
        lowered = each(self._item.lower, value, numbered=self._ordered)
        if self.plain:
            return value
        return lowered if self._ordered else in_order(lowered)

    def lift(self, data: Any) -> Any:
        """Lift each."""
        if type(data) is not list:
            message = "an array"
            raise not_this(message, data)
        lifted = each(self._item.lift, data, numbered=True)
        if self._kind is list:
            return lifted
        try:
            return self._kind(lifted)
        except TypeError as error:  # not hashable
            raise UnfitError(str(error)) from None


class Fixed(Carrier):
    """A tuple that has an annotation for each place."""

    kinds = frozenset({"array"})

    def __init__(self, items: Sequence[Carrier]) -> None:
        """Take exactly these."""
        self.label = f"tuple of {len(items)}"
        self._items = items

    def lower(self, value: Any) -> Any:
        """Lower each by its own."""
        if type(value) is not tuple or len(value) != len(self._items):
            message = "tuple"
            raise self._unfit(message, value)
        return [
            _step(one.lower, v, n)
            for n, (one, v) in enumerate(zip(self._items, value, strict=True))
        ]

    def lift(self, data: Any) -> Any:
        """Lift each by its own."""
        if type(data) is not list or len(data) != len(self._items):
            message = "array"
            raise self._unfit(message, data)
        pairs = zip(self._items, data, strict=True)
        return tuple(_step(one.lift, v, n) for n, (one, v) in enumerate(pairs))

    def _unfit(self, what: str, value: Any) -> UnfitError:
        said = f"one of {len(value)}" if type(value) in (tuple, list) else type(value).__qualname__
        return UnfitError(f"{what} of {len(self._items)} expected, not {said}")


class Pairs(Carrier):
    """A dict: an object where its keys have texts, else an array of pairs."""

    label = "dict"

    def __init__(self, key: Carrier, item: Carrier) -> None:
        """Take such keys and such items."""
        self._key, self._item = key, item
        self._int = key.kinds == {"int"}
        self._object = key.kinds == {"str"} or self._int or isinstance(key, Anything)
        self.kinds = frozenset({"object" if self._object else "array"})
        self.plain = key.plain and item.plain and self._object and not self._int

    def lower(self, value: Any) -> Any:
        """Lower keys and items."""
        if type(value) is not dict:
            raise not_this(self.label, value)
        lowered = [
            (_step(self._key.lower, key, "a key"), _step(self._item.lower, item, key))
            for key, item in value.items()
        ]
        if self.plain:
            return value
        if not self._object:
            return in_order([list(pair) for pair in lowered])
        return {str(key) if self._int else key: item for key, item in lowered}

    def lift(self, data: Any) -> Any:
        """Lift keys and items."""
        if type(data) is not (dict if self._object else list):
            raise not_this("an object" if self._object else "an array of pairs", data)
        pairs: Any = data.items() if type(data) is dict else data
        made = {}
        for pair in pairs:
            if not (isinstance(pair, list | tuple) and len(pair) == 2):  # noqa: PLR2004 - a pair
                message = "a pair of key and item"
                raise not_this(message, pair)
            key, item = pair
            lifted = _step(self._key.lift, _number(key) if self._int else key, "a key")
            try:
                made[lifted] = _step(self._item.lift, item, key)
            except TypeError as error:  # not hashable
                raise UnfitError(str(error)) from None
        return made


class Members(Carrier):
    """An enum: by the names of its members, flags by their number."""

    def __init__(self, kind: type[Enum]) -> None:
        """Take members of this one."""
        self.label = kind.__qualname__
        self._kind = kind
        self._flag = issubclass(kind, Flag)
        self.kinds = frozenset({"int" if self._flag else "str"})

    def lower(self, value: Any) -> Any:
        """Return its name or number."""
        if type(value) is not self._kind:
            raise not_this(self.label, value)
        return value.value if self._flag else value.name

    def lift(self, data: Any) -> Any:
        """Find it."""
        try:
            return self._kind(data) if self._flag else self._kind.__members__[data]
        except (KeyError, TypeError, ValueError):
            message = f"{self.label} has no member {data!r:.80}"
            raise UnfitError(message) from None


class OneOf(Carrier):
    """A literal."""

    def __init__(self, values: Sequence[Any]) -> None:
        """Take these values; members of enums stand as their names."""
        self.label = f"one of {', '.join(map(repr, values))}"
        self._pairs = [(v, v.name if isinstance(v, Enum) else v) for v in values]
        self.kinds = frozenset(kind_of(lowered) for _, lowered in self._pairs)
        self.plain = not any(isinstance(v, Enum) for v in values)

    @property
    def ambiguous(self) -> bool:
        """Whether two of them would look alike."""
        return len({(type(low), low) for _, low in self._pairs}) < len(self._pairs)

    def lower(self, value: Any) -> Any:
        """Look whether it is one of them."""
        for own, lowered in self._pairs:
            if type(value) is type(own) and value == own:
                return lowered
        message = f"{self.label} expected, not {value!r:.80}"
        raise UnfitError(message)

    def lift(self, data: Any) -> Any:
        """Find it."""
        for own, lowered in self._pairs:
            if type(data) is type(lowered) and data == lowered:
                return own
        message = f"{self.label} expected, not {data!r:.80}"
        raise UnfitError(message)


def each(carry: Callable[[Any], Any], items: Iterable[Any], *, numbered: bool) -> list[Any]:
    """Carry items; those of a set have no number."""
    done: list[Any] = []
    for item in items:
        try:
            done.append(carry(item))
        except UnfitError as error:
            raise error.within(f"[{len(done)}]" if numbered else "{…}") from None
    return done


def in_order(lowered: list[Any]) -> list[Any]:
    """Put what has no order of its own in one that is the same in every process."""
    return sorted(lowered, key=lambda item: json.dumps(item, sort_keys=True, default=repr))


def fields(carriers: Mapping[str, Carrier], values: Mapping[str, Any], way: str) -> dict[str, Any]:
    """Lower or lift named parts; ``way`` says which."""
    done = {}
    for name, value in values.items():
        try:
            done[name] = getattr(carriers[name], way)(value)
        except UnfitError as error:
            message = f".{name}"
            raise error.within(message) from None
    return done


def _step(carry: Callable[[Any], Any], value: Any, at: Any) -> Any:
    try:
        return carry(value)
    except UnfitError as error:
        raise error.within(f"[{at!r:.80}]" if at != "a key" else " (a key)") from None


def _number(key: Any) -> Any:
    try:
        return int(key)
    except (TypeError, ValueError):
        return key
