"""What the database as a whole tells Prometheus."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from click.testing import CliRunner
from prometheus_client import CollectorRegistry, generate_latest
from psycopg import sql
from psycopg.conninfo import make_conninfo

from pynenc_pg.cli.exporter import Exporter
from pynenc_pg.cli.main import cli
from pynenc_pg.postgres import measures
from pynenc_pg.postgres.database import PgDatabase
from pynenc_pg.postgres.measures import OTHER, TASKS, Measurer, Sample, _largest, _Written
from pynenc_pg.testing import on_postgres
from tests.acceptance.workers import wait_for
from tests.app import tasks
from tests.support.sql import connect, one, register

Values = dict[tuple[str, ...], float]


@pytest.fixture
def measurer(database_dsn: str) -> Iterator[Measurer]:
    """On an empty database."""
    database = PgDatabase(database_dsn, app_id="", pool_size=1)
    yield Measurer(database)
    database.close()


def values(samples: list[Sample]) -> Values:
    """By name and labels."""
    return {(one.name, *one.labels): one.value for one in samples}


@pytest.mark.parametrize("ageing", ["1e300", "-1e300", "infinity", "nan"])
def test_a_rank_that_is_no_time(database_dsn: str, measurer: Measurer, ageing: str) -> None:
    """Who may call the verbs may give any: the figures of the others are told all the same."""
    with connect(database_dsn) as connection:
        register(connection)
        connection.execute("set session_replication_role = replica")  # past the guard
        connection.execute(
            "update invocation_state set rank = 1e9 - 50 * %s::double precision", (ageing,)
        )
        counted = one(
            connection, "select extract(epoch from oldest_ready)::float8 from queue_depth"
        )
    found = values(measurer.ask())
    [oldest] = [v for k, v in found.items() if k[0] == "pynenc_queue_oldest_ready_seconds"]
    assert 0 <= oldest < 300
    assert 0 <= counted < 300


def test_how_long_the_oldest_is_ready(database_dsn: str, measurer: Measurer) -> None:
    """Not from the call: of one with a delay from its time on, whatever is taken first."""

    def oldest() -> float:
        [found] = [v for k, v in values(measurer.ask()).items() if "oldest_ready" in k[0]]
        counted = one(
            connection, "select extract(epoch from oldest_ready)::float8 from queue_depth"
        )
        assert counted == pytest.approx(found, abs=60)
        return found

    def stands(which: str, called: float, due: float) -> None:
        connection.execute(
            """update invocation_state
               set status_at = clock_timestamp() - make_interval(secs => %s),
                   rank = extract(epoch from clock_timestamp()) - %s
               where invocation_id = %s""",
            (called, due, which),
        )

    with connect(database_dsn) as connection:
        first, second = register(connection, 2)
        connection.execute("set session_replication_role = replica")  # past the guard
        stands(first, 1_000, 400)  # called with a delay of 600 seconds
        stands(second, 200, 5_000)  # called after it, with a priority that brings it up
        assert 400 <= oldest() < 700
        stands(first, 1_000, -6_000)  # with a priority that defers it
        assert 200 <= oldest() < 500


def test_what_stands_there_is_told(database_dsn: str, measurer: Measurer) -> None:
    """Queues, tasks, runners, tables, of an app that has worked and has more to do."""
    app, add, refuse = tasks.app.conf.app_id, tasks.add.task_id, tasks.refuse.task_id
    before = values(measurer.ask())
    with on_postgres(tasks.app, database_dsn) as world:
        for number in range(3):
            tasks.add(number)
        tasks.refuse(1)
        tasks.come_back_later(3600)
        world.run_until_idle()
        tasks.add(1)
        tasks.on_the_side.options(delay=3600)()
        tasks.app.pause_queue("side")
        found = values(measurer.ask())
        with world.runner():
            assert tasks.add(2).result_or_raise(timeout=60) == 12
            working_now = values(measurer.ask())
    assert before["pynenc_database_up",] == 1
    assert found["pynenc_queue_ready", app, "default"] == 1
    assert found["pynenc_queue_scheduled", app, "default"] == 1
    assert found["pynenc_queue_scheduled", app, "side"] == 1
    assert found["pynenc_queue_paused", app, "side"] == 1
    assert found["pynenc_queue_oldest_ready_seconds", app, "default"] >= 0
    assert ("pynenc_queue_oldest_ready_seconds", app, "side") not in found
    assert found["pynenc_recent_calls", app, add, "success"] == 3
    assert found["pynenc_recent_calls", app, add, "registered"] == 1
    assert found["pynenc_recent_calls", app, refuse, "failed"] == 1
    assert found["pynenc_recent_retries", app, tasks.come_back_later.task_id, "retry"] == 1
    assert found["pynenc_table_bytes", "invocation_state"] > 0
    assert working_now["pynenc_runners", app, "ThreadRunner", "alive"] == 1
    assert working_now["pynenc_runners_places", app, "ThreadRunner", "alive"] == 4


def test_observers_may_ask(database_dsn: str) -> None:
    """With nothing but that role."""
    dsn = make_conninfo(database_dsn, options="-c role=pynenc_observer")
    database = PgDatabase(dsn, app_id="", pool_size=1)
    try:
        assert database.call("select current_user") == [("pynenc_observer",)]
        assert values(Measurer(database).ask())["pynenc_table_bytes", "invocation"] > 0
    finally:
        database.close()


def test_what_was_counted_does_not_go_with_its_partition() -> None:
    """Nor with the statistics: a counter that falls would be taken for a new beginning."""
    written = _Written()
    rows = [("invocation", 1, 100), ("invocation", 2, 10)]
    assert list(written.samples(rows)) == [Sample("pynenc_registered", (), 110)]
    assert list(written.samples([("invocation", 2, 15)])) == [Sample("pynenc_registered", (), 115)]
    assert list(written.samples([("invocation", 2, 3)])) == [Sample("pynenc_registered", (), 118)]
    assert list(written.samples([("invocation", 2, 3), ("invocation", 3, 1)])) == [
        Sample("pynenc_registered", (), 119)
    ]


def test_calls_that_were_written_are_counted(database_dsn: str, measurer: Measurer) -> None:
    """As soon as the server's statistics have them."""
    before = values(measurer.ask())
    with on_postgres(tasks.app, database_dsn) as world:
        tasks.add.parallelize([(n,) for n in range(20)])
        world.run_until_idle()

    def told() -> bool:
        now = values(measurer.ask())
        grown = {now[name,] - before[name,] for name in ("pynenc_registered", "pynenc_finished")}
        return grown == {20.0}

    wait_for(told, lambda: str(measurer.ask()))


