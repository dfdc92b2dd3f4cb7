"""Reads the PostgreSQL protocol as it passes by: who speaks, and which statements are run."""

from __future__ import annotations

from typing import Final

#: First messages that are not yet the beginning: may we speak TLS, may we speak GSSAPI.
_PRELUDES: Final = {80877103, 80877104}
#: The end of each answer: ReadyForQuery, but for its last byte.
_READY: Final = b"Z\0\0\0\5"


class Statements:
    """One client's half of a connection, fed piece by piece."""

    def __init__(self) -> None:
        self.name = ""  # the application's, once it has introduced itself
        self._begun = False
        self._rest = b""
        self._prepared: dict[bytes, bytes] = {}

    def feed(self, said: bytes) -> list[bytes]:
        """Take what was said; return the statements whose execution it asks for."""
        self._rest += said
        asked: list[bytes] = []
        while message := self._message():
            kind, body = message
            if kind == b"P":
                name, query = body.split(b"\0", 2)[:2]
                self._prepared[name] = query
            elif kind == b"B":
                asked.append(self._prepared.get(body.split(b"\0", 2)[1], b""))
            elif kind == b"Q":
                asked.append(body)
        return asked

    def _message(self) -> tuple[bytes, bytes] | None:
        """Take a whole message off; the first one has no kind."""
        at = int(self._begun)
        length = int.from_bytes(self._rest[at : at + 4])
        if len(self._rest) < at + 4 or len(self._rest) < at + length:
            return None
        kind, body = self._rest[:at], self._rest[at + 4 : at + length]
        self._rest = self._rest[at + length :]
        if not self._begun and int.from_bytes(body[:4]) not in _PRELUDES:
            self._begun = True
            words = body[4:].split(b"\0")
            known = dict(zip(words[::2], words[1::2], strict=False))
            self.name = known.get(b"application_name", b"").decode()
        return kind or b"-", body


class Answers:
    """The server's half of a connection, fed piece by piece; notifications can be kept back."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, said: bytes, *, deaf: bool) -> bytes:
        """Return what is to be passed on; where ``deaf``, without notifications."""
        if said in (b"N", b"S") and not self._rest:  # the answer to a prelude
            return said
        self._rest += said
        passed = b""
        while len(self._rest) >= 5:
            length = 1 + int.from_bytes(self._rest[1:5])
            if len(self._rest) < length:
                break
            message, self._rest = self._rest[:length], self._rest[length:]
            if not (deaf and message[:1] == b"A"):
                passed += message
        return passed


def is_whole_answer(said: bytes) -> bool:
    """Whether it ends where a server has answered and waits for the next statement."""
    return said[-6:-1] == _READY
