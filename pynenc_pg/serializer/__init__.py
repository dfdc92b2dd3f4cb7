"""How values travel: the built-in serializers, and what one's own have to do."""

from pynenc_pg.serializer.base import BaseSerializer, JsonSerializable
from pynenc_pg.serializer.json_pickle import JsonPickleSerializer
from pynenc_pg.serializer.json_strict import JsonSerializer
from pynenc_pg.serializer.pickled import PickleSerializer
from pynenc_pg.serializer.typed import TypedJsonSerializer

__all__ = [
    "BaseSerializer",
    "JsonPickleSerializer",
    "JsonSerializable",
    "JsonSerializer",
    "PickleSerializer",
    "TypedJsonSerializer",
]
