"""Services that run as processes of this machine."""

from __future__ import annotations

import http.client
import signal
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.acceptance.workers import wait_for
from tests.deploy.image import Image


class Running:
    """One process of a service."""

    def __init__(self, process: subprocess.Popen[bytes], log: Path) -> None:
        self.process = process
        self._log = log

    def said(self) -> str:
        """Return all that it has printed."""
        return f"exit {self.process.poll()}:\n{self._log.read_text()}"

    def terminate(self) -> None:
        """SIGTERM, as all managers of containers and services send it."""
        self.process.send_signal(signal.SIGTERM)

    def wait(self) -> int:
        """Return its exit code, once it has ended."""
        return self.process.wait(30)

    def wait_for_answer(self, port: str, path: str, wanted: int, **headers: str) -> None:
        """Wait until it answers a probe so."""
        wait_for(lambda: self._answer(port, path, headers) == wanted, self.said)

    def _answer(self, port: str, path: str, headers: dict[str, str]) -> int:
        assert self.process.poll() is None, self.said()
        connection = http.client.HTTPConnection("127.0.0.1", int(port), timeout=10)
        try:
            connection.request("GET", path, headers=headers)
            return connection.getresponse().status
        except OSError:
            return 0
        finally:
            connection.close()


class Place:
    """Where services are started; they are gone at the end."""

    def __init__(self, image: Image, folder: Path) -> None:
        self.image = image
        self._folder = folder
        self._running: list[Running] = []

    def start(self, command: Sequence[str], environment: Mapping[str, str]) -> Running:
        """Start one."""
        log = self._folder / f"service-{len(self._running)}.log"
        with log.open("wb") as file:
            process = self.image.popen(command, environment, stdout=file, stderr=file)
        self._running.append(Running(process, log))
        return self._running[-1]

    def run(self, command: Sequence[str], environment: Mapping[str, str]) -> str:
        """Run one to its end, which is a good one; return what it has printed."""
        one = self.start(command, environment)
        assert one.process.wait(60) == 0, one.said()
        return one.said()

    def succeeds(self, command: Sequence[str], environment: Mapping[str, str]) -> bool:
        """Run one to its end; return whether that is a good one."""
        return self.image.popen(command, environment, stderr=subprocess.DEVNULL).wait(30) == 0

    def close(self) -> None:
        """End whatever is left."""
        for one in self._running:
            one.process.kill()
            one.process.wait()


@contextmanager
def place(image: Image, folder: Path) -> Iterator[Place]:
    """Yield a place to start services of that image in."""
    made = Place(image, folder)
    try:
        yield made
    finally:
        made.close()
