"""The guarded ceiling: the same verbs from bare loops, without any Python task layer."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING, Final

from benchmarks import ours
from benchmarks.bare import Bare
from benchmarks.from_loops import FromLoops

if TYPE_CHECKING:
    from benchmarks.contract import Bench
    from benchmarks.server import Database

_CHANNEL: Final = "bench_caller"


class _Ceiling(FromLoops):
    NAME = "ceiling"
    MODULE = "benchmarks.bare"

    def about(self) -> str:
        return "the same SQL functions from bare loops"

    def database(self, bench: Bench) -> AbstractContextManager[Database]:
        return bench.server.fresh()

    def verbs(self, database: Database) -> Bare:
        return Bare(database.dsn)

    def caller(self, database: Database) -> _Caller:
        return _Caller(database.dsn)

    @contextmanager
    def held(self, database: Database) -> Iterator[Callable[[], None]]:
        """Pause the queue: workers find nothing, and have planned everything."""
        ours.pause(database, paused=True)
        yield lambda: ours.pause(database, paused=False)


class _Caller:
    """Registers, and waits for ends on a channel of its own."""

    def __init__(self, dsn: str) -> None:
        self._bare, self._ears = Bare(dsn), Bare(dsn)
        self._ears.session.execute(f"listen {_CHANNEL}".encode())

    def close(self) -> None:
        self._bare.close()
        self._ears.close()

    def send(self) -> str:
        return self._bare.call()

    def began(self, invocation_id: str) -> float:
        if not self._bare.watch(invocation_id, _CHANNEL):
            for _ in self._ears.session.notifies(timeout=30, stop_after=1):
                pass
        return self._bare.value(invocation_id)


CONTENDER: Final = _Ceiling()
