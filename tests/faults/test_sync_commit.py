"""Commits hang, as the synchronous standby is away: nobody is told what is not so."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from typing import Final

import psycopg
import pytest

from pynenc_pg.exceptions import OutcomeUnknownError
from pynenc_pg.postgres import database, deadlines
from tests.acceptance.workers import wait_for
from tests.faults.server import OwnServer
from tests.faults.settings import HASTY
from tests.faults.site import Site

_WAITING: Final = "select pid from pg_stat_activity where wait_event = 'SyncRep'"
#: A worker gives an answer up after a moment, at once: 10 s and 65 s are long for a test.
_SOON: Final = {
    "FAULTS_PATCH": json.dumps(
        {
            "pynenc_pg.postgres.deadlines.SECONDS": 0.5,
            "pynenc_pg.postgres.sockets._ANSWER": 0.5,
            "pynenc_pg.postgres.database._TRIES": 1,
        }
    )
}


def _demand(server: OwnServer, name: str) -> None:
    """Have commits wait for a standby of that name from now on; for none, if it is empty."""
    with psycopg.connect(server.dsn, autocommit=True) as admin:
        admin.execute(f"alter system set synchronous_standby_names = '{name}'".encode())
        admin.execute("select pg_reload_conf()")
        shown = "show synchronous_standby_names"
        wait_for(lambda: admin.execute(shown).fetchone() == (name,))
    # Each process reads it for itself, once it has something to do: one of them may come late.


def test_workers_while_commits_hang(own_site: Site, server: OwnServer) -> None:
    """A worker stops its tasks in time, tries again without piling up sessions, and goes on."""
    site = own_site
    worker = site.fleet.start("--concurrency", "1", **HASTY, **_SOON)
    held = site.hold(1)
    site.wait_for_runs(held, 1)
    _demand(server, "nobody")
    most = 0

    def tried() -> bool:
        nonlocal most
        most = max(most, len(site.query(_WAITING)))
        return worker.said().count("runner.waits") >= 2

    wait_for(tried, worker.explain, 60)
    assert 0 < most <= 2
    assert "runner.fenced" in worker.said()
    assert worker.said().count("\n") < 40, worker.explain()
    assert len(site.runs(held)) == 1
    _demand(server, "")
    site.wait_for_runs(held, 2)
    site.open_gate()
    site.wait_for_success(held)
    living = "select count(*)::int from pynenc.runner"
    wait_for(lambda: site.query(living) == [(1,)], worker.explain)
    site.check()


def test_what_a_client_is_told_of_a_commit_that_hangs(
    own_site: Site, server: OwnServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Until the standby has it the outcome is unknown, also where it is repeated or cancelled."""
    site = own_site
    monkeypatch.setattr(database, "_TRIES", 2)
    monkeypatch.setattr(deadlines, "SECONDS", 0.5)
    batch = site.client.batch("work", {"number": 1, "seconds": 0})
    _demand(server, "nobody")
    with pytest.raises(OutcomeUnknownError, match="same ids is safe"):
        site.client.send(batch)
    assert site.query("select count(*)::int from pynenc.invocation") == [(1,)]
    monkeypatch.setattr(deadlines, "SECONDS", 30.0)
    with ThreadPoolExecutor(1) as pool:
        sent = pool.submit(site.client.send, site.client.batch("work", {"number": 2, "seconds": 0}))
        cancelled: set[int] = set()

        def cancel_twice() -> bool:
            for (pid,) in site.query(_WAITING):
                site.query("select pg_cancel_backend(%s)", pid)
                cancelled.add(pid)
            return sent.done()

        wait_for(cancel_twice)
        assert cancelled
        with pytest.raises(OutcomeUnknownError, match="synchronous standby"):
            sent.result()
        again = pool.submit(site.client.send, batch)
        wait_for(lambda: bool(site.query(_WAITING)))
        assert not again.done()
        _demand(server, "")
        again.result(30)
    site.fleet.start()
    site.wait_for_success([*{*site.ledger.acknowledged, *site.ledger.unknown}])
    site.check()
