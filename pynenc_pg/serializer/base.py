"""What a serializer is, and what a class does to be carried as JSON."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from typing import Any, ClassVar, Final, Protocol, Self, runtime_checkable

from pynenc_pg.exceptions import SerializationError
from pynenc_pg.serializer.plain import plain

_CODEC: Final = re.compile("[a-z0-9_-]+")
#: Codecs of the built-in serializers, and what else follows a ``$`` in the wire format.
_RESERVED: Final = frozenset(
    {"str", "float", "dict", "bytes", "tuple", "exception", "json", "jsonpickle", "pickle", "ref"}
    | {"v", "sig", "value", "refused"}
)


@runtime_checkable
class JsonSerializable(Protocol):
    """A class whose values say themselves what they are in JSON.

    >>> class Money:
    ...     def __init__(self, amount: int) -> None:
    ...         self.amount = amount
    ...
    ...     def to_json(self) -> dict[str, int]:
    ...         return {"amount": self.amount}
    ...
    ...     @classmethod
    ...     def from_json(cls, data: dict[str, int]) -> "Money":
    ...         return cls(data["amount"])
    >>> isinstance(Money(3), JsonSerializable)
    True
    """

    def to_json(self) -> Any:
        """Return JSON, or what ``JsonSerializer`` carries: enums, say, or others of these."""

    @classmethod
    def from_json(cls, data: Any) -> Self:
        """Make the value again from what ``to_json`` returned."""


class BaseSerializer(ABC):
    """Turns values into text and back.

    A subclass needs ``serialize`` and ``deserialize``. It is used by many threads at once.

    >>> class Reversed(BaseSerializer):
    ...     codec = "reversed"
    ...
    ...     def serialize(self, obj: Any) -> str:
    ...         return obj[::-1]
    ...
    ...     def deserialize(self, serialized_obj: str) -> Any:
    ...         return serialized_obj[::-1]
    """

    #: Stands in the row beside the text, so that a reader knows whose it is: ``[a-z0-9_-]+``.
    #: A class with a ``serialize`` of its own does not inherit it.
    codec: ClassVar[str] = "custom"

    #: Whether arguments and results that are plain JSON stand in the row as they are. If not,
    #: every one of them goes through ``serialize``: it may be there to encrypt. A class with a
    #: ``serialize`` of its own does not inherit this either.
    skips_plain_json: ClassVar[bool] = False

    #: Other built-in codecs that an app with this serializer reads too: none that runs more than
    #: its own.
    also_reads: ClassVar[frozenset[str]] = frozenset({"json"})

    #: Whether annotations of tasks say how their values are carried.
    typed: ClassVar[bool] = False

    #: The only modules whose classes decoding may touch, with what is below them; None: any that
    #: are imported. The built-in serializers heed it.
    allowed_modules: tuple[str, ...] | None = None

    def __init_subclass__(cls, **options: Any) -> None:
        """Check the codec; what writes another text than its parent is not marked as its parent's.

        Raises:
            ValueError: the codec cannot stand in a row, or is one of ours.
        """
        super().__init_subclass__(**options)
        own = vars(cls)
        if "serialize" in own or "deserialize" in own:
            for name in ("codec", "skips_plain_json", "also_reads"):
                if name not in own:
                    setattr(cls, name, getattr(BaseSerializer, name))
        ours = cls.__module__.startswith("pynenc_pg.serializer.")
        if "codec" in own and not ours and (not _is_codec(cls.codec) or cls.codec in _RESERVED):
            message = (
                f"{cls.__qualname__}.codec = {cls.codec!r}: take letters a-z, digits, '_' and '-', "
                f"and none of {', '.join(sorted(_RESERVED))}"
            )
            raise ValueError(message)

    @abstractmethod
    def serialize(self, obj: Any) -> str:
        """Return text from which ``deserialize`` makes an equal value."""

    @abstractmethod
    def deserialize(self, serialized_obj: str) -> Any:
        """Make the value again."""

    def to_wire(self, value: Any) -> Any:
        """Return the JSON that stands for a value: here ``{"$<codec>": text}``.

        Raises:
            SerializationError: ``serialize`` returned something else than text.
        """
        text = self.serialize(value)
        if not isinstance(text, str):
            message = (
                f"{type(self).__qualname__}.serialize returned {type(text).__qualname__}, not str "
                "(bytes: base64.b64encode(...).decode())"
            )
            raise SerializationError(message)
        return {f"${self.codec}": plain(str.__str__(text))}

    def extract(self, content: Any) -> Any:
        """Return the value of what stands under ``$<codec>``."""
        if not isinstance(content, str):
            message = f"{self.codec!r} text expected, not {type(content).__qualname__}"
            raise SerializationError(message)
        return self.deserialize(content)


def _is_codec(codec: object) -> bool:
    return isinstance(codec, str) and _CODEC.fullmatch(codec) is not None
