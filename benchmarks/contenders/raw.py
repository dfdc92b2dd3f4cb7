"""The unguarded ceiling: a table, INSERT and DELETE, LISTEN and NOTIFY."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from benchmarks import measure, unguarded
from benchmarks.from_loops import FromLoops
from benchmarks.unguarded import Unguarded

if TYPE_CHECKING:
    from benchmarks.contract import Bench, Figures
    from benchmarks.server import Database

_PATIENCE: Final = 60.0


class _Raw(FromLoops):
    NAME = "raw"
    MODULE = "benchmarks.unguarded"

    def about(self) -> str:
        return "a table, INSERT and DELETE from bare loops: no guard, no history, no results"

    @contextmanager
    def database(self, bench: Bench) -> Iterator[Database]:
        with bench.server.fresh(migrated=False) as database:
            database.run(unguarded.TABLE)
            yield database

    def verbs(self, database: Database) -> Unguarded:
        return Unguarded(database.dsn)

    def caller(self, database: Database) -> _Caller:
        return _Caller(database.dsn)

    def storage(self, bench: Bench) -> Figures:
        """Of what is queued; nothing is left of what has ended."""
        count = bench.scale.drain
        with self.database(bench) as database:
            before = database.size()
            session = self.verbs(database)
            measure.fill(session.register, count)
            session.close()
            return {"disk_queued": (database.size() - before) / count}


class _Caller:
    """Inserts, and hears on another session what has ended, and when that was started."""

    def __init__(self, dsn: str) -> None:
        self._mouth, self._ears = Unguarded(dsn), Unguarded(dsn)
        self._ears.session.execute(f"listen {unguarded.ENDS}".encode())
        self._heard: dict[int, float] = {}

    def close(self) -> None:
        self._mouth.close()
        self._ears.close()

    def send(self) -> int:
        return self._mouth.call()

    def began(self, call: int) -> float:
        while call not in self._heard:
            before = len(self._heard)
            for told in self._ears.session.notifies(timeout=_PATIENCE, stop_after=1):
                ended, at = told.payload.split()
                self._heard[int(ended)] = float(at)
            if len(self._heard) == before:
                message = f"nothing was told of call {call}"
                raise TimeoutError(message)
        return self._heard.pop(call)


CONTENDER: Final = _Raw()
