"""Real worker processes, started and ended by the tests."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg

ROOT = Path(__file__).parents[2]
APP = "tests.acceptance.tasks:app"


class Worker:
    """One ``pynenc-pg runner start``."""

    def __init__(
        self, dsn: str, log: Path, *arguments: str, app: str = APP, **environment: str
    ) -> None:
        self.log = log
        command = [sys.executable, "-m", "pynenc_pg", "--app", app]
        with log.open("wb") as file:
            self.process = subprocess.Popen(
                [*command, "runner", "start", *arguments],
                cwd=ROOT,
                env={**os.environ, "PYNENC__POSTGRES__DSN": dsn, "TELL_DSN": dsn, **environment},
                stdout=file,
                stderr=subprocess.STDOUT,
            )

    @property
    def pid(self) -> int:
        """Its process id."""
        return self.process.pid

    def wait_until_up(self, dsn: str) -> None:
        """Wait until it has registered, or a process of it has."""

        def registered() -> bool:
            if "runner.started" in self.log.read_text():
                return True
            assert self.process.poll() is None, self.explain()
            query = "select 1 from pynenc.runner where pid = %s and dead_at is null"
            return connection.execute(query, (self.pid,)).fetchone() is not None

        with psycopg.connect(dsn, autocommit=True) as connection:
            wait_for(registered, self.explain)

    def kill(self) -> None:
        """``kill -9``."""
        self.process.kill()
        self.process.wait()

    def stop(self, timeout: float = 20) -> int:
        """SIGTERM; return the exit code."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            self.kill()
            raise

    def explain(self) -> str:
        """What it said, for a failing test."""
        return f"worker {self.pid} (exit {self.process.poll()}):\n{self.log.read_text()[-4000:]}"


@contextmanager
def workers(
    dsn: str, folder: Path, count: int = 1, *arguments: str, app: str = APP, **environment: str
) -> Iterator[list[Worker]]:
    """Start worker processes, wait until they are up, end them at the end."""
    started: list[Worker] = []
    try:
        for _ in range(count):
            name = f"worker-{time.monotonic_ns()}.log"
            started.append(Worker(dsn, folder / name, *arguments, app=app, **environment))
        for worker in started:
            worker.wait_until_up(dsn)
        yield started
    finally:
        for worker in started:
            if worker.process.poll() is None:
                worker.stop()


def wait_for(
    condition: Callable[[], bool], explain: Callable[[], str] = str, timeout: float = 30
) -> None:
    """Wait for something another process does."""
    deadline = time.monotonic() + timeout
    pause = 0.005
    while not condition():
        assert time.monotonic() < deadline, explain()
        time.sleep(pause)
        pause = min(pause * 1.2, 0.05)
