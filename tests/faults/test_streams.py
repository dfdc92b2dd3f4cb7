"""Streams that come in pieces, break off anywhere, or stand still in the middle."""

from __future__ import annotations

import json
import random
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from pynenc_pg.exceptions import StoreUnavailableError
from pynenc_pg.postgres import deadlines, sessions
from pynenc_pg.postgres.database import PgDatabase
from tests.acceptance.workers import wait_for
from tests.faults import tasks
from tests.faults.load import load
from tests.faults.proxy import Proxy, stand_still
from tests.faults.settings import KEEN
from tests.faults.site import Client, Site

SEED = 20_261_126
#: How long a statement may hang, and a session that is set up.
SECONDS = ("pynenc_pg.postgres.deadlines.SECONDS", "pynenc_pg.postgres.sessions.SECONDS")


def test_a_stream_that_comes_byte_by_byte(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """However it is chopped, work is taken and done, and results arrive whole."""
    with Proxy(site.dsn) as proxy:
        proxy.piece = 1
        site.fleet.start(dsn=proxy.dsn, **KEEN)
        client = Client(proxy.dsn, site.ledger)
        calls = client.send(client.batch("work", *[{"number": n, "seconds": 0} for n in range(5)]))
        client.close()
        monkeypatch.setattr(tasks.app.conf.postgres, "dsn", proxy.dsn)
        with tasks.app as app:
            results = [app.get_invocation(call).result_or_raise(20) for call in calls]
        assert results == list(range(5))
        site.check()


def test_connections_that_are_reset_at_random(site: Site) -> None:
    """Wherever a stream breaks off: nothing is lost, no result is half there, no worker ends."""
    chance = random.Random(SEED)
    over = threading.Event()
    with Proxy(site.dsn) as proxy:

        def reset() -> None:
            while not over.wait(chance.uniform(0.02, 0.2)):
                for line in list(proxy.lines):
                    if chance.random() < 1 / 3:
                        line.reset()

        workers = [site.fleet.start(dsn=proxy.dsn, **KEEN) for _ in range(2)]
        resetting = threading.Thread(target=reset)
        with load(site, clients=1, seconds=0.01) as clients:
            resetting.start()
            try:
                clients.wait_for_more(90)
            finally:
                over.set()
                resetting.join()
        site.wait_for_success(site.ledger.acknowledged)
        assert all(worker.alive for worker in workers)
        site.check()


def test_a_stream_that_stands_still(site: Site) -> None:
    """A statement that is never answered, nor refused, has an end; and work goes on, once each."""
    patience = {"FAULTS_PATCH": json.dumps(dict.fromkeys(SECONDS, 0.5))}
    with Proxy(site.dsn) as proxy:
        worker = site.fleet.start("--concurrency", "1", dsn=proxy.dsn, **KEEN, **patience)
        site.wait_for_success(site.work(1, 0))
        assert proxy.freeze("pynenc")
        site.wait_for_success(site.work(2, 0), timeout=10)  # claimed over a new one
        held = site.hold(1)
        site.wait_for_runs(held, 1)
        assert proxy.freeze("pynenc")
        site.open_gate()
        site.wait_for_success(held, timeout=10)  # and ended
        assert len(site.runs(held)) == 1
        assert "fenced" not in worker.said()
        site.fleet.stop()
    site.check()  # what the proxy held is gone now


def test_a_call_that_hangs_when_the_others_move_on(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that stands still has an end, also when its sessions were given up meanwhile."""
    monkeypatch.setattr(deadlines, "SECONDS", 0.5)
    with Proxy(site.dsn) as proxy, ThreadPoolExecutor(1) as pool:
        database = PgDatabase(proxy.dsn, app_id="any")
        assert database.call("select 1") == [(1,)]
        assert proxy.freeze("pynenc")
        hanging = pool.submit(database.call, "select 2")
        wait_for(lambda: bool(database._deadlines._running))
        database._empty()  # as after a failover
        assert database.call("select 3") == [(3,)]
        assert hanging.result(10) == [(2,)]
        database.close()


def test_a_session_that_hangs_while_it_is_set_up(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It does not keep others from being opened: of the pool, or a runner's home."""
    monkeypatch.setattr(sessions, "SECONDS", 0.5)
    with Proxy(site.dsn) as proxy:
        database = PgDatabase(proxy.dsn, app_id="any")
        proxy.arm("set_config", "before", stand_still)
        assert database.call("select 1") == [(1,)]
        proxy.arm("set_config", "before", stand_still)
        with pytest.raises(StoreUnavailableError):
            database.connect("home")
        database.connect("home").close()
        database.close()
        assert proxy.cuts == 2
