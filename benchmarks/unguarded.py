"""A queue that is a table: no guard, no history, no results, no states. Nothing can be faster.

``python -m benchmarks.unguarded`` with what ``benchmarks.loops`` tells of is a process of it.
"""

from __future__ import annotations

import sys
import time
from typing import Any, ClassVar, Final

import psycopg

from benchmarks import loops

#: Where ends are told; with the time at which the call was started.
ENDS: Final = "bench_ends"

TABLE: Final = b"""create table job (
    id bigint generated always as identity primary key,
    task text not null,
    arguments text not null)"""
_INSERT: Final = b"insert into job (task, arguments) values ('nothing', '{}') returning id"
_INSERT_MANY: Final = b"insert into job (task, arguments) select 'nothing', unnest(%s::text[])"
_INSERT_AND_TELL: Final = b"""with new as (
    insert into job (task, arguments) values ('nothing', '{}') returning id)
    select id, pg_notify('bench_jobs', '') from new"""
_TAKE: Final = b"""delete from job where id = any (array(
    select id from job order by id limit %s for update skip locked)) returning id, arguments"""
_TELL: Final = b"select pg_notify(%s, %s)"


class Unguarded:
    """One session."""

    CHANNEL: ClassVar = "bench_jobs"

    def __init__(self, dsn: str) -> None:
        """Connect."""
        self.session = psycopg.connect(dsn, autocommit=True)

    def close(self) -> None:
        """Leave."""
        self.session.close()

    def register(self, count: int = 1) -> None:
        """Insert rows, in one statement."""
        if count == 1:
            self._run(_INSERT)
        else:
            self._run(_INSERT_MANY, ["{}"] * count)

    def call(self) -> int:
        """Insert a row and tell of it; return its id."""
        return int(self._run(_INSERT_AND_TELL).fetchall()[0][0])

    def ready(self) -> None:
        """Plan everything, and take nothing."""
        self.work(0)

    def work(self, batch: int) -> int:
        """Delete the oldest rows nobody else holds."""
        return self._run(_TAKE, batch).rowcount

    def answer(self) -> int:
        """Delete one, and tell that in the same transaction: two round trips."""
        with self.session.pipeline():
            self.session.execute(b"begin")
            taken = self._run(_TAKE, 1)
        found = taken.fetchall()
        began = time.time()
        with self.session.pipeline():
            for call, _ in found:
                self._run(_TELL, ENDS, f"{call} {began!r}")
            self.session.execute(b"commit")
        return len(found)

    def _run(self, statement: bytes, *parameters: object) -> psycopg.Cursor[Any]:
        return self.session.execute(statement, parameters, prepare=True)


if __name__ == "__main__":
    loops.main(Unguarded, sys.argv[1:])
