"""A disk of the server is full: nothing that was accepted is lost, and with room all goes on."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

import psycopg
import pytest

from pynenc_pg.exceptions import StoreUnavailableError
from pynenc_pg.postgres import database
from tests.acceptance.workers import wait_for
from tests.faults.disks import Disk, cramped
from tests.faults.fleet import Nursery
from tests.faults.server import OwnServer
from tests.faults.settings import HASTY
from tests.faults.site import Site

_MEGABYTE: Final = 2**20
#: Who cannot connect says so after a moment; 10 s are long for a test.
_SOON: Final = {
    "FAULTS_PATCH": json.dumps(
        {f"pynenc_pg.postgres.database.{n}": 0.5 for n in ("_PATIENCE", "_TURN")}
    )
}


@contextmanager
def _site(server: OwnServer, bodies: str, nursery: Nursery, folder: Path) -> Iterator[Site]:
    site = Site(server.dsn, bodies, nursery, folder)
    try:
        yield site
    finally:
        site.close()


def _call_until_refused(site: Site) -> str:
    """Call again and again; return what is said in the end."""
    for _ in range(500):
        try:
            site.work(50, 0)
        except StoreUnavailableError as error:
            return str(error)
    return "never refused"


def test_the_disk_of_the_tables_is_full(
    pattern: Path, bodies: str, nursery: Nursery, tmp_path: Path
) -> None:
    """Calls are refused by name, the server and the worker stay; with room all goes on."""
    with (
        cramped(pattern, "base", 16 * _MEGABYTE) as (server, disk),
        _site(server, bodies, nursery, tmp_path) as site,
    ):
        worker = site.fleet.start("--concurrency", "4", "--queues", "default")
        held = site.hold(2)
        site.wait_for_runs(held, 2)
        site.wait_for_success(site.work(3, 0))
        site.call("say_much", *({"word": f"{n:99}"} for n in range(4)), queue="large")
        disk.fill()
        said = _call_until_refused(site)
        assert "No space left on device" in said
        assert "[53100]" in said
        site.open_gate()
        # A large result was never there, so that its table has no page for one, if it comes so far.
        teller = site.fleet.launch("--queues", "large", **HASTY)
        wait_for(lambda: "[53100]" in teller.said(), teller.explain)
        assert not server.ended
        disk.free()
        site.wait_for_success(site.ledger.acknowledged)
        assert len(site.runs(held)) == 2
        assert all(each.alive for each in site.fleet.workers)
        assert "runner.fenced" not in worker.said()
        registered = "select count(*)::int from pynenc.runner"
        wait_for(lambda: site.query(registered) == [(2,)], teller.explain)
        site.check()


def _write_until_it_fails(server: OwnServer) -> bool:
    with suppress(psycopg.OperationalError), psycopg.connect(server.dsn, autocommit=True) as admin:
        for _ in range(8):
            admin.execute("select pg_logical_emit_message(true, 'test', ''), pg_switch_wal()")
    return "PANIC" in server.said


def _bring_back(server: OwnServer, disk: Disk) -> None:
    """Make room, and start it if it is down: it may or may not have come back by itself."""
    disk.free()
    if server.ended:
        server.stop()
        server.start()
    else:
        wait_for(server.answers, lambda: server.said)


def test_the_disk_of_the_log_is_full(
    pattern: Path, bodies: str, nursery: Nursery, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server falls; once there is room it comes back with all that was acknowledged."""
    monkeypatch.setattr(database, "_PATIENCE", 0.5)
    monkeypatch.setattr(database, "_TURN", 0.5)
    with (
        cramped(pattern, "pg_wal", 64 * _MEGABYTE) as (server, disk),
        _site(server, bodies, nursery, tmp_path) as site,
    ):
        worker = site.fleet.start("--concurrency", "4", "--queues", "default", **_SOON)
        held = site.hold(2)
        site.wait_for_runs(held, 2)
        site.wait_for_success(site.work(20, 0))
        queued = site.work(200, 0, queue="nobody")
        disk.fill()
        wait_for(lambda: _write_until_it_fails(server), lambda: server.said)
        wait_for(lambda: server.ended or server.answers(), lambda: server.said)
        if server.ended:
            with pytest.raises(StoreUnavailableError):
                site.work(1, 0)
        wait_for(lambda: "failed" in worker.said() or "delayed" in worker.said(), worker.explain)
        _bring_back(server, disk)
        assert site.statuses(queued) == {"registered": 200}
        site.open_gate()
        site.fleet.start("--queues", "nobody")
        site.wait_for_success(site.ledger.acknowledged)
        assert worker.alive
        assert worker.said().count("\n") < 60, worker.explain()
        site.check()
