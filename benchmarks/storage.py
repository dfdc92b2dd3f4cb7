"""``python -m benchmarks.storage``: what it leaves on the disk, and what claims cost on top of it.

No-op calls are run to their end by the verbs, and the disk is read table by table, index by index.
Then a database is filled in SQL with finished, scheduled and parked ones, and claims in it are
timed by turns with claims in an empty one.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final

import psycopg
from rich.console import Console
from rich.table import Table

from benchmarks.server import Database, Server, embedded
from pynenc_pg.domain.ids import InvocationId, RunnerId, new_invocation_id
from pynenc_pg.domain.records import Batch, Claimed, Ending, NewInvocation, RunnerSpec
from pynenc_pg.invocation.status import InvocationStatus
from pynenc_pg.postgres.database import PgDatabase
from pynenc_pg.postgres.orchestrator import PgOrchestrator

_APP: Final = "storage"
#: As one made by ``new_runner_id`` is long, and a task's id usually.
RUNNER: Final = RunnerId("ThreadRunner@host-07.example:12345:6b0e51a2")
_TASK: Final = "shop.orders.tasks.send_confirmation"
_STEP: Final = 100_000
BATCH: Final = 500
_SIZES: Final = """
select regexp_replace(coalesce(t.relname, c.relname), '_\\d{8}$', '') as what,
       case when t.oid is not null then regexp_replace(c.relname, '_\\d{8}', '') end as index,
       sum(pg_relation_size(c.oid) + case when c.reltoastrelid <> 0
           then pg_relation_size(c.reltoastrelid) else 0 end)::bigint as bytes
from pg_class c
left join pg_index x on x.indexrelid = c.oid left join pg_class t on t.oid = x.indrelid
where c.relnamespace = 'pynenc'::regnamespace and c.relkind in ('r', 'i')
group by 1, 2"""
_FILL: Final = """
with made as (
    select overlay({schema}.first_id(now() - (g %% 7) * interval '1 day')::text
                   placing substr(md5(g::text || %(salt)s), 1, 12) from 25)::uuid as id
    from generate_series(1, %(n)s) g),
called as (
    insert into pynenc.invocation (invocation_id, app_id, task_id, call_id, arguments, options,
        queue, priority, depth, registered_at, registered_by)
    select id, %(app)s, %(task)s, md5(id::text), '{}', '{}', 'default', 0, 0, now(), 'fill'
    from made)
""".replace("{schema}", "pynenc")
_FINISHED: Final = (
    _FILL  # noqa: S608 - our own words
    + """, kept as (
    insert into pynenc.invocation_outcome (invocation_id, app_id, status, value, runner_id,
        lease, rev, retries, recoveries, finished_at)
    select id, %(app)s, 'success', 'null', %(runner)s, 1, 3, 0, 0, now() from made)
insert into pynenc.invocation_history
select id, %(app)s, rev, null, 'success', null, %(runner)s, 1, null, now()
from made, generate_series(0, 3) rev"""
)
_SCHEDULED: Final = (
    _FILL
    + """insert into pynenc.invocation_state (invocation_id, app_id, queue, status, status_at,
    changed_by, rank, due_at)
select id, %(app)s, 'default', 'registered', now(), 'fill', extract(epoch from now()),
       now() + interval '10 days' from made"""
)
_PARKED: Final = (
    _FILL
    + """insert into pynenc.invocation_state (invocation_id, app_id, queue, status,
    previous_status, rev, status_at, changed_by, rank, lane)
select id, %(app)s, 'default', 'concurrency_controlled', 'registered', 1, now(), 'fill',
       extract(epoch from now()), l.lane_id
from made, pynenc.lane l where l.app_id = %(app)s"""
)


def main() -> None:
    """Measure, and print a line for each figure."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.storage", description=__doc__)
    parser.add_argument("--calls", type=int, default=20_000, help="run to their end, for the disk")
    parser.add_argument("--size", type=int, default=100_000, help="finished; 0: not measured")
    parser.add_argument("--live", type=int, help="scheduled, and parked; default: a tenth of it")
    parser.add_argument("--claims", type=int, default=300, help="of each kind, in each database")
    asked = parser.parse_args()
    console = Console(soft_wrap=True)
    with embedded(Path(tempfile.gettempdir())) as server:
        if asked.calls:
            with server.fresh() as database:
                _disk(database, asked.calls, console)
        if asked.size:
            _claims(server, asked, console)


@contextmanager
def worker(dsn: str) -> Iterator[PgOrchestrator]:
    """Open the verbs of a runner that is registered."""
    database = PgDatabase(dsn, app_id=_APP, pool_size=2)
    try:
        orchestrator = PgOrchestrator(database)
        orchestrator.register_runner(RunnerSpec(RUNNER, "ThreadRunner", lease=86_400))
        yield orchestrator
    finally:
        database.close()


