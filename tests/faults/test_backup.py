"""A backup of a queue at work is restored elsewhere, and a standby takes over."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest

from pynenc_pg.postgres import deploy
from tests.acceptance.workers import wait_for
from tests.faults.bodies import SIDE
from tests.faults.fleet import Nursery
from tests.faults.load import load
from tests.faults.server import own_server
from tests.faults.settings import KEEN
from tests.faults.site import Site
from tests.faults.standby import program, standby
from tests.support.checker import BODY_RUN
from tests.support.sql import temporary_database

_GRANTED = """select bool_and(has_function_privilege('pynenc_worker', oid, 'execute'))
from pg_proc where proname in ('claim', 'finish')"""


def _restore(source: str, target: str, folder: Path) -> None:
    """Take the schema, as docs/howto/backup.md says, from one database into an empty one."""
    archive = str(folder / "pynenc.dump")
    dump = [program("pg_dump", source), "-Fc", "-n", "pynenc", "-f", archive, "-d", source]
    subprocess.run(dump, check=True, timeout=60)
    restore = [program("pg_restore", target), "--exit-on-error", "-d", target, archive]
    subprocess.run(restore, check=True, timeout=60)


@contextmanager
def _other_site(server_dsn: str, nursery: Nursery, folder: Path) -> Iterator[Site]:
    """A place on an empty database, with a record of bodies that is its own."""
    folder.mkdir()
    with temporary_database(server_dsn) as dsn, temporary_database(server_dsn) as bodies:
        with psycopg.connect(bodies, autocommit=True) as side:
            side.execute(BODY_RUN)
            side.execute(SIDE)
        site = Site(dsn, bodies, nursery, folder)
        try:
            yield site
        finally:
            site.close()


def test_a_backup_of_a_queue_at_work(
    site: Site, server_dsn: str, nursery: Nursery, tmp_path: Path
) -> None:
    """Restored, all that was called before it ends: what stood, ran, waited, or was not yet due.

    What ran at that moment runs again under a new lease. The queue that was copied just goes on.
    """
    done = site.work(2, 0)
    worker = site.fleet.start("--concurrency", "3", **KEEN)
    site.wait_for_success(done)
    parents = site.parents("parent", 1)
    running: list[str] = [*site.hold(1, lane="held"), *site.hold(1)]
    wait_for(lambda: len(site.adopt()) == 1, worker.explain)
    running += site.adopt()
    site.wait_for_runs(running, 3)
    queued = site.hold(2, lane="held") + site.work(5, 0) + site.work(2, 0, delay=0.5)
    all_of_it = [*done, *running, *parents, *queued]
    with _other_site(server_dsn, nursery, tmp_path / "other") as other:
        _restore(site.dsn, other.dsn, tmp_path)
        assert deploy.status(other.dsn).up_to_date
        other.ledger.acknowledged = [*site.ledger.acknowledged]
        other.ledger.lanes |= site.ledger.lanes
        assert other.statuses(all_of_it) == site.statuses(all_of_it)
        assert other.query(_GRANTED) == [(True,)]
        other.fleet.start(**KEEN)
        other.wait_for_runs(running, 3)
        site.open_gate()
        other.wait_for_success(all_of_it)
        assert all("running_recovery" in other.history(one) for one in running)
        assert other.runs(done) == []
        assert len(other.adopt()) == 2  # what runs again calls again
        other.check()
    site.wait_for_success(all_of_it)
    assert [len(site.runs([one])) for one in running] == [1, 1, 1]
    site.check()


@pytest.mark.long
def test_a_standby_takes_over(pattern: Path, bodies: str, nursery: Nursery, tmp_path: Path) -> None:
    """With synchronous replication nothing that was answered is lost; workers find the new one.

    Short: one that lags behind (test_failover.py).
    """
    with own_server(pattern) as primary, standby(primary) as other:
        site = Site(other.both(), bodies, nursery, tmp_path)
        try:
            _wait_for_standby(primary.dsn)
            workers = [site.fleet.start() for _ in range(2)]
            with load(site) as clients:
                clients.wait_for_more(50)
                primary.stop(signal.SIGQUIT)
                with psycopg.connect(other.dsn, autocommit=True) as connection:
                    assert connection.execute("select from pynenc.invocations limit 1").rowcount
                other.promote()
                clients.wait_for_more(100)
            live = "select count(*) from pynenc.invocation_state"
            wait_for(lambda: site.query(live) == [(0,)], site.fleet.explain, 60)
            assert all(worker.alive for worker in workers)
            site.check()
        finally:
            site.close()


def _wait_for_standby(dsn: str) -> None:
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute("alter system set synchronous_standby_names = '*'")
        connection.execute("select pg_reload_conf()")
        query = "select count(*) from pg_stat_replication where sync_state = 'sync'"
        wait_for(lambda: connection.execute(query).fetchone() == (1,))
