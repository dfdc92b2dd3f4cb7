"""No page reads a table that grows from one end to the other."""

from __future__ import annotations

from typing import Final

import psycopg

from tests.acceptance.workers import wait_for
from tests.monitor.places import visiting
from tests.monitor.test_pages import PAGES
from tests.support.databases import Databases
from tests.support.filled import BUSY, fill
from tests.support.plans import SMALL
from tests.support.sql import APP, connect, register_runner

_READ: Final = """
select regexp_replace(relname, '_\\d{8}$', ''), sum(seq_scan)::int from pg_stat_user_tables
where schemaname = 'pynenc' group by 1"""
#: Small by nature, beside those that the verbs may read whole.
_FEW: Final = SMALL | {"task", "runner_task", "status", "status_transition", "alembic_version"}


def whole(dsn: str) -> dict[str, int]:
    """Return how often each table was read whole, once all sessions have told of it."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        query = "select count(*) from pg_stat_activity where application_name = 'pynenc monitor'"
        wait_for(lambda: connection.execute(query).fetchone() == (0,), lambda: "sessions stay")
        return {n: times for n, times in connection.execute(_READ).fetchall() if n not in _FEW}


def test_no_page_reads_a_table_whole(databases: Databases) -> None:
    """Also those with filters that nothing fits, and of a moment long ago."""
    with databases.lend() as dsn:
        with connect(dsn) as connection:
            register_runner(connection)
            register_runner(connection, BUSY)
        fill(dsn, 50)
        with connect(dsn) as connection:
            ended, live = (
                str(connection.execute(f"select invocation_id from {table} limit 1").fetchone()[0])  # type: ignore[index]
                for table in ("invocation_outcome", "invocation_state")
            )
        before = whole(dsn)
        with visiting(dsn, app_id=APP) as browser:
            for path in PAGES:
                browser.get(path)
            for query in ("status=failed", "status=running", "task=x", "argument=x", "error=x"):
                browser.get(f"/invocations?{query}")
            for one in (ended, live):
                browser.get(f"/invocations/{one}")
                browser.get(f"/timeline?root={one}")
            browser.get("/moment?at=2020-01-01T00:00")
            browser.get(f"/runners/{BUSY}")
            browser.get("/tasks/tests.task")
            browser.get("/events?code=filled")
            browser.get("/triggers/fires")
            browser.get(f"/workflows/{ended}", None)
            browser.get("/audit?subject=x")
            browser.post("/logs", {"lines": f"{ended} {live}"})
        assert whole(dsn) == before
