"""The serializers one can name in the configuration."""

from __future__ import annotations

from pynenc_pg.exceptions import ConfigError
from pynenc_pg.serializer.base import BaseSerializer
from pynenc_pg.serializer.json_pickle import JsonPickleSerializer
from pynenc_pg.serializer.json_strict import JsonSerializer

_BUILT_IN: dict[str, type[BaseSerializer]] = {
    cls.__name__: cls for cls in (JsonPickleSerializer, JsonSerializer)
}


def make_serializer(name: str) -> BaseSerializer:
    """Return the serializer of that name."""
    if name not in _BUILT_IN:
        message = f"serializer_cls = {name!r}: choose one of {', '.join(sorted(_BUILT_IN))}"
        raise ConfigError(message)
    return _BUILT_IN[name]()
