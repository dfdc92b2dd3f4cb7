"""What is large of the values of a call: it is stored beside the row, once, by what it is.

The name of such a payload is the SHA-256 of its JSON text, so the same value has the same name
wherever it comes from, and what comes back can be checked against it.
"""

from __future__ import annotations

import hashlib
import json
import threading
from collections import OrderedDict
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from pynenc_pg.domain.records import Payload
from pynenc_pg.serializer.base import BaseSerializer
from pynenc_pg.serializer.plain import dumps
from pynenc_pg.serializer.wire import encode_arguments, reference, referred, to_wire

_SIZED: Final = frozenset({str, list, dict})
_CONSTANT: Final = frozenset({str, bytes})
#: So many of them are known again.
_CONSTANTS: Final = 16
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
    remembered: int = 0  # bytes of what may be remembered, to know it again

    def may_hold(self, text: str) -> bool:
        """Whether there may be a large one in a text."""
        return len(text) >= self.least or not (text.isascii() or len(text) * _WIDEST < self.least)

    def exempts(self, name: str) -> bool:
        """Whether an argument stays where it is."""
        return name in self.exempt or "*" in self.exempt

    def takes(self, size: int) -> bool:
        """Whether a value of that size is stored by itself."""
        return size >= self.least and not 0 < self.most < size

    def payload(self, text: str, name: str = "") -> Payload | None:
        """Return a large value as it is stored; None if it is to stay where it is."""
        if not self.may_hold(text):
            return None
        content = text.encode()
        size = len(content)
        if size >= self.least:
            self.told(name, size)
        if not self.takes(size):
            return None
        return Payload(hashlib.sha256(content).hexdigest(), content)


class Constants:
    """Large values that cannot change, and were called with lately: not encoded again. Any thread.

    Lists, arrays and other objects are, each time: nobody tells whether they have changed.
    """

    def __init__(self) -> None:
        """Begin with none."""
        self._payloads: OrderedDict[int, tuple[object, Payload]] = OrderedDict()  # by id
        self._size = 0
        self._lock = threading.Lock()

    def known(self, limits: Limits) -> dict[int, Payload]:
        """Return those still large by the ids of the objects, which live as long as these here."""
        if not self._payloads:
            return {}
        with self._lock:
            found = {which: payload for which, (_, payload) in self._payloads.items()}
        return {k: one for k, one in found.items() if limits.takes(len(one.content or b""))}

    def note(self, value: object, payload: Payload, most: int) -> None:
        """Remember one; those beyond ``most`` bytes, twice what they are themselves, are let go."""
        if type(value) not in _CONSTANT or id(value) in self._payloads:
            return
        with self._lock:
            self._payloads[id(value)] = value, payload
            self._size += _size(payload)
            while self._size > most or len(self._payloads) > _CONSTANTS:
                _, (_, gone) = self._payloads.popitem(last=False)
                self._size -= _size(gone)


#: A value as it stands in a row, and what it stands for if that is stored by itself.
_Piece = tuple[str, Payload | None]


@dataclass(slots=True)
class Outgoing:
    """The calls of one batch, and what is large of them. An object of several is encoded once."""

    serializer: BaseSerializer
    limits: Limits | None  # None: everything stays in its row
    constants: Constants | None = None
    payloads: dict[str, Payload] = field(default_factory=dict)
    #: By the ids of objects, which live as long as the calls do.
    _known: dict[int, Payload] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Take what is known from former calls."""
        if self.constants is not None and self.limits is not None:
            self._known = self.constants.known(self.limits)

    def arguments(self, call: Mapping[str, Any]) -> tuple[str, Sequence[str]]:
        """Encode the arguments of one call; return the names of its payloads, too.

        Raises:
            SerializationError: names the argument that cannot be carried.
        """
        limits, serializer, known = self.limits, self.serializer, self._known
        if not call:
            return "{}", ()
        if limits is None:
            return encode_arguments(call, serializer), ()
        try:
            if known and any(id(value) in known for value in call.values()):
                return self._apart(call, {})
            wires = {name: to_wire(value, serializer) for name, value in call.items()}
            for wire in wires.values():
                if type(wire) in _SIZED and _is_long(wire, limits.least):
                    break
            else:
                text = dumps(wires)
                if len(text) < limits.least and not limits.may_hold(text):
                    return text, ()
            return self._apart(call, wires)
        except Exception as error:
            from pynenc_pg.serializer.refusal import argument_refusal  # noqa: PLC0415 - rare

            raise argument_refusal(call, serializer, error) from error

    def share(self, arguments: Mapping[str, Any]) -> dict[str, tuple[str, Sequence[str]]]:
        """Encode arguments that many calls have; what is large of them is kept here.

        Raises:
            SerializationError: as ``arguments``.
        """
        pairs = {name: self.arguments({name: value}) for name, value in arguments.items()}
        return {name: (text[1:-1], names) for name, (text, names) in pairs.items()}

    def _apart(self, call: Mapping[str, Any], wires: dict[str, Any]) -> tuple[str, Sequence[str]]:
        """Encode one argument after the other; let go of what is encoded."""
        pairs: list[str] = []
        names: list[str] = []
        for name, value in call.items():
            text, payload = self._piece(name, value, wires)
            pairs.append(f"{dumps(name)}:{text}")
            if payload is not None:
                self.payloads.setdefault(payload.sha256, payload)
                names.append(payload.sha256)
        return f"{{{','.join(pairs)}}}", names

    def _piece(self, name: str, value: Any, wires: dict[str, Any]) -> _Piece:
        limits = self.limits
        exempt = limits is None or limits.exempts(name)
        payload = None if exempt else self._known.get(id(value))
        if payload is None:
            wire = wires.pop(name) if name in wires else to_wire(value, self.serializer)
            text = dumps(wire)
            del wire
            payload = None if exempt or limits is None else limits.payload(text, name)
            if payload is None:
                return text, None
            self._known[id(value)] = payload
            if limits is not None and self.constants is not None:
                self.constants.note(value, payload, limits.remembered)
        return reference(payload.sha256), payload


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
        self.arguments = arguments
        own = Outgoing(serializer, limits)
        self._pairs = own.share(arguments)
        self.payloads = own.payloads

    def encode(self, arguments: Mapping[str, Any], outgoing: Outgoing) -> tuple[str, Sequence[str]]:
        """Encode a call that has them, just as ``Outgoing.arguments`` would."""
        pairs: list[str] = []
        names: list[str] = []
        for name, value in arguments.items():
            pair = self._pairs.get(name)
            if pair is None:
                text, others = outgoing.arguments({name: value})
                pair = text[1:-1], others
            pairs.append(pair[0])
            names += pair[1]
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
    if len(wire) == 1 and type(wire) is dict:
        [wire] = wire.values()  # as a serializer writes what is not JSON
    return type(wire) in _SIZED and len(wire) >= least


def _size(payload: Payload) -> int:
    """Return what remembering it takes: the value, and its text."""
    return 2 * len(payload.content or b"")
