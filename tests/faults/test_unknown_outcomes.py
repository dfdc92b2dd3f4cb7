"""The connection is cut after a COMMIT was sent and before its answer came."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pynenc_pg.exceptions import OutcomeUnknownError
from tests.acceptance.workers import wait_for
from tests.faults.proxy import Proxy
from tests.faults.site import Client, Site


def test_a_cut_commit_is_repeated_and_gives_one_row(site: Site) -> None:
    """Register repeats itself after a cut; the call is there once and runs once."""
    with Proxy(site.dsn) as proxy:
        client = Client(proxy.dsn, site.ledger)
        client.send(client.batch("work", {"number": 0, "seconds": 0}))
        proxy.cut_after("register")
        client.send(client.batch("work", {"number": 1, "seconds": 0}))
        assert proxy.cuts == 1
        client.close()
    site.fleet.start()
    site.wait_for_success(site.ledger.acknowledged)
    site.check()


def test_an_unknown_outcome_is_named_and_safe_to_repeat(site: Site) -> None:
    """Cut each time, register says that the outcome is unknown; the same ids give one row."""
    with Proxy(site.dsn) as proxy:
        client = Client(proxy.dsn, site.ledger)
        batch = client.batch("work", {"number": 1, "seconds": 0})
        proxy.cut_after("register", times=9)
        with pytest.raises(OutcomeUnknownError, match="same ids is safe"):
            client.send(batch)
        assert proxy.cuts == 4
        proxy.cut_after("register", times=0)
        client.send(batch)
        assert site.query("select count(*)::int from pynenc.invocation") == [(1,)]
        client.close()
    site.fleet.start()
    site.wait_for_success(site.ledger.acknowledged)
    site.check()


def test_a_call_with_a_key_may_be_made_again(site: Site) -> None:
    """Who was told that the outcome is unknown calls again, with other ids: it is there once."""
    with Proxy(site.dsn) as proxy:
        client = Client(proxy.dsn, site.ledger)
        first, again = (
            replace(client.batch("work", {"number": 1, "seconds": 0}), key="order-17")
            for _ in range(2)
        )
        proxy.cut_after("register_once", times=9)
        with pytest.raises(OutcomeUnknownError):
            client.send(first)
        proxy.cut_after("register_once", times=0)
        client.send(again)
        assert site.query("select count(*)::int from pynenc.invocation") == [(1,)]
        client.close()
    site.fleet.start()
    [(which,)] = site.query("select invocation_id::text from pynenc.invocation")
    site.wait_for_success([which])


def test_a_lone_worker_survives_a_cut_in_any_verb(site: Site) -> None:
    """What a worker claims, begins or ends over a connection that is cut is done just once."""
    with Proxy(site.dsn) as proxy:
        quick = {"PYNENC__RUNNER__HEARTBEAT": "1", "PYNENC__RUNNER__MAX_PENDING_SECONDS": "1"}
        worker = site.fleet.start("--concurrency", "1", dsn=proxy.dsn, **quick)
        site.wait_for_success(site.work(2, 0))
        for cuts, verb in enumerate(("claim", "finish"), 1):
            # While its thread is busy it claims nothing: the next claim is one that finds work.
            calls = site.hold(1, verb)
            site.wait_for_runs(calls, 1)
            calls += site.work(4, 0.01)
            proxy.cut_after(verb)
            site.open_gate(verb)
            wait_for(lambda cuts=cuts: proxy.cuts == cuts, worker.explain)  # type: ignore[misc]
            site.wait_for_success(calls)
            assert len(site.runs(calls)) == 5
        site.check()


def test_what_a_lost_answer_gave_goes_back_at_once(site: Site) -> None:
    """Work that a claim has begun, and whose answer is lost, does not wait for anybody's death."""
    with Proxy(site.dsn) as proxy:
        worker = site.fleet.start("--concurrency", "1", dsn=proxy.dsn)
        # As above: the next claim is one that finds work.
        held = site.hold(1)
        site.wait_for_runs(held, 1)
        calls = site.work(3, 0)
        proxy.cut_after("claim")
        site.open_gate()
        wait_for(lambda: proxy.cuts == 1, worker.explain)
        site.wait_for_success([*held, *calls], timeout=10)
        assert len(site.runs(calls)) == 3
        lost = [path for path in map(site.history, calls) if "killed" in path]
        assert lost
        begun_and_given_back = ["registered", "pending", "running", "killed", "rerouted"]
        assert all(path[:5] == begun_and_given_back for path in lost)
        site.check()


@pytest.mark.parametrize("times", [pytest.param(1, marks=pytest.mark.long), 2])
def test_a_suspect_survives_a_cut_in_start(site: Site, times: int) -> None:
    """What is begun by itself, as it was recovered before, is begun once for all the cuts."""
    once = {"PYNENC__RUNNER__MAX_RECOVERIES": "1"}
    first = site.fleet.start("--concurrency", "1", **once)
    calls = site.hold(1)
    site.wait_for_runs(calls, 1)
    first.kill()
    with Proxy(site.dsn) as proxy:
        proxy.cut_after("start", times=times)
        second = site.fleet.start("--concurrency", "1", dsn=proxy.dsn, **once)
        wait_for(lambda: proxy.cuts == times, second.explain)
        site.open_gate()
        site.wait_for_success(calls)
        assert len(site.runs(calls)) == 2
        site.check()
