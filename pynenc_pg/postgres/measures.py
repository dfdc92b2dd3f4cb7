"""What is measured of a database as a whole, for all apps in it.

Each question is one statement over views, or the server's statistics, and gives for each row the
values of its labels, then one value for each measure. The role observer may ask all of them.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple
from uuid import UUID

from pynenc_pg.postgres.errors import translated
from pynenc_pg.postgres.templates import render

if TYPE_CHECKING:
    from pynenc_pg.postgres.database import PgDatabase

#: Seconds that count as recent, and how many calls are looked at, at most.
RECENT: Final = 300.0
NEWEST: Final = 20_000
#: So many tasks have series of their own; the rest of them is one.
TASKS: Final = 50
OTHER: Final = "(other)"


class Measure(NamedTuple):
    """One that Prometheus knows by its name."""

    name: str
    about: str
    kind: Literal["gauge", "counter"] = "gauge"


class Sample(NamedTuple):
    """One value of a measure."""

    name: str
    labels: tuple[str, ...]
    value: float


@dataclass(frozen=True, slots=True)
class Question:
    """A statement whose columns are the labels, then the measures."""

    statement: str
    labels: tuple[str, ...]
    measures: tuple[Measure, ...]


_M = Measure
QUEUES: Final = Question(
    """
    select app_id, queue, ready, scheduled, parked, pending, running, waiting, paused::integer,
           extract(epoch from oldest_ready)::float8
    from {schema}.queue_figures(null)
    """,
    ("app", "queue"),
    (
        _M("pynenc_queue_ready", "Calls that a runner could take now."),
        _M("pynenc_queue_scheduled", "Calls whose time has not come."),
        _M("pynenc_queue_parked", "Calls that wait for a slot of their concurrency key."),
        _M("pynenc_queue_pending", "Calls that a runner has taken and not begun."),
        _M("pynenc_queue_running", "Invocations that are executed."),
        _M("pynenc_queue_waiting", "Invocations that wait for others."),
        _M("pynenc_queue_paused", "1 while nothing of the queue is given out."),
        _M("pynenc_queue_oldest_ready_seconds", "Since what has stood longest was ready."),
    ),
)
RUNNERS: Final = Question(
    """
    select app_id, runner_cls, health, count(*), sum(concurrency), sum(holds),
           extract(epoch from clock_timestamp() - min(heartbeat_at))::float8
    from {schema}.runner_health group by app_id, runner_cls, health order by 1, 2, 3
    """,
    ("app", "runner_cls", "health"),
    (
        _M("pynenc_runners", "Runners that are registered, dead ones until they are forgotten."),
        _M("pynenc_runners_places", "Invocations that they may run at once."),
        _M("pynenc_runners_hold", "Invocations that they hold."),
        _M("pynenc_runners_heartbeat_age_seconds", "Since the oldest last heartbeat of them."),
    ),
)
TABLES: Final = Question(
    """
    select coalesce(r.relname, c.relname), sum(s.n_live_tup), sum(s.n_dead_tup),
           sum(pg_total_relation_size(c.oid)),
           extract(epoch from clock_timestamp()
                   - max(greatest(s.last_autovacuum, s.last_vacuum)))::float8
    from pg_class c join pg_stat_all_tables s on s.relid = c.oid
    left join pg_class r on r.oid = pg_partition_root(c.oid)
    where c.relnamespace = to_regnamespace(%s) and c.relkind = 'r'
    group by 1 order by 1
    """,
    ("table",),
    (
        _M("pynenc_table_live_rows", "Rows, as the statistics have it."),
        _M("pynenc_table_dead_rows", "Row versions that vacuum has not removed."),
        _M("pynenc_table_bytes", "What the table occupies, with indexes and partitions."),
        _M("pynenc_table_vacuum_age_seconds", "Since it, or a partition, was last vacuumed."),
    ),
)
SERVER: Final = Question(
    """
    select d.numbackends, current_setting('max_connections')::integer,
           pg_database_size(current_database()),
           coalesce((select extract(epoch from clock_timestamp() - min(a.xact_start))
                     from pg_stat_activity a
                     where a.datname = d.datname and a.pid <> pg_backend_pid()), 0)::float8,
           d.deadlocks
    from pg_stat_database d where d.datname = current_database()
    """,
    (),
    (
        _M("pynenc_database_connections", "Sessions with this database."),
        _M("pynenc_database_max_connections", "Sessions that the server accepts."),
        _M("pynenc_database_bytes", "What the database occupies."),
        _M("pynenc_database_oldest_transaction_seconds", "Age of the oldest open transaction."),
        _M("pynenc_database_deadlocks", "Deadlocks since the statistics begin.", "counter"),
    ),
)
SET_ASIDE: Final = Question(
    "select app_id, cause, count(*) from {schema}.set_aside group by 1, 2 order by 1, 2",
    ("app", "cause"),
    (_M("pynenc_set_aside", "Calls that no runner could take."),),
)
CAUSES: Final = Question(
    "select app_id, count(*) from {schema}.parked_causes group by 1 order by 1",
    ("app",),
    (_M("pynenc_triggers_parked_causes", "Causes of triggers that could not be looked at."),),
)
#: Bounded twice: by time, and by the number of the newest.
CALLS: Final = Question(
    """
    select app_id, task_id, status::text, count(*), sum(retries)
    from (select i.app_id, i.task_id, i.status, i.retries from {schema}.invocations i
          where i.invocation_id >= %s order by i.invocation_id desc limit %s) newest
    group by app_id, task_id, status
    """,
    ("app", "task", "status"),
    (
        _M("pynenc_recent_calls", "Calls of the last minutes, by what has become of them."),
        _M("pynenc_recent_retries", "Attempts after the first of the calls of the last minutes."),
    ),
)
QUESTIONS: Final = (QUEUES, RUNNERS, TABLES, SERVER, SET_ASIDE, CAUSES, CALLS)

#: Rows written since the statistics begin, by partition.
_WRITTEN: Final = """
select r.relname, c.oid::bigint, s.n_tup_ins
from pg_class r
cross join lateral (select t.relid as oid from pg_partition_tree(r.oid) t where t.isleaf) c
join pg_stat_all_tables s on s.relid = c.oid
where r.relnamespace = to_regnamespace(%s) and r.relkind in ('p', 'r') and not r.relispartition
  and r.relname in ('invocation', 'invocation_outcome', 'invocation_error')
