"""What systemd is told of a worker: sd_notify(3), through the library ``systemd-watchdog``."""

from __future__ import annotations

import logging
import os
import socket
import time
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import TYPE_CHECKING, Final

from pynenc_pg.runner.noise import Noise

if TYPE_CHECKING:
    from systemd_watchdog.systemd_watchdog import WatchDog

logger = logging.getLogger(__name__)

#: Seconds that a service manager may take to hear us.
_PATIENCE: Final = 5.0


def connect(environment: Mapping[str, str] = os.environ) -> Systemd | None:
    """Return the way to the service manager that has started us; None if none wants to hear."""
    if not environment.get("NOTIFY_SOCKET"):
        return None
    try:
        library = import_module("systemd_watchdog")
    except ImportError:
        logger.warning(
            "systemd.missing: the service manager waits for word (NOTIFY_SOCKET is set), and the "
            'library for that is not installed: pip install "pynenc_pg[systemd]"'
        )
        return None
    own = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    own.settimeout(_PATIENCE)
    return Systemd(library.WatchDog(own), own, watched="WATCHDOG_USEC" in environment)


class Systemd:
    """Tells it; a service manager that does not listen is no reason to stop working."""

    def __init__(self, dog: WatchDog, own: socket.socket, *, watched: bool) -> None:
        """``watched``: it wants to hear regularly that we live."""
        self._dog = dog
        self._socket = own
        self._said = ""
        self._noise = Noise(logger)
        #: Seconds between two signs of life: half of what the service manager waits for one.
        self.interval = dog.timeout_td.total_seconds() / 2 if watched else None

    def ready(self) -> None:
        """It works; again after ``reloading``."""
        self._tell(self._dog.ready)

    def alive(self) -> None:
        """Feed the watchdog."""
        self._tell(self._dog.notify)

    def reloading(self) -> None:
        """New code is being taken up."""
        # One datagram, as sd_notify(3) wants it; the library has no word for it, but its line.
        now = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
        self._say(f"taking up new code\nRELOADING=1\nMONOTONIC_USEC={now}")

    def stopping(self) -> None:
        """It ends."""
        self._say("stopping\nSTOPPING=1")

    def status(self, sentence: str) -> None:
        """Say what ``systemctl status`` shows, unless it shows that already."""
        if sentence != self._said:
            self._say(sentence)

    def close(self) -> None:
        """Say no more."""
        self._socket.close()

    def _say(self, text: str) -> None:
        self._said = text
        self._tell(lambda: self._dog.status(text))

    def _tell(self, send: Callable[[], None]) -> None:
        try:
            send()
        except OSError as error:
            self._noise.warn("systemd.failed", error)
        else:
            self._noise.over()
