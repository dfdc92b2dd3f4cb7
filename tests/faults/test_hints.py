"""Notifications that do not arrive: nothing depends on them."""

from __future__ import annotations

import json
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import psycopg
import pytest

from pynenc_pg.engine import results
from tests.acceptance.workers import wait_for
from tests.faults import tasks
from tests.faults.proxy import Proxy
from tests.faults.settings import KEEN, SLACK
from tests.faults.site import Site

#: An idle worker looks this often, told or not.
POLL = 1.0
BEAT = 1.0
DEAF = KEEN | {"PYNENC__RUNNER__POLL": str(POLL), "PYNENC__RUNNER__HEARTBEAT": str(BEAT)}
#: Whoever waits for others looks this often, told or not: 5 s, without this.
LOOK = 1.0
EAGER = {"FAULTS_PATCH": json.dumps({"pynenc_pg.engine.results.POLL": LOOK})}


def test_work_is_found_without_a_notification(site: Site) -> None:
    """A worker that hears nothing of new work finds it within the poll, and what falls due."""
    with Proxy(site.dsn) as proxy:
        site.fleet.start(dsn=proxy.dsn, **DEAF)
        site.wait_for_success(site.work(1, 0))
        proxy.deaf = True
        for delay in (0.0, 0.5):
            began = time.monotonic()
            site.wait_for_success(site.work(2, 0, delay=delay))
            # What is due is looked for with each heartbeat, what is ready with each poll.
            assert time.monotonic() - began < delay + BEAT * bool(delay) + POLL + site.slack
        site.check()


def test_work_that_others_were_roused_for(site: Site) -> None:
    """Where those that a hint names do not come, another idle worker looks within a second."""
    with psycopg.connect(site.dsn, autocommit=True) as admin:
        admin.execute(
            """create or replace function pynenc.rouse(p_app text, p_queue text, p_count integer)
            returns void language plpgsql as $$
            begin perform pynenc.notify(p_app, 'work', '["gone"]'); end $$"""
        )
    site.fleet.start(**KEEN | {"PYNENC__RUNNER__POLL": "60"})
    site.wait_for_success(site.work(1, 0))
    wait_for(lambda: bool(site.query("select from pynenc.runner where idle")))
    time.sleep(1.0)  # until then it looks by itself, now and then
    began = time.monotonic()
    site.wait_for_success(site.work(1, 0))
    assert time.monotonic() - began < 1.0 + site.slack
    site.check()


@pytest.mark.parametrize("task", ["parent", "async_parent"])
def test_a_parent_wakes_without_a_notification(site: Site, task: str) -> None:
    """A task that waits for a child gets its result, though nobody says that it has ended."""
    runner = {"PYNENC__RUNNER_CLS": "AsyncRunner"} if task == "async_parent" else {}
    with Proxy(site.dsn) as proxy:
        proxy.deaf = True
        deaf = site.fleet.start("--queues", "default", dsn=proxy.dsn, **DEAF, **EAGER, **runner)
        site.fleet.start("--queues", "children", **KEEN)
        calls = site.parents(task, 1)
        wait_for(lambda: "paused" in site.statuses(calls), deaf.explain)
        site.open_gate()
        site.wait_for_success(calls, timeout=LOOK + SLACK)
        site.adopt()
        site.check()


def test_a_client_gets_its_result_without_a_notification(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever waits for a result has it in the end, though nothing was heard of it."""
    monkeypatch.setattr(results, "POLL", LOOK)
    site.fleet.start(**KEEN)
    [held] = site.hold(1)
    site.wait_for_runs([held], 1)
    with Proxy(site.dsn) as proxy:
        monkeypatch.setattr(tasks.app.conf.postgres, "dsn", proxy.dsn)
        proxy.deaf = True
        with tasks.app as app, ThreadPoolExecutor(1) as pool:
            waiting = pool.submit(app.get_invocation(held).result_or_raise, 20)
            wait_for(lambda: bool(site.query("select from pynenc.wait_edge")))
            site.open_gate()
            assert waiting.result(LOOK + SLACK) == 0
    site.check()


def test_a_listener_stuck_in_a_transaction(site: Site) -> None:
    """A session that listens and never reads hinders nobody; its queue fills, slowly."""
    with closing(psycopg.connect(site.dsn)) as stuck:
        stuck.execute("listen pynenc")
        stuck.commit()
        stuck.execute("select 1")  # and so it stays
        site.fleet.start(**KEEN)
        began = time.monotonic()
        site.wait_for_success(site.work(20, 0))
        assert time.monotonic() - began < POLL + site.slack
        ((usage,),) = site.query("select pg_notification_queue_usage()")
        assert usage < 0.01
    site.check()
