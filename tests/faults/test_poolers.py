"""PgBouncer in front of the database: what works, what is switched off, and that it is said."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Literal

import psycopg
import pytest

from tests.acceptance.workers import wait_for
from tests.faults import tasks
from tests.faults.bouncer import bouncer, needs_pgbouncer
from tests.faults.fleet import Worker
from tests.faults.site import Site
from tests.faults.test_frozen_worker import SHORT_LEASE
from tests.faults.test_killed_worker import BOUND
from tests.faults.test_own_transactions import prepare, same

pytestmark = needs_pgbouncer

#: Longer than any test: what is found all the same, a hint has told of.
NO_POLL = {"PYNENC__RUNNER__POLL": "600"}
DIRECT = "PYNENC__POSTGRES__DIRECT_DSN"
_LOCKS = """select count(*)::int from pg_locks where locktype = 'advisory'
    and database = (select oid from pg_database where datname = current_database())"""
_HELD = f"{_LOCKS} and objid in (select serial::oid from pynenc.runner where dead_at is null)"


@contextmanager
def _pooled(site: Site, mode: Literal["session", "transaction"], size: int) -> Iterator[str]:
    """Put a pooler between; at the end nothing of ours is left in the sessions it goes on with."""
    with bouncer(site.dsn, mode, size) as dsn:
        yield dsn
        site.fleet.stop()
        if mode == "transaction":
            for query in ("show statement_timeout", "show lock_timeout"):
                [(default,)] = site.query(query)
                assert _as_strangers(dsn, query) == [default] * 2
            prepared = "select count(*)::text from pg_prepared_statements"
            assert _as_strangers(dsn, prepared) == ["0", "0"]
        wait_for(lambda: site.query(_LOCKS) == [(0,)])
    site.check()


def test_two_workers_share_two_sessions(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """80 tasks succeed, limits hold, nothing is left in sessions that others get; it is said."""
    with _pooled(site, "transaction", 2) as dsn:
        quick = {"PYNENC__RUNNER__POLL_WITHOUT_LISTEN": "0.1"}
        workers = [site.fleet.start(dsn=dsn, **quick) for _ in range(2)]
        ids = site.work(60, 0.01) + site.work(20, 0.01, lane="one by one", slots=2)
        site.wait_for_success(ids)
        monkeypatch.setattr(tasks.app.conf.postgres, "dsn", dsn)
        with tasks.app as app:
            assert [app.get_invocation(i).result_or_raise(20) for i in ids[:3]] == [0, 1, 2]
        assert {pid for pid, *_ in site.runs(ids)} == {worker.pid for worker in workers}
        for worker in workers:
            assert worker.said().count("postgres.pooled: ") == 1, worker.said()
            assert "42P05" not in worker.said()
            assert "prepared statement" not in worker.said()
        assert site.query(_HELD) == [(0,)]


def test_transactions_of_tasks_over_shared_sessions(site: Site) -> None:
    """Twenty tasks write with their ends over two sessions; nothing is left in those."""
    prepare(site)
    with _pooled(site, "transaction", 2) as dsn:
        quick = {"PYNENC__RUNNER__POLL_WITHOUT_LISTEN": "0.1"}
        for runner in ("ThreadRunner", "AsyncRunner"):
            site.fleet.start("--runner", runner, dsn=dsn, **quick)
        words = [f"w{n:02}" for n in range(20)]
        for task in ("deposit", "deposit_later"):
            site.wait_for_success(site.call(task, *({"word": word} for word in words)))
        assert same(site) == sorted(words * 2)


def test_a_shared_session_costs_a_second_not_ten(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With default settings, what is due is begun and a result comes some looks later at most."""
    with _pooled(site, "transaction", 2) as dsn:
        site.fleet.start(dsn=dsn)
        site.wait_for_success(site.work(1, 0, delay=1.0), timeout=5)
        monkeypatch.setattr(tasks.app.conf.postgres, "dsn", dsn)
        with tasks.app as app:
            [held] = site.hold(1)
            site.wait_for_runs([held], 1)
            ended = [app.get_invocation(i) for i in site.work(20, 0)]
            site.wait_for_success([one.invocation_id for one in ended])
            site.open_gate()
            assert app.get_invocation(held).result_or_raise(3) == 0
            # Each is asked for by itself: had each to wait for a look, it would take 20 s.
            began = time.monotonic()
            assert [one.result_or_raise(5) for one in ended] == list(range(20))
            assert time.monotonic() - began < 8


