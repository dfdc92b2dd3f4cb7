"""The wire format, version 1: JSON in which every Python value has a place.

Plain JSON stands as it is, so that ``arguments->>'x'`` works in SQL. The rest is an object with
one key that begins with ``$``:

- ``{"$str": text}``: a string with NUL or lone surrogates, in Python's escapes;
- ``{"$float": "nan" | "inf" | "-inf"}``;
- ``{"$<codec>": text}``: whatever a serializer made of a value that is not JSON.

A user's own key that begins with ``$`` gets another ``$`` in front.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from typing import Any, Final

from pynenc_pg.exceptions import SerializationError
from pynenc_pg.serializer.base import BaseSerializer

_HOSTILE: Final = re.compile("[\x00\ud800-\udfff]")
_PLAIN: Final = frozenset({int, bool, type(None)})


class _NotJsonError(Exception):
    """Somewhere inside is a value that JSON does not know."""


def encode_arguments(arguments: Mapping[str, Any], serializer: BaseSerializer) -> str:
    """Encode named arguments as one JSON object.

    Raises:
        SerializationError: names the argument that cannot be carried, and its type.
    """
    parts = []
    for name, value in arguments.items():
        try:
            parts.append(f"{_dumps(name)}:{_dumps(to_wire(value, serializer))}")
        except (SerializationError, RecursionError, TypeError, ValueError, AttributeError) as error:
            why = "it is nested too deep" if isinstance(error, RecursionError) else str(error)
            message = (
                f"argument {name!r} of type {type(value).__qualname__} cannot be carried: {why}"
            )
            raise SerializationError(message) from error
    return f"{{{','.join(parts)}}}"


def decode_arguments(text: str, serializer: BaseSerializer) -> dict[str, Any]:
    """Return the named arguments."""
    return {name: from_wire(value, serializer) for name, value in json.loads(text).items()}


def encode(value: Any, serializer: BaseSerializer) -> str:
    """Encode one value.

    Raises:
        SerializationError: it cannot be carried; names its type.
    """
    try:
        return _dumps(to_wire(value, serializer))
    except (RecursionError, TypeError, ValueError, AttributeError) as error:
        if isinstance(error, SerializationError):
            raise
        message = f"a value of type {type(value).__qualname__} cannot be carried: {error}"
        raise SerializationError(message) from error


def decode(text: str, serializer: BaseSerializer) -> Any:
    """Return the value."""
    return from_wire(json.loads(text), serializer)


def to_wire(value: Any, serializer: BaseSerializer) -> Any:
    """Return what stands for ``value`` in the JSON."""
    try:
        return _plain(value)
    except _NotJsonError:
        return {f"${serializer.codec}": serializer.serialize(value)}


def from_wire(wire: Any, serializer: BaseSerializer) -> Any:
    """Return the value that ``wire`` stands for."""
    if type(wire) is list:
        return [from_wire(item, serializer) for item in wire]
    if type(wire) is not dict:
        return wire
    if len(wire) == 1:
        key, content = next(iter(wire.items()))
        if key.startswith("$") and not key.startswith("$$"):
            return _special(key, content, serializer)
    return {
        key[1:] if key.startswith("$$") else key: from_wire(item, serializer)
        for key, item in wire.items()
    }


def _plain(value: Any) -> Any:
    kind = type(value)
    if kind is str:
        if _HOSTILE.search(value):
            return {"$str": value.encode("unicode_escape").decode("ascii")}
        return value
    if kind in _PLAIN:
        return value
    if kind is float:
        return value if math.isfinite(value) else {"$float": repr(value)}
    if kind is list:
        return [_plain(item) for item in value]
    if kind is dict:
        return {_key(key): _plain(item) for key, item in value.items()}
    raise _NotJsonError


def _key(key: Any) -> str:
    if type(key) is not str or _HOSTILE.search(key):
        raise _NotJsonError
    return f"${key}" if key.startswith("$") else key


def _special(key: str, content: Any, serializer: BaseSerializer) -> Any:
    if key == "$str":
        return content.encode("ascii").decode("unicode_escape")
    if key == "$float":
        return float(content)
    if key == f"${serializer.codec}":
        return serializer.deserialize(content)
    message = (
        f"a value in the row was written as {key!r}, but this app reads {serializer.codec!r}: "
        "give both sides the same serializer_cls"
    )
    raise SerializationError(message)


def _dumps(wire: Any) -> str:
    return json.dumps(wire, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
