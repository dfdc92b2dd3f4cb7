"""What a serializer is, and the built-in ones that values which are not plain JSON go through."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, ClassVar

import jsonpickle

from pynenc_pg.exceptions import ConfigError, SerializationError


class BaseSerializer(ABC):
    """Turns values into text and back. Values that are plain JSON never reach it."""

    #: Stands in the row beside the text, so that a reader knows whose it is.
    codec: ClassVar[str] = "custom"

    @abstractmethod
    def serialize(self, obj: Any) -> str:
        """Return text from which ``deserialize`` makes an equal value."""

    @abstractmethod
    def deserialize(self, serialized_obj: str) -> Any:
        """Make the value again."""


class JsonSerializer(BaseSerializer):
    """Strict: JSON values and nothing else. Nothing read from a row is ever run as code."""

    codec = "json"

    def serialize(self, obj: Any) -> str:
        """Refuse: whatever comes here was not JSON."""
        message = (
            f"{type(obj).__qualname__} is not a JSON value; JsonSerializer takes None, bool, int, "
            "float, str, list and dict with text keys (or use JsonPickleSerializer)"
        )
        raise SerializationError(message)

    def deserialize(self, serialized_obj: str) -> Any:
        """Refuse: a strict row holds no such text."""
        message = f"JsonSerializer does not decode {serialized_obj[:40]!r}"
        raise SerializationError(message)


class JsonPickleSerializer(BaseSerializer):
    """Keeps Python types by jsonpickle. Whoever may write rows is trusted: it can run code."""

    codec = "jsonpickle"

    def serialize(self, obj: Any) -> str:
        """Return jsonpickle's text."""
        text = jsonpickle.encode(obj, keys=True, warn=True)
        if not isinstance(text, str):
            message = f"{type(obj).__qualname__} has no jsonpickle text"
            raise SerializationError(message)
        return text

    def deserialize(self, serialized_obj: str) -> Any:
        """Make the value again."""
        return jsonpickle.decode(serialized_obj, keys=True)  # noqa: S301 - as the class says


_BUILT_IN: dict[str, type[BaseSerializer]] = {
    cls.__name__: cls for cls in (JsonPickleSerializer, JsonSerializer)
}


def make_serializer(name: str) -> BaseSerializer:
    """Return the serializer of that name."""
    if name not in _BUILT_IN:
        message = f"serializer_cls = {name!r}: choose one of {', '.join(sorted(_BUILT_IN))}"
        raise ConfigError(message)
    return _BUILT_IN[name]()