def call(orchestrator: PgOrchestrator, n: int) -> None:
    """Call the task that does nothing."""
    new = [
        NewInvocation(InvocationId(i), f"{n:032x}", "{}")
        for i in (new_invocation_id() for _ in range(n))
    ]
    orchestrator.register(Batch(_TASK, new, changed_by="client"))


def end(orchestrator: PgOrchestrator, held: Sequence[Claimed]) -> None:
    """End what was claimed and begun."""
    done = InvocationStatus.SUCCESS
    orchestrator.finish(RUNNER, [Ending(h.invocation_id, h.lease, done, "null") for h in held])


# --- the disk ---------------------------------------------------------------------------------


def _disk(database: Database, calls: int, console: Console) -> None:
    before = _sizes(database)
    with worker(database.dsn) as orchestrator:
        for _ in range(calls // BATCH):
            call(orchestrator, BATCH)
            end(orchestrator, orchestrator.claim(RUNNER, (), BATCH, begin_below=3))
    database.do("vacuum")
    n = calls // BATCH * BATCH
    grown = {
        key: (size - before.get(key, 0)) / n
        for key, size in _sizes(database).items()
        if key[0] in {"invocation", "invocation_outcome", "invocation_history"}
    }
    shown = Table("table", "index", "bytes each", title=f"{n:,} finished no-op invocations")
    for (table, index), each in sorted(grown.items(), key=lambda one: (one[0][0], -one[1])):
        if each >= 0.5:  # noqa: PLR2004 - partitions that are empty but for a page
            shown.add_row(table, index or "", f"{each:,.0f}")
    shown.add_row("all", "", f"{sum(grown.values()):,.0f}")
    console.print(shown)


def _sizes(database: Database) -> dict[tuple[str, str | None], int]:
    rows = database.rows(_SIZES)
    return {(what, index): size for what, index, size in rows}


# --- claims -----------------------------------------------------------------------------------


def _claims(server: Server, asked: argparse.Namespace, console: Console) -> None:
    live = asked.size // 10 if asked.live is None else asked.live
    with ExitStack() as stack:
        empty = stack.enter_context(server.fresh())
        full = stack.enter_context(server.fresh())
        _fill(full, asked.size, live)
        workers = [
            ("empty", stack.enter_context(worker(empty.dsn))),
            ("full", stack.enter_context(worker(full.dsn))),
        ]
        times: dict[tuple[str, int], list[float]] = {}
        for _ in range(asked.claims):
            for name, orchestrator in workers:
                for limit in (1, 100):
                    call(orchestrator, limit)
                    began = time.perf_counter()
                    held = orchestrator.claim(RUNNER, (), limit, begin_below=3)
                    times.setdefault((name, limit), []).append(time.perf_counter() - began)
                    end(orchestrator, held)
    console.print(f"full: {asked.size:,} finished, {live:,} scheduled, {live:,} parked")
    for limit in (1, 100):
        base = times["empty", limit]
        for name, _ in workers:
            found = times[name, limit]
            console.print(
                f"claim of {limit}, {name}: {shown(found)}; p50 "
                f"{statistics.median(found) / statistics.median(base):.2f}, p95 "
                f"{p95(found) / p95(base):.2f} of the empty one"
            )


def _fill(database: Database, finished: int, live: int) -> None:
    with psycopg.connect(database.dsn) as session:
        session.execute("set session_replication_role = replica")
        # That the lane is full keeps the parked ones where they are.
        session.execute("""insert into pynenc.queue values (%(app)s, 'default')""", {"app": _APP})
        session.execute(
            "insert into pynenc.lane (app_id, queue, key, slots) values (%s, 'default', 'k', 1)",
            (_APP,),
        )
        session.execute(
            """insert into pynenc.slot (lane, n, invocation_id)
               select lane_id, 1, pynenc.first_id(now()) from pynenc.lane"""
        )
        for statement, n in ((_FINISHED, finished), (_SCHEDULED, live), (_PARKED, live)):
            for first in range(0, n, _STEP):
                facts = {"n": min(_STEP, n - first), "salt": f"{statement[-20:]}{first}"}
                facts |= {"app": _APP, "task": _TASK, "runner": RUNNER}
                session.execute(statement.encode(), facts)
                session.commit()
    database.do("vacuum analyze")


def p95(seconds: Sequence[float]) -> float:
    """Return what 95 of 100 do not exceed."""
    return sorted(seconds)[len(seconds) * 95 // 100]


def shown(seconds: Sequence[float]) -> str:
    """Tell median and 95th percentile."""
    return f"p50 {1000 * statistics.median(seconds):.2f} ms, p95 {1000 * p95(seconds):.2f} ms"


if __name__ == "__main__":
    main()
