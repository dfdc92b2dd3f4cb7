"""Text that is equal for equal values, in every process: what concurrency keys are made of.

What a serializer writes is not: the items of a set stand in any order, the keys of a dict in the
order they were added, pickle marks what is one object. So containers are written here, in an order
of their own, and other objects by what they give to be pickled.
"""

from __future__ import annotations

import copyreg
import hashlib
import json
from types import BuiltinFunctionType, FunctionType
from typing import Any, Final

from pynenc_pg.serializer.base import BaseSerializer
from pynenc_pg.serializer.plain import NotJsonError, plain

#: These carry objects by what they give to be pickled, so that may be compared, too.
_PICKLING: Final = frozenset({"jsonpickle", "pickle"})
_NAMED: Final = (type, FunctionType, BuiltinFunctionType)


def canonical_text(value: Any, serializer: BaseSerializer) -> str:
    """Return a text that equal values of the same types share, and no others.

    1, 1.0 and True are three values. A serializer of the user's writes everything but the
    containers: if its text of one value changes from call to call, so does this one.

    Raises:
        Exception: what the serializer raises for a value it does not take.
    """
    if serializer.skips_plain_json:
        try:
            return plain_text(value)
        except (NotJsonError, RecursionError):
            pass
    try:
        return _text({"$": _Form(serializer).of(value)})
    except RecursionError:  # deeper than Python goes; how the serializer takes it, if it does
        return _text(serializer.to_wire(value))


def plain_text(value: Any) -> str:
    """Return the text of plain JSON; the SQL function ``canonical_json`` makes the same.

    Raises:
        NotJsonError: it is something else.
    """
    return _text(plain(value))


def _text(form: Any) -> str:
    # ASCII: a lone surrogate cannot be encoded otherwise.
    return json.dumps(form, sort_keys=True, separators=(",", ":"))


class _Form:
    """Writes one value as JSON."""

    def __init__(self, serializer: BaseSerializer) -> None:
        self._serializer = serializer
        self._reduces = serializer.codec in _PICKLING
        self._above: dict[int, int] = {}  # what contains what is being written, by depth

    def of(self, value: Any) -> Any:
        kind = type(value)
        if self._serializer.skips_plain_json and (value is None or kind in (bool, int, float, str)):
            return plain(value)
        if self._reduces and kind is bytes:
            return ["bytes", hashlib.sha256(value).hexdigest()]
        if self._reduces and isinstance(value, _NAMED):
            return ["name", value.__module__, value.__qualname__]
        if id(value) in self._above:
            return ["above", self._above[id(value)]]
        self._above[id(value)] = len(self._above)
        try:
            return self._contents(kind, value)
        finally:
            del self._above[id(value)]

    def _contents(self, kind: type, value: Any) -> Any:
        if kind is list or kind is tuple:
            return [kind.__name__, [self.of(item) for item in value]]
        if kind is set or kind is frozenset:
            return [kind.__name__, sorted((self.of(item) for item in value), key=_text)]
        if kind is dict:
            pairs = [[self.of(key), self.of(item)] for key, item in value.items()]
            return ["dict", sorted(pairs, key=_text)]
        if self._reduces:
            reduced = self._reduced_or_none(value)
            if reduced is not None:
                return ["object", reduced]
        return ["wire", self._serializer.to_wire(value)]

    def _reduced_or_none(self, value: Any) -> Any:
        try:
            return self._reduced(value)
        except RecursionError:
            raise
        except Exception:  # noqa: BLE001 - it does not pickle, the serializer carries it its own way
            return None

    def _reduced(self, value: Any) -> Any:
        reducer = copyreg.dispatch_table.get(type(value))
        reduced = reducer(value) if reducer else value.__reduce_ex__(4)
        if isinstance(reduced, str):
            return reduced
        function, args, state, items, pairs = [*reduced, None, None, None, None][:5]
        return [
            self.of(function),
            self.of(args),
            self.of(state),
            None if items is None else [self.of(item) for item in items],
            None if pairs is None else [[self.of(key), self.of(item)] for key, item in pairs],
        ]
