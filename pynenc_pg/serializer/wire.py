"""The wire format, version 1: JSON in which every Python value has a place.

Plain JSON stands as it is, so that ``arguments->>'x'`` works in SQL. The rest is an object with
one key that begins with ``$``; ``docs/reference/wire-format.md`` lists them. A user's own key that
begins with ``$`` gets another ``$`` in front. Texts of version 1 are read for ever: see
``tests/unit/golden``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any, Final, Protocol

from pynenc_pg.exceptions import SerializationError, SignatureError
from pynenc_pg.serializer.base import BaseSerializer
from pynenc_pg.serializer.plain import NotJsonError, dumps, plain

#: What this code writes, and the last one that it reads.
VERSION: Final = 1
#: Marks what is large and stored elsewhere. It stands for an argument, a result, or a field of an
#: exception as a whole, and nowhere else.
REF: Final = "$ref"
QUOTED_REF: Final = f'"{REF}"'
#: Says why something was refused before it could be read.
REFUSED: Final = "$refused"
_SHA256: Final = re.compile("[0-9a-f]{64}")


def encode_arguments(arguments: Mapping[str, Any], serializer: BaseSerializer) -> str:
    """Encode named arguments as one JSON object.

    Raises:
        SerializationError: names the argument that cannot be carried, its type, the place in it
            and the serializers that would take it.
    """
    try:
        return dumps({name: to_wire(value, serializer) for name, value in arguments.items()})
    except Exception as error:
        from pynenc_pg.serializer.refusal import argument_refusal  # noqa: PLC0415 - rare

        raise argument_refusal(arguments, serializer, error) from error


class Follow(Protocol):
    """Finds what references stand for."""

    def values(self, hashes: Sequence[str], serializer: BaseSerializer) -> Sequence[Any]:
        """Return a value for each, all of them the caller's own to change."""
        ...

    def texts(self, hashes: Sequence[str]) -> Sequence[str]:
        """Return the JSON of each."""
        ...


def reference(sha256: str) -> str:
    """Return the JSON that stands for a large value."""
    return f'{{"{REF}":"{sha256}"}}'


def referred(wire: Any) -> str | None:
    """Return which large value this stands for, if it stands for one."""
    if type(wire) is not dict or REF not in wire:
        return None
    sha256 = wire[REF]
    if len(wire) != 1 or not (isinstance(sha256, str) and _SHA256.fullmatch(sha256)):
        message = f"{str(wire)[:120]} stands in the row where a reference to a large value should"
        raise SerializationError(message)
    return sha256


def decode_arguments(
    text: str, serializer: BaseSerializer, follow: Follow | None = None
) -> dict[str, Any]:
    """Return the named arguments; ``follow`` finds those that are stored elsewhere.

    Raises:
        SerializationError: names the argument that cannot be read here.
        PayloadError: what is stored elsewhere is not there, or not as it was.
    """
    wire = json.loads(text)
    check_version(wire)
    large = references(wire) if follow is not None and QUOTED_REF in text else {}
    arguments = {}
    if follow is not None and large:
        found = follow.values(list(large.values()), serializer)
        arguments = dict.fromkeys(wire) | dict(zip(large, found, strict=True))
    for name, content in wire.items():
        if name in large:
            continue
        try:
            arguments[name] = from_wire(content, serializer)
        except SerializationError as error:
            message = f"argument {name!r} cannot be read: {error}"
            raise SerializationError(message) from error
    return arguments


def encode(value: Any, serializer: BaseSerializer) -> str:
    """Encode one value.

    Raises:
        SerializationError: it cannot be carried; names its type, and the place in it.
    """
    try:
        return dumps(to_wire(value, serializer))
    except Exception as error:
        from pynenc_pg.serializer.refusal import value_refusal  # noqa: PLC0415 - rare

        raise value_refusal(value, serializer, error) from error


