"""Worker processes of a test: started by the nursery, ended, frozen and looked at from here."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from queue import SimpleQueue
from typing import IO, Self

import psycopg

from tests.acceptance.workers import ROOT, wait_for


def freeze(pid: int) -> None:
    """Stop a process, and wait until each of its threads stands: until then it goes on."""
    os.kill(pid, signal.SIGSTOP)
    tasks = Path(f"/proc/{pid}/task")

    def stands() -> bool:
        try:
            stats = [each.read_text() for each in tasks.glob("*/stat")]
        except OSError:  # one of them has ended just now
            return False
        return all(stat.rpartition(")")[2].split()[0] == "T" for stat in stats)

    wait_for(stands)


class Worker:
    """One process that runs ``pynenc-pg runner start``."""

    def __init__(self, pid: int, log: Path, ended: threading.Event, codes: dict[int, int]) -> None:
        self.pid = pid
        self.log = log
        self._ended = ended
        self._codes = codes

    @property
    def alive(self) -> bool:
        """Whether the process is there."""
        return not self._ended.is_set()

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the process, while it is there."""
        if not self.alive:
            return
        if number == signal.SIGSTOP:
            freeze(self.pid)
        else:
            os.kill(self.pid, number)

    def kill(self) -> None:
        """``kill -9``."""
        self.signal(signal.SIGKILL)
        self.wait()

    def wait(self, timeout: float = 30) -> int:
        """Return the exit code, once it has ended."""
        assert self._ended.wait(timeout), f"still there\n{self.explain()}"
        return self._codes[self.pid]

    def stop(self, timeout: float = 30) -> int:
        """SIGTERM; return the exit code."""
        self.signal(signal.SIGTERM)
        return self.wait(timeout)

    def said(self) -> str:
        """Return its log."""
        return self.log.read_text() if self.log.exists() else ""

    def wait_until_up(self, dsn: str) -> Self:
        """Wait until it has registered, with its lock where it takes one."""

        def registered() -> bool:
            query = "select 1 from pynenc.runner where pid = %s and dead_at is null"
            return connection.execute(query, (self.pid,)).fetchone() is not None

        with psycopg.connect(dsn, autocommit=True) as connection:
            wait_for(registered, self.explain)
        return self

    def explain(self) -> str:
        """What it said, for a failing test."""
        state = "alive" if self.alive else f"exit {self._codes[self.pid]}"
        return f"worker {self.pid} ({state}):\n{self.said()[-6000:]}"


class Nursery:
    """The process that forks workers."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.faults.nursery"],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        assert self._process.stdin
        assert self._process.stdout
        self._orders: IO[bytes] = self._process.stdin
        self._replies: IO[bytes] = self._process.stdout
        self._started: SimpleQueue[int] = SimpleQueue()
        self._ended: dict[int, threading.Event] = {}
        self._codes: dict[int, int] = {}
        self._lock = threading.Lock()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def start(
        self, log: Path, arguments: tuple[str, ...], environment: Mapping[str, str]
    ) -> Worker:
        """Have a worker started; returns at once, see ``wait_until_up``."""
        order = {"log": str(log), "arguments": arguments, "environment": dict(environment)}
        with self._lock:
            self._orders.write(json.dumps(order).encode() + b"\n")
            self._orders.flush()
            pid = self._started.get(timeout=30)
        return Worker(pid, log, self._ended[pid], self._codes)

    def close(self) -> None:
        """End it, and what it has started."""
        self._orders.close()
        self._process.wait(20)
        self._reader.join()
        self._replies.close()

    def _read(self) -> None:
        for line in self._replies:
            word, pid, *code = line.split()
            if word == b"started":
                self._ended[int(pid)] = threading.Event()
                self._started.put(int(pid))
            else:
                self._codes[int(pid)] = int(code[0])
                self._ended[int(pid)].set()


class Fleet:
    """The workers of one test."""

    def __init__(self, nursery: Nursery, folder: Path, dsn: str, bodies: str) -> None:
        self._nursery = nursery
        self._folder = folder
        self.dsn = dsn
        self._bodies = bodies
        self.workers: list[Worker] = []

    def launch(self, *arguments: str, dsn: str | None = None, **environment: str) -> Worker:
        """Start a worker, on another DSN if wanted; does not wait for it."""
        log = self._folder / f"worker-{len(self.workers)}-{time.monotonic_ns()}.log"
        worker = self._nursery.start(
            log,
            arguments,
            {"PYNENC__POSTGRES__DSN": dsn or self.dsn, "BODY_DSN": self._bodies, **environment},
        )
        self.workers.append(worker)
        return worker

    def start(self, *arguments: str, dsn: str | None = None, **environment: str) -> Worker:
        """Start a worker and wait until it is up."""
        return self.launch(*arguments, dsn=dsn, **environment).wait_until_up(self.dsn)

    def stop(self) -> None:
        """Stop all that live, and see that each says goodbye in good order."""
        living = [worker for worker in self.workers if worker.alive]
        for worker in living:
            worker.signal(signal.SIGTERM)
        for worker in living:
            code = worker.wait(60)
            # One that was fenced has given back what it held, and says so by 3 if it ends in that.
            assert code == 0 or (code == 3 and "runner.fenced" in worker.said()), worker.explain()

    def close(self) -> None:
        """End whatever is left of them."""
        for worker in self.workers:
            worker.signal(signal.SIGCONT)
            worker.kill()

    def explain(self) -> str:
        """What all of them said, for a failing test."""
        return "\n".join(worker.explain() for worker in self.workers)
