"""Clients that go on enqueuing while the database comes and goes."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from pynenc_pg.exceptions import StoreUnavailableError
from tests.acceptance.workers import wait_for
from tests.faults.site import Client, Site


class Load:
    """Threads that register small batches, one after the other."""

    def __init__(self, site: Site, *, clients: int, seconds: float, pause: float) -> None:
        self._site = site
        self._seconds = seconds
        self._pause = pause
        self._stopping = threading.Event()
        self.unavailable = 0
        self.broken: list[BaseException] = []
        self._threads = [threading.Thread(target=self._run, daemon=True) for _ in range(clients)]

    def start(self) -> None:
        """Begin."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """End, and fail if a client met anything but an error that names the situation."""
        self._stopping.set()
        for thread in self._threads:
            thread.join(60)
        assert not any(thread.is_alive() for thread in self._threads)
        if self.broken:
            raise self.broken[0]

    def wait_for_more(self, count: int, timeout: float = 60) -> None:
        """Wait until so many more have been acknowledged."""
        wanted = len(self._site.ledger.acknowledged) + count
        wait_for(
            lambda: bool(self.broken) or len(self._site.ledger.acknowledged) >= wanted,
            self._site.fleet.explain,
            timeout,
        )

    def _run(self) -> None:
        client = Client(self._site.dsn, self._site.ledger)
        try:
            while not self._stopping.is_set():
                calls = [{"number": n, "seconds": self._seconds} for n in range(3)]
                try:
                    client.send(client.batch("work", *calls))
                except StoreUnavailableError:
                    self.unavailable += 1
                self._stopping.wait(self._pause)
        except BaseException as error:  # noqa: BLE001 - shown by the thread that waits for us
            self.broken.append(error)
        finally:
            client.close()


@contextmanager
def load(
    site: Site, *, clients: int = 2, seconds: float = 0.01, pause: float = 0.03
) -> Iterator[Load]:
    """Keep clients busy meanwhile."""
    made = Load(site, clients=clients, seconds=seconds, pause=pause)
    made.start()
    try:
        yield made
    finally:
        made.stop()
