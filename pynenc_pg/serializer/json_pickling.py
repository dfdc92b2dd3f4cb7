"""jsonpickle, made exact: what it writes is read again and compared before it is used.

Its usual form is readable, ``{"py/object": "shop.Money", "amount": 3}``, and loses some values.
Where it would, the exact form is written, which follows pickle's protocol to the letter. What even
that would change is refused.
"""

from __future__ import annotations

import copyreg
import json
import threading
from collections.abc import AsyncIterator, Coroutine, Iterator, Mapping
from functools import lru_cache
from io import IOBase
from re import compile as pattern
from socket import socket
from types import FrameType, ModuleType, TracebackType
from typing import Any, Final, NoReturn

from jsonpickle import handlers, tags
from jsonpickle.pickler import Pickler
from jsonpickle.unpickler import Unpickler, _Proxy, loadclass
from jsonpickle.util import is_picklable

from pynenc_pg.exceptions import SerializationError
from pynenc_pg.serializer.json_pickled_names import names_in
from pynenc_pg.serializer.sameness import difference

#: jsonpickle writes these as something they are not: a generator as the list of its values, a lock
#: as an open one, a memoryview as nothing.
_REFUSED: Final = (
    Iterator,
    AsyncIterator,
    Coroutine,
    IOBase,
    socket,
    memoryview,
    ModuleType,
    FrameType,
    TracebackType,
    threading.Thread,
    type(threading.Lock()),
    type(threading.RLock()),
    threading.Condition,
    threading.Semaphore,
    threading.Event,
)
#: JSON reads two lone surrogates side by side as one character.
_PAIR: Final = pattern("[\ud800-\udbff][\udc00-\udfff]")
_SORTABLE: Final = frozenset({str, bytes, int, float, bool, type(None)})


def dumps(value: Any, allowed: tuple[str, ...] | None = None) -> str:
    """Return text of which ``loads`` makes an equal value, with the names ``allowed``.

    Raises:
        SerializationError: there is none; says why.
    """
    why = ""
    for exact in (False, True):
        try:
            text = json.dumps(_StrictPickler(exact=exact).flatten(value))
            back = loads(text, allowed)
        except Exception as error:
            if exact:
                raise
            why = str(error)
            continue
        place = difference(value, back, lenient=exact)
        if place is None:
            return text
        why = f"it would come back changed{place and f' at {place}'}"
    raise SerializationError(why)


def loads(text: str, allowed: tuple[str, ...] | None = None) -> Any:
    """Make the value again. With ``allowed``, all names in the text are looked at before.

    Raises:
        SerializationError: a class or function is not known here, or not allowed.
    """
    data = json.loads(text)
    if allowed is None:
        return _StrictUnpickler(keys=True).restore(data)
    unpickler = _LimitedUnpickler(keys=True)
    unpickler.names = names_in(data, allowed)
    return unpickler.restore(data)


class _StrictPickler(Pickler):  # type: ignore[misc]  # jsonpickle has no types
    """Raises where jsonpickle would warn and write None."""

    def __init__(self, *, exact: bool) -> None:
        super().__init__(keys=True, warn=True)
        self._exact = exact

    def _flatten_impl(self, obj: Any) -> Any:
        if type(obj) is str and _PAIR.search(obj):
            parts = [obj.encode("utf-8", "surrogatepass"), "utf-8", "surrogatepass"]
            return _reduced(str, [self._flatten_impl(part) for part in parts])
        kind: Any = type(obj)
        if _is_refused(kind):
            self._pickle_warning(obj)
        return super()._flatten_impl(obj)

    def _get_flattener(self, obj: Any) -> Any:
        kind = type(obj)
        if kind is set and not self._exact:
            return lambda obj: {tags.SET: [self._flatten(item) for item in _in_order(obj)]}
        if self._exact and kind in (dict, set):
            return self._ref_obj_instance
        return super()._get_flattener(obj)

    def _flatten_obj_instance(self, obj: Any) -> Any:
        kind: Any = type(obj)
        if not (self._exact or _is_frame(kind)) or _has_own_handler(kind):
            return super()._flatten_obj_instance(obj)
        if kind is dict:
            items = [{tags.TUPLE: [self._flatten(k), self._flatten(v)]} for k, v in obj.items()]
            return _reduced(dict, [], None, None, {tags.TUPLE: items})
        if kind in (set, frozenset):
            return _reduced(kind, [self._flatten(_in_order(obj))])
        return self._by_protocol(obj)

    def _by_protocol(self, obj: Any) -> Any:
        reducer = copyreg.dispatch_table.get(type(obj))
        reduced = reducer(obj) if reducer else obj.__reduce_ex__(4)
        if isinstance(reduced, str):
            self._pickle_warning(obj)
        parts = [*reduced, None, None, None, None][:5]
        parts[3] = None if parts[3] is None else list(parts[3])
        parts[4] = None if parts[4] is None else list(parts[4])
        return {tags.REDUCE: [self._flatten(part) for part in parts]}

    def _flatten_key_value_pair(self, k: Any, v: Any, data: Any) -> Any:
        self._check_pair(k, v)
        return super()._flatten_key_value_pair(k, v, data)

    def _flatten_string_key_value_pair(self, k: Any, v: Any, data: Any) -> Any:
        self._check_pair(k, v)
        return super()._flatten_string_key_value_pair(k, v, data)

    def _check_pair(self, key: Any, value: Any) -> None:
        """Refuse pairs that jsonpickle would leave out."""
        if not is_picklable(key, value):
            if key in tags.RESERVED:
                message = f"the key {key!r} is one of jsonpickle's own"
                raise SerializationError(message)
            self._pickle_warning(value)

    def _pickle_warning(self, obj: Any) -> NoReturn:
        message = f"jsonpickle has no text that a {type(obj).__qualname__} could be made of again"
        raise SerializationError(message)


