"""What is large of the values of a call: it is stored beside the row, once, by what it is.

The name of such a payload is the SHA-256 of its JSON text, so the same value has the same name
wherever it comes from, and what comes back can be checked against it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pynenc_pg.domain.records import Payload
from pynenc_pg.serializer.base import BaseSerializer
from pynenc_pg.serializer.plain import dumps
from pynenc_pg.serializer.wire import encode_arguments, reference, referred, to_wire

#: A character of JSON takes up to so many bytes.
_WIDEST = 4


@dataclass(frozen=True, slots=True)
class Limits:
    """Which values are large, in bytes of their JSON."""

    least: int
    most: int = 0  # 0: however large
    exempt: Collection[str] = ()  # names of arguments; ``*``: all
    #: Is told the name and the size of each large one; the name of a result is empty.
    told: Callable[[str, int], object] = lambda _name, _size: None

    def may_hold(self, text: str) -> bool:
        """Whether there may be a large one in a text."""
        return len(text) >= self.least or not (text.isascii() or len(text) * _WIDEST < self.least)

    def exempts(self, name: str) -> bool:
        """Whether an argument stays where it is."""
        return name in self.exempt or "*" in self.exempt

    def payload(self, text: str, name: str = "") -> Payload | None:
        """Return a large value as it is stored; None if it is to stay where it is."""
        if not self.may_hold(text):
            return None
        content = text.encode()
        size = len(content)
        if size < self.least:
            return None
        self.told(name, size)
        if self.most and size > self.most:
            return None
        return Payload(hashlib.sha256(content).hexdigest(), content)


#: A value as it stands in a row, and the name of the payload if it is one.
_Piece = tuple[str, str | None]


@dataclass(slots=True)
class Outgoing:
    """The calls of one batch, and what is large of them. An object of several is encoded once."""

    serializer: BaseSerializer
    limits: Limits | None  # None: everything stays in its row
    payloads: dict[str, Payload] = field(default_factory=dict)
    #: By the ids of objects, which live as long as the calls do.
    _known: dict[int, _Piece] = field(default_factory=dict)

    def arguments(self, call: Mapping[str, Any]) -> tuple[str, Sequence[str]]:
        """Encode the arguments of one call; return the names of its payloads, too.

        Raises:
            SerializationError: names the argument that cannot be carried.
        """
        limits, serializer, known = self.limits, self.serializer, self._known
        if limits is None:
            return encode_arguments(call, serializer), ()
        try:
            if known and any(id(value) in known for value in call.values()):
                return self._apart(call, {})
            wires = {name: to_wire(value, serializer) for name, value in call.items()}
            if not any(_is_long(wire, limits.least) for wire in wires.values()):
                text = dumps(wires)
                if not limits.may_hold(text):
                    return text, ()
            return self._apart(call, wires)
        except Exception as error:
            from pynenc_pg.serializer.refusal import argument_refusal  # noqa: PLC0415 - rare

            raise argument_refusal(call, serializer, error) from error

    def share(self, arguments: Mapping[str, Any]) -> dict[str, _Piece]:
        """Encode arguments that many calls have; what is large of them is kept here.

        Raises:
            SerializationError: as ``arguments``.
        """
        pieces = {}
        for name, value in arguments.items():
            text, names = self.arguments({name: value})
            pieces[name] = (text[1:-1], names[0] if names else None)
        return pieces

    def _apart(self, call: Mapping[str, Any], wires: dict[str, Any]) -> tuple[str, Sequence[str]]:
        """Encode one argument after the other; let go of what is encoded."""
        pairs: list[str] = []
        names: list[str] = []
        for name, value in call.items():
            known = self._known.get(id(value))
            if known is None or (known[1] and self._exempt(name)):
                wire = wires.pop(name) if name in wires else to_wire(value, self.serializer)
                text = dumps(wire)
                del wire
                known = self._kept(name, value, text)
            pairs.append(f"{dumps(name)}:{known[0]}")
            if known[1] is not None:
                names.append(known[1])
        return f"{{{','.join(pairs)}}}", names

    def _exempt(self, name: str) -> bool:
        return self.limits is not None and self.limits.exempts(name)

    def _kept(self, name: str, value: Any, text: str) -> _Piece:
        limits = self.limits
        if limits is None or limits.exempts(name):
            return text, None
        payload = limits.payload(text, name)
        if payload is None:
            return text, None
        self.payloads.setdefault(payload.sha256, payload)
        piece = reference(payload.sha256), payload.sha256
        self._known[id(value)] = piece
        return piece


class SharedArguments:
    """Arguments that many calls have in common: each is encoded once."""

    def __init__(
        self,
        arguments: Mapping[str, Any],
        serializer: BaseSerializer,
        limits: Limits | None = None,
    ) -> None:
        """Encode them.

        Raises:
            SerializationError: as ``encode_arguments``.
        """
        own = Outgoing(serializer, limits)
        self._pieces = own.share(arguments)
        self.payloads = own.payloads

    def encode(self, arguments: Mapping[str, Any], outgoing: Outgoing) -> tuple[str, Sequence[str]]:
        """Encode a call that has them, just as ``Outgoing.arguments`` would."""
        pairs: list[str] = []
        names: list[str] = []
        for name, value in arguments.items():
            piece = self._pieces.get(name)
            if piece is None:
                text, others = outgoing.arguments({name: value})
                pairs.append(text[1:-1])
                names += others
                continue
            pairs.append(piece[0])
            if piece[1] is not None:
                names.append(piece[1])
        return f"{{{','.join(pairs)}}}", names


def shorten(text: str, limits: Limits) -> tuple[str, Sequence[Payload]]:
    """Take what is large out of an exception: the fields by themselves, its type never."""
    wire = json.loads(text)
    payloads, fields = {}, []
    for key, content in wire.items():
        one = dumps(content)
        payload = None if key in {"module", "type"} else limits.payload(one, key)
        if payload is not None and referred(content) is None:
            payloads[payload.sha256] = payload
            one = reference(payload.sha256)
        fields.append(f"{dumps(key)}:{one}")
    return f"{{{','.join(fields)}}}", tuple(payloads.values())


def _is_long(wire: Any, least: int) -> bool:
    """Whether it is known without writing it that its text is not short."""
    kind = type(wire)
    if kind is dict and len(wire) == 1:
        [wire] = wire.values()  # as a serializer writes what is not JSON
        kind = type(wire)
    return (kind is str or kind is list or kind is dict) and len(wire) >= least