def test_a_worker_that_is_killed_behind_it_is_missed_by_its_lease(site: Site) -> None:
    """No lock tells of the death, nor of one that did not happen: what lives is let live."""
    with _pooled(site, "transaction", 2) as dsn:
        victim, held = _victim(site, dsn, **SHORT_LEASE)
        other = site.fleet.start(dsn=dsn, **SHORT_LEASE)
        victim.kill()
        site.wait_for_runs(held, 2, timeout=8)  # 2 s of lease, and looks
        site.open_gate()
        site.wait_for_success(held)
        assert [pid for pid, *_ in site.runs(held)] == [victim.pid, other.pid]
        assert len(re.findall("runner.dead: ", other.said())) == 1
        assert "runner.fenced" not in other.said()


@pytest.mark.parametrize("way", ["direct_dsn", "session"])
def test_with_sessions_of_its_own_nothing_is_switched_off(
    site: Site, way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Round the pooler, or behind one in session mode: locks, hints, and recovery within 2 s."""
    if way == "session":
        behind, direct = _pooled(site, "session", 30), {}
    else:
        behind, direct = _pooled(site, "transaction", 2), {DIRECT: site.dsn}
    with behind as dsn:
        victim, held = _victim(site, dsn, **NO_POLL, **direct)
        other = site.fleet.start(dsn=dsn, **NO_POLL, **direct)
        assert site.query(_HELD) == [(2,)]
        site.wait_for_success(site.work(1, 0, delay=1.0), timeout=8)
        victim.kill()
        site.wait_for_runs(held, 2, timeout=BOUND)
        monkeypatch.setattr(tasks.app.conf.postgres, "dsn", dsn)
        monkeypatch.setattr(tasks.app.conf.postgres, "direct_dsn", direct.get(DIRECT))
        with tasks.app as app:
            waiting = app.get_invocation(held[0])
            site.open_gate()
            assert waiting.result_or_raise(20) == 0
        assert "postgres.pooled" not in victim.said() + other.said()
        assert other.said().count("postgres.pooler: ") == 1


def test_a_home_behind_a_pooler_comes_back(site: Site) -> None:
    """Its session at the server ends: it gets another one, takes its lock and keeps its work."""
    with _pooled(site, "session", 30) as dsn:
        worker, held = _victim(site, dsn)
        other = site.fleet.start(dsn=dsn)
        for _ in range(2):
            site.query(
                """select pg_terminate_backend(pid, 5000) from pg_stat_activity
                   where application_name = 'pynenc home' and datname = current_database()"""
            )
            site.wait_for_success(site.work(1, 0.01))
            wait_for(lambda: site.query(_HELD) == [(2,)], site.fleet.explain)
        # More than the grace and a sweep: what was begun under a lock that is gone would be taken.
        site.wait_for_success(site.work(1, 1.6))
        site.open_gate()
        site.wait_for_success(held)
        assert len(site.runs(held)) == 1
        assert "runner.dead" not in worker.said() + other.said()


def _victim(site: Site, dsn: str, **environment: str) -> tuple[Worker, list[Any]]:
    """Start a worker that runs a task until the gate is open."""
    worker = site.fleet.start(dsn=dsn, **environment)
    held = site.hold(1)
    site.wait_for_runs(held, 1)
    return worker, list(held)


def _as_strangers(dsn: str, query: str) -> list[str]:
    """Ask each of the pooler's two sessions, as clients that have nothing to do with us."""
    with psycopg.connect(dsn) as one, psycopg.connect(dsn) as two:
        pids, answers = set(), []
        for client in (one, two):
            client.prepare_threshold = None
            pids.add(client.execute("select pg_backend_pid()").fetchone())
            answers.append(str((client.execute(query.encode()).fetchone() or [None])[0]))
        assert len(pids) == 2
        return answers
