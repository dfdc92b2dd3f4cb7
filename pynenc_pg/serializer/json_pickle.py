"""Python values by jsonpickle, which is made to refuse what it would silently change."""

from __future__ import annotations

import json
import threading
from collections.abc import AsyncIterator, Coroutine, Iterator
from io import IOBase
from socket import socket
from types import FrameType, ModuleType, TracebackType
from typing import Any, Final, NoReturn

import jsonpickle
from jsonpickle.pickler import Pickler
from jsonpickle.tags import RESERVED
from jsonpickle.util import is_picklable

from pynenc_pg.exceptions import SerializationError
from pynenc_pg.serializer.base import BaseSerializer

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


class JsonPickleSerializer(BaseSerializer):
    """Keeps Python types by jsonpickle. Whoever may write rows is trusted: it can run code."""

    codec = "jsonpickle"

    def serialize(self, obj: Any) -> str:
        """Return jsonpickle's text.

        Raises:
            SerializationError: it is, or holds, something that would not come back equal.
        """
        return json.dumps(_StrictPickler(keys=True, warn=True).flatten(obj))

    def deserialize(self, serialized_obj: str) -> Any:
        """Make the value again."""
        return jsonpickle.decode(serialized_obj, keys=True)  # noqa: S301 - as the class says


class _StrictPickler(Pickler):  # type: ignore[misc]  # jsonpickle has no types
    """Raises where jsonpickle would warn and write None."""

    def _flatten_impl(self, obj: Any) -> Any:
        if isinstance(obj, _REFUSED):
            self._pickle_warning(obj)
        return super()._flatten_impl(obj)

    def _flatten_key_value_pair(self, k: Any, v: Any, data: Any) -> Any:
        self._check_pair(k, v)
        return super()._flatten_key_value_pair(k, v, data)

    def _flatten_string_key_value_pair(self, k: Any, v: Any, data: Any) -> Any:
        self._check_pair(k, v)
        return super()._flatten_string_key_value_pair(k, v, data)

    def _check_pair(self, key: Any, value: Any) -> None:
        """Refuse pairs that jsonpickle would leave out."""
        if not is_picklable(key, value):
            if key in RESERVED:
                message = f"the key {key!r} is one of jsonpickle's own"
                raise SerializationError(message)
            self._pickle_warning(value)

    def _pickle_warning(self, obj: Any) -> NoReturn:
        message = f"{type(obj).__qualname__} {obj!r:.80} has no text that it could be made of again"
        raise SerializationError(message)
