"""A task tells when it was started: by a datagram, where a task queue has no results."""

from __future__ import annotations

import functools
import os
import socket
import struct
import time
from typing import Final

_HERE: Final = "127.0.0.1"
_FORM: Final = struct.Struct("!Qd")
_PORT: Final = "BENCH_PORT"
_PATIENCE: Final = 60.0


def tell(number: int) -> None:
    """In a worker: say that the call with this number has been started just now."""
    now = time.time()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as mouth:
        mouth.sendto(_FORM.pack(number, now), (_HERE, int(os.environ[_PORT])))


class Ears:
    """In the measurer: hears what tasks tell. Numbers are given out here."""

    def __init__(self) -> None:
        """Listen."""
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind((_HERE, 0))
        self._socket.settimeout(_PATIENCE)
        self._next = 0
        self._heard: dict[int, float] = {}

    def close(self) -> None:
        """Stop listening."""
        self._socket.close()

    @property
    def environment(self) -> dict[str, str]:
        """What tells worker processes where to tell."""
        return {_PORT: str(self._socket.getsockname()[1])}

    def number(self) -> int:
        """Return a number nobody else has."""
        self._next += 1
        return self._next

    def began(self, number: int) -> float:
        """Wait for the call with this number, and return when it was started.

        Raises:
            TimeoutError: it was not, within a minute.
        """
        while number not in self._heard:
            told, at = _FORM.unpack(self._socket.recv(_FORM.size))
            self._heard.setdefault(told, at)
        return self._heard.pop(number)


@functools.cache
def ears() -> Ears:
    """Return those of this process."""
    return Ears()
