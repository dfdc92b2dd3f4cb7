"""Networks of a test's own, each with one cable to ours, on which packets can be made to vanish.

Needs root and ``ip``. What is made is removed at the end; nothing else is touched.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

import pytest


class Island:
    """The other end of the cable; workers live there (``FAULTS_NETWORK``)."""

    def __init__(self, which: int = 0) -> None:
        number = os.getpid()
        self._name = f"pynenc-pg-{number}-{which}"
        self._cable = f"pyn{number}{chr(ord('a') + which)}"
        self._far = f"{self._cable}b"
        third, last = f"10.{200 + number % 50}.{number // 50 % 250}", 4 * which
        self.network = f"{third}.{last}/30"
        self.here, self._there = f"{third}.{last + 1}", f"{third}.{last + 2}"
        self.entry = f"/var/run/netns/{self._name}"

    def rise(self) -> None:
        """Make it."""
        far = self._far
        _run("ip", "netns", "add", self._name)
        _run("ip", "link", "add", f"{self._cable}a", "type", "veth", "peer", "name", far)
        _run("ip", "link", "set", far, "netns", self._name)
        _run("ip", "address", "add", f"{self.here}/30", "dev", f"{self._cable}a")
        _run("ip", "link", "set", f"{self._cable}a", "up")
        self._inside("ip", "address", "add", f"{self._there}/30", "dev", far)
        self._inside("ip", "link", "set", far, "up")

    def cut(self) -> None:
        """Let packets vanish, both ways; nobody is told: they go to cards that nobody has."""
        wrong = ("lladdr", "02:00:00:00:00:01", "nud", "permanent")
        self._inside("ip", "neigh", "replace", self.here, *wrong, "dev", self._far)
        _run("ip", "neigh", "replace", self._there, *wrong, "dev", f"{self._cable}a")

    def heal(self) -> None:
        """Let them pass again."""
        self._inside("ip", "neigh", "delete", self.here, "dev", self._far)
        _run("ip", "neigh", "delete", self._there, "dev", f"{self._cable}a")

    def sink(self) -> None:
        """Remove it; the cable goes with it."""
        subprocess.run(["ip", "netns", "delete", self._name], check=False, capture_output=True)
        cable = ["ip", "link", "delete", f"{self._cable}a"]
        subprocess.run(cable, check=False, capture_output=True)

    def _inside(self, *command: str) -> None:
        _run("ip", "netns", "exec", self._name, *command)


def _run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True)


@contextmanager
def island(which: int = 0) -> Iterator[Island]:
    """Yield one, where this machine lets us; the ``which``-th of a test."""
    made = Island(which)
    try:
        try:
            made.rise()
        except (OSError, subprocess.CalledProcessError) as error:
            pytest.skip(f"no network of our own here: {error}")
        yield made
    finally:
        made.sink()
