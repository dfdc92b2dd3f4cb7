"""``python -m benchmarks.verbs``: where the time of a single call goes, verb by verb.

Lives of one call at a time, by the verbs of this project, without a worker and without the disk
(``synchronous_commit`` is off): what the client waits for each verb, what of that PostgreSQL
spends in SQL functions, and in which. The rest is the driver, the protocol, Python and commits.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Final, TypeVar

from rich.console import Console
from rich.table import Table

from benchmarks import tasks
from benchmarks.server import Database, embedded
from pynenc_pg.domain.ids import RunnerId
from pynenc_pg.domain.records import Ending, RunnerSpec
from pynenc_pg.invocation.status import InvocationStatus

R = TypeVar("R")
Spent = list[tuple[str, float, float, float]]  # function, calls, all and own microseconds

_ME: Final = RunnerId("bench")
_WARM: Final = 200
#: Seconds after which a session has told what it spent in functions.
_TOLD: Final = 1.5
#: What each verb is in SQL.
_VERBS: Final = {
    "call": "register_2",
    "watch": "watch",
    "claim and begin": "claim",
    "finish": "finish",
}
_SPENT: Final = """select funcname::text, calls::float8, total_time * 1000, self_time * 1000
    from pg_stat_user_functions order by self_time desc"""


class Lives:
    """Calls, and ends them, one after the other."""

    def __init__(self) -> None:
        """Be client and runner."""
        self.waited: dict[str, list[float]] = {}
        self._store = tasks.app.engine.store
        self._store.orchestrator.register_runner(RunnerSpec(_ME, "bench"))
        self._ears = self._store.broker.subscribe(work=False)

    def live(self, count: int) -> None:
        """Note what each verb of so many lives takes, in microseconds."""
        verbs = self._store.orchestrator
        self.waited = {"one statement": [], **{verb: [] for verb in _VERBS}}
        for _ in range(count):
            self._timed("one statement", self._store.state_backend.clock_offset)
            call = self._timed("call", tasks.nothing)
            ids = [call.invocation_id]
            self._timed("watch", partial(verbs.watch, ids, self._ears.listener))
            [claimed] = self._timed("claim and begin", partial(verbs.claim, _ME, [], 4, 3))
            end = Ending(claimed.invocation_id, claimed.lease, InvocationStatus.SUCCESS, "null")
            self._timed("finish", partial(verbs.finish, _ME, [end]))

    def _timed(self, verb: str, work: Callable[[], R]) -> R:
        began = time.perf_counter()
        found = work()
        self.waited[verb].append((time.perf_counter() - began) * 1e6)
        return found


def measured(database: Database, count: int) -> tuple[Table, Table]:
    """Live, and tell of it."""
    database.run(f'alter database "{database.name}" set synchronous_commit = off'.encode())
    database.run(f"alter database \"{database.name}\" set track_functions = 'all'".encode())
    tasks.app.conf.postgres.dsn = database.dsn
    with tasks.app:
        lives = Lives()
        lives.live(_WARM)
        time.sleep(_TOLD)
        database.run(b"select pg_stat_reset()")
        lives.live(count)
        time.sleep(_TOLD)
        lives.live(1)  # whose session tells of what was before
        spent = database.rows(_SPENT)
        return _by_verb(lives.waited, spent), _by_function(spent)


def _by_verb(waited: dict[str, list[float]], spent: Spent) -> Table:
    within = {name: total / calls for name, calls, total, _ in spent}
    made = Table("verb", "client waits, p50", "in SQL functions", "the rest")
    for verb, seconds in waited.items():
        whole, inside = statistics.median(seconds), within.get(_VERBS.get(verb, ""), 0.0)
        made.add_row(verb, f"{whole:.0f}", f"{inside:.0f}", f"{whole - inside:.0f}")
    return made


def _by_function(spent: Spent) -> Table:
    [lives] = [calls for name, calls, *_ in spent if name == _VERBS["claim and begin"]]
    made = Table("function", "calls in a life", "by itself")
    for name, calls, _, own in spent:
        if own / lives >= 1:
            made.add_row(name, f"{calls / lives:.2g}", f"{own / lives:.0f}")
    return made


def main(arguments: list[str] | None = None) -> None:
    """Measure, and print both tables: microseconds."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.verbs", description=__doc__)
    parser.add_argument("--lives", type=int, default=2000)
    asked = parser.parse_args(arguments)
    with embedded(Path(tempfile.gettempdir())) as server, server.fresh() as database:
        for table in measured(database, asked.lives):
            Console(width=110).print(table)


if __name__ == "__main__":
    main()