def test_tasks_are_bounded() -> None:
    """Those with the most calls keep their names, whatever users do with names."""
    rows = [("shop", f"t{n:03}", "success", n, 1) for n in range(TASKS + 10)]
    rows += [("shop", "t000", "failed", 1000, 0)]
    found = _largest(rows)
    names = {row[1] for row in found}
    assert len(names) == TASKS + 1
    assert {"t000", OTHER} <= names
    assert sum(row[3] for row in found) == sum(row[3] for row in rows)
    assert ("shop", OTHER, "success", sum(range(1, 11)), 10) in found


def test_recent_calls_are_found_by_their_id(database_dsn: str, measurer: Measurer) -> None:
    """Without statistics and without a sort of all there is."""
    query = sql.SQL(measures.CALLS.statement).format(schema=sql.Identifier("pynenc"))
    with psycopg.connect(database_dsn) as connection:
        explain = sql.SQL("explain (format json) ") + query
        row = connection.execute(explain, (measures.first_id(0), measures.NEWEST)).fetchone()
    text = json.dumps(row)
    assert "invocation_" in text
    assert not [
        node
        for node in _nodes(row)
        if node == ("Seq Scan", "invocation")  # the newest come first
    ]


def _nodes(plan: object) -> Iterator[tuple[str, str]]:
    if isinstance(plan, dict):
        if "Node Type" in plan:
            yield plan["Node Type"], str(plan.get("Alias", ""))
        for value in plan.values():
            yield from _nodes(value)
    elif isinstance(plan, list | tuple):
        for value in plan:
            yield from _nodes(value)


def test_without_an_answer_that_alone_is_told(tmp_path: Path) -> None:
    """And a scrape is answered all the same."""
    database = PgDatabase(f"host={tmp_path} dbname=x", app_id="", pool_size=1)
    registry = CollectorRegistry()
    registry.register(Exporter(database))
    try:
        text = generate_latest(registry).decode()
    finally:
        database.close()
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    assert lines == ["pynenc_database_up 0.0"]


def test_the_command_prints_all_of_it(database_dsn: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without an app: it is of all of them."""
    monkeypatch.delenv("PYNENC_APP", raising=False)
    done = CliRunner().invoke(cli, ["metrics", "--dsn", database_dsn, "print"])
    assert done.exit_code == 0, done.output
    assert "pynenc_database_up 1.0" in done.output
    assert "# TYPE pynenc_registered_total counter" in done.output
