"""Whether a value came back as it was: in type and content, down to what refers to what.

``==`` does not say it: NaN differs from itself, True equals 1, and an object without ``__eq__``
differs from its copy. So objects are compared by what they give to be pickled.
"""

from __future__ import annotations

import copyreg
from collections.abc import Callable
from typing import Any, Final

_BY_VALUE: Final = frozenset({str, bytes, int, bool, type(None)})
_BY_REPR: Final = frozenset({float, complex})  # NaN equals NaN, 0.0 is not -0.0
#: Items of a set that are equal to nothing but themselves: each is tried with each.
_MOST_TRIED: Final = 50


def difference(one: Any, other: Any, *, lenient: bool = False) -> str | None:
    """Return the place of the first difference, ``[3].name`` say; None if there is none.

    ``lenient``: a class with an ``__eq__`` of its own decides about its objects itself if what
    they give to be pickled differs (a list made of a set has no order).

    Raises:
        RecursionError: nested too deep.
    """
    return _Comparison(lenient=lenient).compare(one, other, "")


class _Comparison:
    def __init__(self, *, lenient: bool) -> None:
        self._lenient = lenient
        self._pairs: dict[int, int] = {}
        self._reverse: dict[int, int] = {}
        self._by_kind: dict[type, Callable[[Any, Any, str], str | None]] = {
            list: self._in_order,
            tuple: self._in_order,
            dict: self._dicts,
            set: self._sets,
            frozenset: self._sets,
        }
        self._alive: list[Any] = []  # ids stay theirs as long as the objects live

    def compare(self, one: Any, other: Any, place: str) -> str | None:
        kind = type(one)
        if kind is not type(other):
            return place
        if one is other:
            return None
        if kind in _BY_VALUE:
            return None if one == other else place
        if kind in _BY_REPR:
            return None if repr(one) == repr(other) else place
        return self._contents(one, other, place)

    def _contents(self, one: Any, other: Any, place: str) -> str | None:
        kind = type(one)
        if kind is not tuple and kind is not frozenset:
            known, reverse = self._pairs.get(id(one)), self._reverse.get(id(other))
            if known == id(other):
                return None
            # What was one object is one still, and what were two are two: where that can be seen.
            if (known or reverse) and not _is_value(kind):
                return place
            self._pairs[id(one)], self._reverse[id(other)] = id(other), id(one)
            self._alive.append((one, other))
        return self._by_kind.get(kind, self._objects)(one, other, place)

    def _in_order(self, one: Any, other: Any, place: str) -> str | None:
        if len(one) != len(other):
            return place
        for number, item in enumerate(one):
            found = self.compare(item, other[number], f"{place}[{number}]")
            if found is not None:
                return found
        return None

    def _dicts(self, one: dict[Any, Any], other: dict[Any, Any], place: str) -> str | None:
        if len(one) != len(other):
            return place
        for (key, value), (other_key, other_value) in zip(one.items(), other.items(), strict=True):
            if self.compare(key, other_key, place) is not None:
                return place
            found = self.compare(value, other_value, f"{place}[{key!r:.80}]")
            if found is not None:
                return found
        return None

    def _sets(self, one: Any, other: Any, place: str) -> str | None:
        if len(one) != len(other):
            return place
        equals = {item: item for item in other}
        left = []
        for item in one:
            if item not in equals or self.compare(item, equals[item], place) is not None:
                left.append(item)
            else:
                del equals[item]
        if len(left) > _MOST_TRIED:
            return place
        rest = list(equals)
        for item in left:
            match = next((r for r in rest if self._attempt(item, r)), None)
            if match is None:
                return place
            rest = [r for r in rest if r is not match]
        return None

    def _attempt(self, one: Any, other: Any) -> bool:
        before = dict(self._pairs), dict(self._reverse)
        if self.compare(one, other, "") is None:
            return True
        self._pairs, self._reverse = before
        return False

    def _objects(self, one: Any, other: Any, place: str) -> str | None:
        try:
            reduced, other_reduced = _reduced(one), _reduced(other)
        except Exception:  # noqa: BLE001 - it does not pickle; a handler of jsonpickle's carried it
            return None if self._says_equal(one, other) else place
        self._alive.append((reduced, other_reduced))
        found = self._reductions(reduced, other_reduced, place)
        if found is not None and self._lenient and self._says_equal(one, other):
            return None
        return found

    def _reductions(self, one: Any, other: Any, place: str) -> str | None:
        if isinstance(one, str) or isinstance(other, str):
            return place  # by name, so it would be the same object
        if one[0] is not other[0]:
            return place
        for part, other_part in zip(one[1:], other[1:], strict=True):
            if type(part) is dict and type(other_part) is dict and part.keys() == other_part.keys():
                # Attributes have names; their order is nobody's business.
                for name in part:
                    found = self.compare(part[name], other_part[name], f"{place}.{name}")
                    if found is not None:
                        return found
            elif (found := self.compare(part, other_part, place)) is not None:
                return found if found.startswith(place) else place
        return None

    def _says_equal(self, one: Any, other: Any) -> bool:
        if not _has_eq(type(one)):
            return False
        try:
            return (one == other) is True
        except Exception:  # noqa: BLE001 - it cannot say
            return False


def _is_value(kind: type) -> bool:
    """Whether it is told from others by what it says, as a date is, and not by which one it is."""
    return kind.__hash__ is not None and _has_eq(kind)


def _has_eq(kind: Any) -> bool:
    return kind.__eq__ is not object.__eq__


def _reduced(value: Any) -> tuple[Any, ...] | str:
    reducer = copyreg.dispatch_table.get(type(value))
    reduced = reducer(value) if reducer else value.__reduce_ex__(4)
    if isinstance(reduced, str):
        return reduced
    function, args, state, items, pairs = [*reduced, None, None, None, None][:5]
    return (
        function,
        args,
        None if type(state) is dict and not state else state,  # a dict is made when it is asked for
        None if items is None else list(items),
        None if pairs is None else list(pairs),
    )
