"""JSON, and what says of itself how it is JSON: enums, exceptions, ``JsonSerializable``."""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum, Flag
from typing import Any

from pynenc_pg.exceptions import SerializationError
from pynenc_pg.serializer.allowed import allowed_class
from pynenc_pg.serializer.base import BaseSerializer
from pynenc_pg.serializer.classes import attribute_of, named
from pynenc_pg.serializer.node_reader import from_nodes
from pynenc_pg.serializer.nodes import to_nodes
from pynenc_pg.serializer.plain import dumps, plain

TAKES = (
    "JsonSerializer takes None, bool, int, float, str, list, dict with str keys, enums, exceptions "
    "and classes with to_json and from_json"
)


class JsonSerializer(BaseSerializer):
    """Strict: what it does not know is refused at the call. No row can run code.

    A class that a row names is looked up among the modules that are imported already, and must be
    an enum, an exception or a ``JsonSerializable``; of these alone ``from_json`` is called.
    """

    codec = "json"
    skips_plain_json = True

    def serialize(self, obj: Any) -> str:
        """Return JSON text in the wire format.

        Raises:
            SerializationError: it is, or contains, something else.
        """
        return dumps(self.to_wire(obj))

    def deserialize(self, serialized_obj: str) -> Any:
        """Make the value again."""
        from pynenc_pg.serializer.wire import decode  # noqa: PLC0415 - the wire knows serializers

        return decode(serialized_obj, self)

    def to_wire(self, value: Any) -> Any:
        """Return JSON in which what is not plain stands as ``{"$json": {"class", "data"}}``."""
        return plain(value, _carried)

    def extract(self, content: Any) -> Any:
        """Return the value of a ``{"class": "module:Name", "data": …}``.

        Raises:
            SerializationError: the class is not known here, is none of the three kinds, or its
                ``from_json`` fails.
        """
        from pynenc_pg.serializer.wire import from_wire  # noqa: PLC0415

        return extracted(content, lambda wire: from_wire(wire, self), self.allowed_modules)


def extracted(
    content: Any, read: Callable[[Any], Any], allowed: tuple[str, ...] | None = None
) -> Any:
    """Return the value of what stands under ``$json``; ``read`` reads what is inside."""
    if not (isinstance(content, dict) and isinstance(content.get("class"), str)):
        message = f'{{"class": "module:Name", "data": …}} expected under $json, not {content!r:.80}'
        raise SerializationError(message)
    module, _, name = content["class"].partition(":")
    found = allowed_class(module, name, allowed)
    data = content.get("data")
    if _has_protocol(found):
        return _made(found, read(data))
    if issubclass(found, Enum):
        return _member(found, read(data))
    if issubclass(found, BaseException):
        return from_nodes(data, read, named_as=(module, name), allowed=allowed)
    message = (
        f"the row names {module}:{name}, which is no enum, no exception and has no to_json and "
        "from_json: JsonSerializer makes nothing else"
    )
    raise SerializationError(message)


def _carried(value: Any) -> Any:
    kind = type(value)
    if _has_protocol(kind):
        return _marked(kind, _data_of(value))
    if isinstance(value, Enum):
        flag = isinstance(value, Flag)
        data = value.value if flag else value.name
        made = _member(kind, data)
        # Flags with bits that have no name are made anew each time by early releases of 3.11.
        if made is not value and not (flag and made == value):
            message = f"{value!r:.80} is not a member of {kind.__qualname__} under its own name"
            raise SerializationError(message)
        return _marked(kind, plain(data, _carried))
    if isinstance(value, BaseException):
        return _marked(kind, to_nodes(value, lambda inside: plain(inside, _carried)))
    if kind is dict:
        key = next(key for key in value if type(key) is not str)
        message = f"it has the key {key!r:.80} of type {type(key).__qualname__}; {TAKES}"
    else:
        message = f"{kind.__qualname__} is no JSON; {TAKES}"
    raise SerializationError(message)


def _marked(kind: type, data: Any) -> dict[str, Any]:
    return {"$json": {"class": named(kind), "data": data}}


def _has_protocol(kind: type) -> bool:
    # Not isinstance: an object whose __getattr__ answers everything is not meant, a class neither.
    return all(callable(attribute_of(kind, name)) for name in ("to_json", "from_json"))


def _data_of(value: Any) -> Any:
    kind = type(value).__qualname__
    try:
        data = value.to_json()
    except Exception as error:
        message = f"{kind}.to_json raised {type(error).__qualname__}: {error}"
        raise SerializationError(message) from error
    try:
        return plain(data, _carried)
    except SerializationError as error:
        from pynenc_pg.serializer.refusal import reason  # noqa: PLC0415 - rare

        why, _ = reason(data, JsonSerializer(), error, f"{kind}.to_json()")
        message = f"{kind}.to_json returned {type(data).__qualname__}: {why}"
        raise SerializationError(message) from error


def _made(kind: type, data: Any) -> Any:
    try:
        value = kind.from_json(data)  # type: ignore[attr-defined]
    except Exception as error:
        message = f"{kind.__qualname__}.from_json raised {type(error).__qualname__}: {error}"
        raise SerializationError(message) from error
    if not isinstance(value, kind):
        message = f"{kind.__qualname__}.from_json returned {type(value).__qualname__}"
        raise SerializationError(message)
    return value


def _member(kind: type[Enum], data: Any) -> Enum:
    try:
        if issubclass(kind, Flag) and isinstance(data, int):
            made = kind(data)
            if made.value != data:  # early releases of 3.11 drop the bits that they do not know
                raise ValueError(data)  # noqa: TRY301 - it says the same
            return made
        return kind.__members__[data]
    except (KeyError, TypeError, ValueError) as error:
        message = f"enum {kind.__qualname__} has no member {data!r:.80} here"
        raise SerializationError(message) from error
