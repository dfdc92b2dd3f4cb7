"""The large values that this process has read lately, so that it need not read them again.

Whoever asks gets a value that nobody else has: one task must not see what another does to it. A
value that cannot be changed is given out itself; an array is copied; what is plain JSON is kept in
a form from which it is made again twice as fast as from JSON (and four times as fast as by
``copy.deepcopy``); everything else is decoded anew, from text that was fetched and checked before.
"""

from __future__ import annotations

import marshal
import sys
import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from pynenc_pg.serializer.wire import decode

if TYPE_CHECKING:
    from pynenc_pg.serializer.base import BaseSerializer

_CONSTANT: Final = frozenset({str, bytes, int, float, bool, type(None)})
#: Name and serializer's id: one text is several values where tasks have serializers of their own.
Key = tuple[str, int]


@dataclass(frozen=True, slots=True)
class Entry:
    """Makes a value as often as one is asked for."""

    make: Callable[[], Any]
    size: int  # bytes, about


class PayloadCache:
    """Those used last, up to a number and up to a size. Any thread."""

    def __init__(self) -> None:
        """Begin empty."""
        self._entries: OrderedDict[Key, Entry] = OrderedDict()
        self._size = 0
        self._lock = threading.Lock()

    def find(self, key: Key) -> Entry | None:
        """Return what makes the value, if it is here."""
        with self._lock:
            entry = self._entries.get(key)
            if entry is not None:
                self._entries.move_to_end(key)
            return entry

    def keep(self, key: Key, entry: Entry, *, most: int, bytes_: int) -> None:
        """Keep one, and let go of those that were not used for longest."""
        if not most or entry.size > bytes_:
            return
        with self._lock:
            former = self._entries.pop(key, None)
            self._size += entry.size - (former.size if former else 0)
            self._entries[key] = entry
            while len(self._entries) > most or self._size > bytes_:
                _, gone = self._entries.popitem(last=False)
                self._size -= gone.size


def entry(value: Any, text: str, serializer: BaseSerializer) -> Entry:
    """Return what makes ``value`` again, which was decoded from ``text``."""
    if type(value) in _CONSTANT:
        return Entry(lambda: value, sys.getsizeof(value))
    if '"$' not in text:
        # Nothing but what JSON knows: marshal takes no notice of types beyond these.
        made = marshal.dumps(value)
        return Entry(lambda: marshal.loads(made), len(made))  # noqa: S302 - our own, of this process
    if _is_array(value):
        kept = value.copy(order="K")
        return Entry(lambda: kept.copy(order="K"), kept.nbytes)
    return Entry(lambda: decode(text, serializer), sys.getsizeof(text))


def _is_array(value: Any) -> bool:
    """Whether it is an array of numpy's of numbers: such a one has nothing but its items."""
    numpy = sys.modules.get("numpy")
    return numpy is not None and type(value) is numpy.ndarray and not value.dtype.hasobject
