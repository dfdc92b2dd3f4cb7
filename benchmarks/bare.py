"""The verbs from one bare connection with prepared statements: what the database allows.

``python -m benchmarks.bare`` with what ``benchmarks.loops`` tells of is a process of these.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Final

import psycopg
import uuid_utils
from psycopg.adapt import Loader

from benchmarks import loops
from benchmarks.ours import APP, QUEUE

if TYPE_CHECKING:
    from psycopg.abc import Buffer

_REGISTER: Final = b"""select pynenc.register_2(
    %s, 'bare', %s, 0, 0, null, 1, false, null, 0, '{}', 'client', true,
    %s::uuid[], %s::text[], %s::text[], null, null, false)"""
_REGISTER_RUNNER: Final = b"""select pynenc.register_runner(
    %s, %s, 'Bare', 'here', %s, '{}', 1, 3600, true)"""
_CLAIM: Final = b"select * from pynenc.claim(%s, %s, '{}', %s, true, '{}', '{}', 1)"
_FINISH: Final = b"""select * from pynenc.finish(
    %s, %s, %s::uuid[], %s::bigint[], %s::text[], %s::text[], %s::text[])"""
_WATCH: Final = b"select pynenc.watch(%s, %s::uuid[], %s)"
_VALUE: Final = b"select value from pynenc.outcomes(%s, %s::uuid[])"
_LEASE: Final = 3  # its column in claim's answer


class Bare:
    """One session."""

    CHANNEL: ClassVar = "pynenc"

    def __init__(self, dsn: str) -> None:
        """Connect; ids are text, as in the product."""
        self.session = psycopg.connect(dsn, autocommit=True)
        self.session.adapters.register_loader("uuid", _TextUuid)
        self._runner = f"bare-{os.getpid()}"

    def close(self) -> None:
        """Leave."""
        self.session.close()

    def register(self, count: int = 1) -> list[str]:
        """Accept calls without arguments; return their ids."""
        ids = [str(uuid_utils.uuid7()) for _ in range(count)]
        self._call(_REGISTER, QUEUE, ids, ids, ["{}"] * count)
        return ids

    def call(self) -> str:
        """Accept one; the database itself wakes who sleeps."""
        return self.register()[0]

    def ready(self) -> None:
        """Become a runner that finds nothing, and has planned everything."""
        self._call(_REGISTER_RUNNER, self._runner, os.getpid())
        self.work(1)

    def work(self, batch: int) -> int:
        """Claim (which starts) and finish one batch; return how many."""
        return self._work(batch, "null")

    def answer(self) -> int:
        """Do so with one, whose result is the time at which it was started."""
        return self._work(1, None)

    def _work(self, batch: int, value: str | None) -> int:
        claimed = self._call(_CLAIM, self._runner, batch)
        if not claimed:
            return 0
        count = len(claimed)
        holds = [row[0] for row in claimed], [row[_LEASE] for row in claimed]
        result = repr(time.time()) if value is None else value
        ends: Sequence[list[str | None]] = (["success"] * count, [result] * count, [None] * count)
        self._call(_FINISH, self._runner, *holds, *ends)
        return count

    def watch(self, invocation_id: str, listener: str) -> bool:
        """Ask for a notification of its end; true if it has ended already."""
        return bool(self._call(_WATCH, [invocation_id], listener)[0][0])

    def value(self, invocation_id: str) -> float:
        """When it was started, once it has ended."""
        return float(self._call(_VALUE, [invocation_id])[0][0])

    def _call(self, statement: bytes, *parameters: object) -> list[tuple[Any, ...]]:
        return self.session.execute(statement, (APP, *parameters), prepare=True).fetchall()


class _TextUuid(Loader):
    def load(self, data: Buffer) -> str:
        return bytes(data).decode()


if __name__ == "__main__":
    loops.main(Bare, sys.argv[1:])
