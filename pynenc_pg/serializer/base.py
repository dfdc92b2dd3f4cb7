"""What a serializer is: where values go that are not plain JSON."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, ClassVar


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