order by 1, 2
"""
WRITTEN: Final = {
    "invocation": _M("pynenc_registered", "Calls that were registered.", "counter"),
    "invocation_outcome": _M("pynenc_finished", "Invocations that have ended.", "counter"),
    "invocation_error": _M(
        "pynenc_failed_attempts", "Attempts that raised and were to be tried again.", "counter"
    ),
}
UP: Final = _M("pynenc_database_up", "1 if the database has answered.")


class Measurer:
    """Asks all of it, time and again."""

    def __init__(self, database: PgDatabase) -> None:
        """Nothing is asked."""
        self._database = database
        self._written = _Written()

    def ask(self) -> list[Sample]:
        """Return what stands there now.

        Raises:
            StoreError: the database does not answer, or lets nobody look.
        """
        samples = [Sample(UP.name, (), 1)]
        # A session for each time, not of a pool, which would wait longer than whoever asks.
        with self._database.connect("metrics", direct=False) as connection, translated():

            def rows(statement: str, *parameters: object) -> list[tuple[Any, ...]]:
                query = render(statement, self._database.schema).encode()
                return connection.execute(query, parameters or None).fetchall()

            for question in QUESTIONS:
                found = rows(question.statement, *self._parameters(question))
                samples += _samples(question, _largest(found) if question is CALLS else found)
            samples += self._written.samples(rows(_WRITTEN, self._database.schema))
        return samples

    def _parameters(self, question: Question) -> tuple[object, ...]:
        if question is CALLS:
            return first_id(time.time() - RECENT), NEWEST
        return (self._database.schema,) if question is TABLES else ()


class _Written:
    """Counters over partitions: these come and go, and what was counted must not go with them."""

    def __init__(self) -> None:
        self._last: dict[int, float] = {}
        self._totals: dict[str, float] = {}

    def samples(self, rows: Sequence[tuple[Any, ...]]) -> Iterator[Sample]:
        seen = {}
        for name, oid, count in rows:
            before = self._last.get(oid, 0)
            grown = count - before if count >= before else count  # the statistics were reset
            self._totals[name] = self._totals.get(name, 0) + grown
            seen[oid] = count
        self._last = seen
        for name, total in sorted(self._totals.items()):
            yield Sample(WRITTEN[name].name, (), total)


def measures() -> Iterator[tuple[Measure, tuple[str, ...]]]:
    """Yield every measure with its labels."""
    yield UP, ()
    for question in QUESTIONS:
        for measure in question.measures:
            yield measure, question.labels
    for measure in WRITTEN.values():
        yield measure, ()


def first_id(timestamp: float) -> UUID:
    """Return the smallest UUIDv7 of a time."""
    return UUID(int=int(timestamp * 1000) << 80)


def _samples(question: Question, rows: Sequence[tuple[Any, ...]]) -> Iterator[Sample]:
    labels = len(question.labels)
    for row in rows:
        for measure, value in zip(question.measures, row[labels:], strict=True):
            if value is not None:
                yield Sample(measure.name, tuple(map(str, row[:labels])), float(value))


def _largest(rows: Sequence[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    """Let the tasks with the most calls keep their names, by app and task."""
    calls: dict[tuple[str, str], int] = {}
    for app_id, task_id, _, count, _ in rows:
        calls[app_id, task_id] = calls.get((app_id, task_id), 0) + count
    named = sorted(calls, key=lambda one: (-calls[one], one))[:TASKS]
    renamed = sorted((a, t if (a, t) in named else OTHER, *more) for a, t, *more in rows)
    summed = []
    for labels, group in groupby(renamed, key=lambda row: tuple(row[:3])):
        alike = list(group)
        summed.append((*labels, sum(row[3] for row in alike), sum(row[4] for row in alike)))
    return summed