class _StrictUnpickler(Unpickler):  # type: ignore[misc]
    """Raises where jsonpickle would go on with a dict or None."""

    def _restore_reduce(self, obj: Any) -> Any:
        """Make the object before its state, which may refer to it."""
        proxy = _Proxy()
        self._mkref(proxy)
        function, args, state, items, pairs = [*obj[tags.REDUCE], None, None, None, None][:5]
        function, args = self._restore(function), self._restore(args)
        made = args[0].__new__(*args) if function == tags.NEWOBJ else function(*args)
        proxy.reset(made)
        self._swapref(proxy, made)
        if (state := self._restore(state)) is not None:
            _set_state(made, state)
        if (items := self._restore(items)) is not None:
            made.extend(items) if hasattr(made, "extend") else [made.append(i) for i in items]
        for key, value in self._restore(pairs) or ():
            made[key] = value
        return made

    def _restore_type(self, obj: Any) -> Any:
        return self._known(obj[tags.TYPE])

    def _restore_function(self, obj: Any) -> Any:
        return self._known(obj[tags.FUNCTION])

    def _process_missing(self, class_name: str) -> NoReturn:
        # jsonpickle's own error for it is a BaseException, which ends worker threads.
        message = f"class {class_name} is not known here: nothing of that name can be imported"
        raise SerializationError(message)

    def _known(self, name: str) -> Any:
        found = loadclass(name, classes=self._classes)
        if found is None:
            message = f"{name} is not known here: nothing of that name can be imported"
            raise SerializationError(message)
        return found


class _LimitedUnpickler(_StrictUnpickler):
    """Knows the names that were looked at, and no others."""

    names: Mapping[str, Any]

    def reset(self) -> None:
        super().reset()
        self._classes = self.names if hasattr(self, "names") else {}


@lru_cache(maxsize=1024)
def _is_refused(kind: Any) -> bool:
    return issubclass(kind, _REFUSED)


@lru_cache(maxsize=1024)
def _is_frame(kind: Any) -> bool:
    """Whether jsonpickle's usual form makes something of it that looks equal and is broken.

    An index of pandas that was made so ends the process when it is asked what it contains.
    """
    return any(base.__module__.partition(".")[0] == "pandas" for base in kind.__mro__)


def _reduced(kind: type, args: list[Any], *rest: Any) -> dict[str, Any]:
    return {tags.REDUCE: [{tags.TYPE: f"builtins.{kind.__name__}"}, {tags.TUPLE: args}, *rest]}


def _in_order(items: Any) -> list[Any]:
    """Return the items of a set, simple ones in the same order in every process.

    So that equal arguments have equal texts: hashes of strings differ from process to process.
    """
    if all(type(item) in _SORTABLE for item in items):
        return sorted(items, key=lambda item: (type(item).__name__, repr(item)))
    return list(items)


def _has_own_handler(kind: type) -> bool:
    """Whether somebody registered a handler for it with jsonpickle; its own ones lose values."""
    handler = handlers.get(kind)
    return handler is not None and handler.__module__ != handlers.__name__


def _set_state(made: Any, state: Any) -> None:
    """Do as pickle does."""
    if hasattr(made, "__setstate__"):
        made.__setstate__(state)
        return
    slots = None
    if isinstance(state, tuple) and len(state) == 2:  # noqa: PLR2004 - as __reduce__ has it
        state, slots = state
    if state:
        made.__dict__.update(state)
    for name, value in (slots or {}).items():
        setattr(made, name, value)
