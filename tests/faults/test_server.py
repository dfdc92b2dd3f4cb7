"""The database server goes away and comes back: workers wait and go on, nothing is lost."""

from __future__ import annotations

import os
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, suppress
from pathlib import Path

import psycopg
import pytest

from pynenc_pg.exceptions import ResultTimeoutError
from pynenc_pg.postgres import deploy
from pynenc_pg.postgres.embedded import EmbeddedPostgres
from tests.acceptance.workers import wait_for
from tests.faults import tasks
from tests.faults.fleet import Nursery
from tests.faults.load import load
from tests.faults.server import OwnServer, folder_for_a_server
from tests.faults.site import Site
from tests.support.clusters import seed


def test_immediate_restarts_under_load_lose_nothing(own_site: Site, server: OwnServer) -> None:
    """Two immediate shutdowns under load: workers and clients come back, the checker is content."""
    workers = [own_site.fleet.start() for _ in range(2)]
    with load(own_site) as clients:
        for _ in range(2):
            clients.wait_for_more(50)
            server.restart(signal.SIGQUIT, pause=0.3)
        clients.wait_for_more(50)
    _wait_until_all_ended(own_site)
    assert all(worker.alive for worker in workers)
    own_site.check()


def test_death_of_one_backend_restarts_the_server_and_loses_nothing(
    own_site: Site, server: OwnServer
) -> None:
    """After kill -9 of one backend, which takes all sessions along, everything goes on."""
    worker = own_site.fleet.start()
    with load(own_site) as clients:
        clients.wait_for_more(50)
        ((backend,),) = own_site.query(
            """select pid from pg_stat_activity where application_name = 'pynenc home'"""
        )
        os.kill(backend, signal.SIGKILL)
        clients.wait_for_more(50)
    _wait_until_all_ended(own_site)
    assert worker.alive
    own_site.check()


def test_embedded_postmaster_killed_under_load(
    pattern: Path, bodies: str, nursery: Nursery, tmp_path: Path
) -> None:
    """The supervisor starts a killed postmaster again; no task of living workers runs twice."""
    with ExitStack() as stack:
        home = stack.enter_context(folder_for_a_server())
        seed(home, pattern)
        server = stack.enter_context(EmbeddedPostgres(home))
        deploy.migrate(server.dsn)
        site = Site(server.dsn, bodies, nursery, tmp_path)
        try:
            workers = [site.fleet.start() for _ in range(2)]
            long = site.hold(4)
            site.wait_for_runs(long, 4)
            with load(site) as clients:
                clients.wait_for_more(30)
                postmaster = int(next(home.glob("data-*/postmaster.pid")).read_text().split()[0])
                os.kill(postmaster, signal.SIGKILL)
                clients.wait_for_more(60)
            site.open_gate()
            _wait_until_all_ended(site)
            assert all(worker.alive for worker in workers)
            assert len(site.runs(long)) == 4
            site.check()
        finally:
            site.close()


def test_worker_that_cannot_reach_the_database_waits_for_it(
    own_site: Site, server: OwnServer
) -> None:
    """A worker started while the server is down works once it is up."""
    calls = own_site.work(3, 0)
    own_site.client.close()
    server.stop()
    worker = own_site.fleet.launch()
    wait_for(lambda: "runner.waits" in worker.said(), worker.explain)
    server.start()
    own_site.wait_for_success(calls)
    assert worker.said().count("\n") < 30, worker.explain()
    own_site.check()


def test_work_goes_on_soon_after_a_long_outage(own_site: Site, server: OwnServer) -> None:
    """However long the server was away, a worker goes on within 4 s of its return."""
    worker = own_site.fleet.start()
    own_site.wait_for_success(own_site.work(1, 0))
    own_site.client.close()
    server.restart(signal.SIGINT, pause=8)
    own_site.wait_for_success(own_site.work(1, 0), timeout=4)
    assert worker.said().count("\n") < 60, worker.explain()
    own_site.check()


def test_waiting_for_a_result_outlives_the_server(
    own_site: Site, server: OwnServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever begins to wait while the server is down gets a time-out in time, then the result."""
    monkeypatch.setattr(tasks.app.conf.postgres, "dsn", own_site.dsn)
    own_site.fleet.start()
    [held] = own_site.hold(1)
    own_site.wait_for_runs([held], 1)
    own_site.client.close()
    with tasks.app as app, ThreadPoolExecutor(1) as pool:
        invocation = app.get_invocation(held)
        server.stop()
        began = time.monotonic()
        with pytest.raises(ResultTimeoutError):
            invocation.result_or_raise(0.5)
        assert time.monotonic() - began < 3
        waiting = pool.submit(invocation.result_or_raise, 40)
        server.start()
        own_site.open_gate()
        assert waiting.result(40) == 0
    assert len(own_site.runs([held])) == 1
    own_site.check()


def test_no_connection_left_for_a_worker(own_site: Site, server: OwnServer) -> None:
    """While all connections are taken a worker lives on, keeps its lease, and then goes on."""
    worker = own_site.fleet.start()
    held = own_site.hold(1)
    own_site.wait_for_runs(held, 1)
    own_site.wait_for_success(own_site.work(3, 0))
    with ExitStack() as taken:
        admin = _take_all(own_site, taken)

        def squeeze() -> bool:
            """Take what the worker has, again where it was faster, until it says so."""
            admin.execute(
                """select pg_terminate_backend(pid, 5000) from pg_stat_activity
                   where application_name = 'pynenc'"""
            )
            with suppress(IndexError):
                _take_all(own_site, taken)
            return "claim.delayed" in worker.said()

        wait_for(squeeze, worker.explain, 60)
    own_site.open_gate()
    own_site.wait_for_success(held)
    assert "fenced" not in worker.said(), worker.explain()
    own_site.check()


Held = psycopg.Connection[tuple[object, ...]]


def _take_all(site: Site, taken: ExitStack) -> Held:
    """Open sessions until there is none left; return the first."""
    opened: list[Held] = []
    with suppress(psycopg.OperationalError):
        while True:
            opened.append(psycopg.connect(site.dsn, autocommit=True, connect_timeout=5))
            taken.enter_context(closing(opened[-1]))
    return opened[0]


def _wait_until_all_ended(site: Site) -> None:
    live = "select count(*) from pynenc.invocation_state"
    wait_for(lambda: site.query(live) == [(0,)], site.fleet.explain, 60)
