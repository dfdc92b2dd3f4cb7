"""What bare loops do, in processes of their own, with the verbs of one session.

``drain BATCH`` works off what is queued, ``enqueue COUNT`` registers, ``call COUNT`` does so and
wakes who sleeps; these wait for a word before they begin, and say when they were done. ``serve``
works off what comes; ``sleep`` hears of it and does nothing. All of them say ``ready`` first.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Sequence
from typing import Any, ClassVar, Protocol

import psycopg

from benchmarks.children import say, work_when_told


class Verbs(Protocol):
    """What can be done with one session."""

    #: Where word of new work is heard.
    CHANNEL: ClassVar[str]

    def register(self, count: int = 1) -> object:
        """Accept calls."""
        ...

    def call(self) -> Any:
        """Accept one, wake who sleeps, and return what tells it from others."""
        ...

    def ready(self) -> None:
        """Become who works, while there is nothing to do."""
        ...

    def work(self, batch: int) -> int:
        """Take a batch, run nothing, and end it; return how many that were."""
        ...

    def answer(self) -> int:
        """Take one call and end it with the time at which that was; return how many that were."""
        ...

    def close(self) -> None:
        """Leave."""
        ...


def main(make: Callable[[str], Verbs], arguments: Sequence[str]) -> None:
    """Do what the arguments say."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    dsn = os.environ["PYNENC__POSTGRES__DSN"]
    verbs = make(dsn)
    match arguments:
        case ["drain", batch]:
            verbs.ready()
            work_when_told(lambda: _drain(verbs, int(batch)))
        case ["enqueue", count]:
            verbs.register()
            work_when_told(lambda: [verbs.register() for _ in range(int(count))])
        case ["call", count]:
            verbs.call()
            work_when_told(lambda: [verbs.call() for _ in range(int(count))])
        case ["serve"]:
            _hear(dsn, verbs, lambda: _answer(verbs))
        case ["sleep"]:
            _hear(dsn, verbs, lambda: None)
        case _:
            message = f"no such loop: {arguments}"
            raise SystemExit(message)


def _drain(verbs: Verbs, batch: int) -> None:
    while verbs.work(batch):
        pass


def _answer(verbs: Verbs) -> None:
    while verbs.answer():
        pass


def _hear(dsn: str, verbs: Verbs, react: Callable[[], None]) -> None:
    with psycopg.connect(dsn, autocommit=True) as hints:
        hints.execute(f"listen {verbs.CHANNEL}".encode())
        verbs.ready()
        say("ready")
        while True:
            react()
            for _ in hints.notifies(timeout=5, stop_after=1):
                pass
