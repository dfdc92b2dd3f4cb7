"""Others lock tables and rows, or take all the locks there are: work flows around, or waits."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import psycopg
import pytest

from pynenc_pg.exceptions import StoreUnavailableError
from pynenc_pg.postgres import database, sessions
from tests.acceptance.workers import wait_for
from tests.faults.fleet import Nursery
from tests.faults.server import own_server
from tests.faults.settings import HASTY, KEEN, LEASE
from tests.faults.site import Site

#: Sessions of ours give a lock up after a moment; 10 s are long for a test.
_SHORT: Final = sessions._SET_UNLESS_POOLED.replace(
    "'lock_timeout', '10s'", "'lock_timeout', '200ms'"
)
_IMPATIENT: Final = {
    "FAULTS_PATCH": json.dumps(
        {
            "pynenc_pg.postgres.sessions._SET_UNLESS_POOLED": _SHORT,
            "pynenc_pg.postgres.database._TRIES": 1,
        }
    )
}
_SESSIONS: Final = """select count(*)::int from pg_stat_activity
    where application_name like 'pynenc%' and datname = current_database()"""
#: Of a worker: its pool, its home, and where it hears of results.
_MOST: Final = 4 + 2


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have sessions of this process give locks up soon, too."""
    monkeypatch.setattr(sessions, "_SET_UNLESS_POOLED", _SHORT)
    monkeypatch.setattr(database, "_TRIES", 1)


@pytest.mark.usefixtures("impatient")
def test_a_table_that_somebody_locks(site: Site) -> None:
    """Calls are refused in time, ends wait, nobody is taken for dead, no sessions pile up."""
    worker = site.fleet.start("--concurrency", "2", **HASTY, **_IMPATIENT)
    held = site.hold(1)
    site.wait_for_runs(held, 1)
    with psycopg.connect(site.dsn) as locker:
        locker.execute("lock table pynenc.invocation_state in access exclusive mode")
        site.open_gate()
        with pytest.raises(StoreUnavailableError, match="others stood in the way"):
            site.work(1, 0)
        began = locker.execute("select now()").fetchone()
        later = "select heartbeat_at > %s + make_interval(secs => %s) from pynenc.runner"
        assert began
        wait_for(lambda: site.query(later, *began, 2 * LEASE) == [(True,)], worker.explain)
        wait_for(lambda: "completion.delayed" in worker.said(), worker.explain)
        assert site.query(_SESSIONS)[0][0] <= _MOST + 1  # and the client's
    site.wait_for_success(held)
    assert len(site.runs(held)) == 1
    assert "runner.fenced" not in worker.said()
    site.check()


@pytest.mark.usefixtures("impatient")
def test_the_table_of_runners_is_locked(site: Site) -> None:
    """Who cannot renew its lease stops its tasks by itself, and begins anew once it can."""
    worker = site.fleet.start("--concurrency", "1", **HASTY, **_IMPATIENT)
    held = site.hold(1)
    site.wait_for_runs(held, 1)
    with psycopg.connect(site.dsn) as locker:
        locker.execute("lock table pynenc.runner in access exclusive mode")
        wait_for(lambda: "runner.waits" in worker.said(), worker.explain)
        assert "runner.fenced" in worker.said()
        assert worker.said().count("\n") < 40, worker.explain()
        assert site.query(_SESSIONS)[0][0] <= _MOST
    site.wait_for_runs(held, 2)
    site.open_gate()
    site.wait_for_success(held)
    site.check()


def test_rows_that_somebody_keeps_locked(site: Site) -> None:
    """Idle in a transaction, it keeps what it has locked, and nothing else, dead owner or not."""
    queued = site.work(4, 0)
    with psycopg.connect(site.dsn) as idler, psycopg.connect(site.dsn) as other:
        _lock(idler, queued[:2])
        worker = site.fleet.start("--concurrency", "2", **KEEN)
        site.wait_for_success(queued[2:])
        held = site.hold(2)
        site.wait_for_runs(held, 2)
        _lock(other, held[:1])
        worker.kill()
        heir = site.fleet.start("--concurrency", "2", **KEEN)
        site.wait_for_runs(held[1:], 2)
        site.wait_for_success(site.work(5, 0))
        assert site.statuses(queued[:2]) == {"registered": 2}
        assert len(site.runs(held[:1])) == 1
        blocked = "select count(*)::int from pg_stat_activity where wait_event_type = 'Lock'"
        wait_for(lambda: site.query(blocked) == [(0,)], heir.explain)
        assert "sweep.failed" not in heir.said()
    site.open_gate()
    site.wait_for_success([*queued, *held])
    assert len(site.runs(held)) == 4
    site.check()


@pytest.fixture
def crowded(pattern: Path, bodies: str, nursery: Nursery, tmp_path: Path) -> Iterator[Site]:
    """A queue on a server with room for few locks."""
    with own_server(pattern, "max_connections=40", "max_locks_per_transaction=10") as server:
        site = Site(server.dsn, bodies, nursery, tmp_path)
        yield site
        site.close()


def test_no_room_for_locks(crowded: Site) -> None:
    """Calls are refused by name, workers wait and go on; calls take none of these locks."""
    site = crowded
    worker = site.fleet.start("--concurrency", "4")
    held = site.hold(4)
    site.wait_for_runs(held, 4)
    queued = site.work(50, 0)
    assert site.query("select count(*)::int from pg_locks where locktype = 'advisory'") == [(1,)]
    with psycopg.connect(site.dsn, autocommit=True) as glutton:
        with suppress(psycopg.errors.OutOfMemory):
            glutton.execute("select count(pg_advisory_lock(i)) from generate_series(1, 1000000) i")
        with pytest.raises(StoreUnavailableError, match="max_locks_per_transaction"):
            site.work(1, 0)
        site.open_gate()
        wait_for(lambda: "[53200]" in worker.said(), worker.explain)
        assert worker.alive
    site.wait_for_success([*held, *queued])
    assert len(site.runs(held)) == 4
    assert "runner.fenced" not in worker.said()
    site.check()


def _lock(connection: psycopg.Connection[Any], ids: list[Any]) -> None:
    query = "select from pynenc.invocation_state where invocation_id = any (%s::uuid[]) for update"
    assert connection.execute(query, (ids,)).rowcount == len(ids)