def decode(text: str, serializer: BaseSerializer, follow: Follow | None = None) -> Any:
    """Return the value; ``follow`` finds it if it is stored elsewhere.

    Raises:
        SerializationError: it cannot be read here.
        PayloadError: it is stored elsewhere, and not there, or not as it was.
    """
    wire = json.loads(text)
    if follow is not None and (sha256 := referred(wire)) is not None:
        return follow.values([sha256], serializer)[0]
    if '"$' not in text:  # nothing but plain JSON
        return wire
    return from_wire(wire, serializer)


def to_wire(value: Any, serializer: BaseSerializer) -> Any:
    """Return what stands for ``value`` in the JSON."""
    if serializer.skips_plain_json:
        try:
            return plain(value)
        except (NotJsonError, RecursionError):  # a list that contains itself is no JSON either
            pass
    return serializer.to_wire(value)


def from_wire(wire: Any, serializer: BaseSerializer) -> Any:
    """Return the value that ``wire`` stands for."""
    kind = type(wire)
    if kind is dict:
        value = {}
        for key, content in wire.items():
            if key[:1] == "$":
                if key[1:2] != "$":
                    return _special(key, wire, serializer)
                key = key[1:]  # noqa: PLW2901
            value[key] = from_wire(content, serializer)
        return value
    if kind is list:
        return [from_wire(item, serializer) for item in wire]
    return wire


def references(wire: Mapping[str, Any]) -> dict[str, str]:
    """Return the large values among the members of an object, by name."""
    return {name: sha for name, content in wire.items() if (sha := referred(content)) is not None}


def check_version(wire: Any) -> None:
    """Look whether this code knows how to read it.

    Raises:
        SerializationError: a newer version wrote it.
        SignatureError: it was refused for its signature.
    """
    if isinstance(wire, dict) and REFUSED in wire:
        raise SignatureError(wire[REFUSED])
    if isinstance(wire, dict) and "$v" in wire:
        message = (
            f"written in version {wire['$v']} of the wire format, by a newer pynenc_pg; this one "
            f"reads version {VERSION}: update it here"
        )
        raise SerializationError(message)


def _special(key: str, wire: dict[str, Any], serializer: BaseSerializer) -> Any:
    check_version(wire)
    content = wire[key]
    if len(wire) == 1:
        try:
            if key == "$str":
                return content.encode("ascii").decode("unicode_escape")
            if key == "$float":
                return float(content)
            if key == "$dict":
                pairs = from_wire(content, serializer)
                return dict(pairs)
        except (AttributeError, TypeError, ValueError) as error:
            message = f"the row has {content!r:.80} under {key!r}, which cannot be read: {error}"
            raise SerializationError(message) from error
    return _by_codec(key, wire, serializer)


def _by_codec(key: str, wire: dict[str, Any], serializer: BaseSerializer) -> Any:
    codec, name = key[1:], type(serializer).__qualname__
    if key == REF:
        message = "a reference to a large value stands in the row where none can be followed"
        raise SerializationError(message)
    if len(wire) != 1:
        message = f"an object in the row has the key {key!r} beside others; own keys get one more $"
        raise SerializationError(message)
    reader = serializer
    if codec != serializer.codec:
        if codec not in serializer.also_reads:
            message = (
                f"a value in the row was written as {key!r}, which {name} does not read (its own "
                f"is {'$' + serializer.codec!r}): give both sides the same serializer_cls"
            )
            raise SerializationError(message)
        from pynenc_pg.serializer.built_in import by_codec  # noqa: PLC0415 - it knows all of them

        reader = by_codec(codec, serializer.allowed_modules)
    content = wire[key]
    try:
        return reader.extract(from_wire(content, serializer) if _is_text(content) else content)
    except SerializationError:
        raise
    except Exception as error:
        message = f"{type(reader).__qualname__} cannot read {key!r}: {_said(error)}"
        raise SerializationError(message) from error


def _is_text(content: Any) -> bool:
    """Whether a serializer's text had characters that JSON in PostgreSQL does not have."""
    return isinstance(content, dict) and content.keys() == {"$str"}


def _said(error: Exception) -> str:
    return f"{type(error).__qualname__}: {error}"
