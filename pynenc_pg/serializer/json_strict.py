"""JSON and nothing else."""

from __future__ import annotations

from typing import Any

from pynenc_pg.exceptions import SerializationError
from pynenc_pg.serializer.base import BaseSerializer


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
