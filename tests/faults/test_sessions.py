"""Sessions of a living worker end: it connects again before anybody takes its work."""

from __future__ import annotations

import pytest

from tests.acceptance.workers import wait_for
from tests.faults import tasks
from tests.faults.proxy import Proxy, hang_up
from tests.faults.site import Site


def test_a_living_worker_keeps_its_work_when_sessions_end(site: Site) -> None:
    """Whichever of its sessions are terminated, nothing that runs is begun a second time."""
    first = site.fleet.start()
    held = site.hold(2)
    site.wait_for_runs(held, 2)
    second = site.fleet.start()
    for name in ("pynenc home", "pynenc", "pynenc home"):
        _terminate(site, name)
        site.wait_for_success(site.work(10, 0.01))
        wait_for(lambda: _locks(site) == 2, site.fleet.explain)
    # More than the grace and a sweep: what was begun under a lock that is gone would be taken.
    site.wait_for_success(site.work(1, 1.6))
    site.open_gate()
    site.wait_for_success(held)
    assert len(site.runs(held)) == 2
    assert first.alive
    assert second.alive
    assert "runner.dead" not in first.said() + second.said()
    site.check()


def test_a_half_open_home_costs_a_worker_nothing(site: Site) -> None:
    """A home that only the worker sees broken is replaced, lock and all, before it is missed."""
    with Proxy(site.dsn) as proxy:
        worker = site.fleet.start(dsn=proxy.dsn)
        held = site.hold(1)
        site.wait_for_runs(held, 1)
        other = site.fleet.start()
        old = _holder(site, worker.pid)
        # The first line is the home; its server side stays open, as on a network that went away.
        proxy.half_cut(0)
        wait_for(lambda: _holder(site, worker.pid) not in (old, []), worker.explain, 10)
        hang_up(proxy.lines[0].server)
        site.wait_for_success(site.work(1, 1.6))
        assert "runner.dead" not in other.said()
        site.open_gate()
        site.wait_for_success(held)
        assert len(site.runs(held)) == 1
        site.check()


def test_results_arrive_over_sessions_that_end(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever waits for a result gets it, though its session for results was terminated."""
    monkeypatch.setattr(tasks.app.conf.postgres, "dsn", site.dsn)
    site.fleet.start()
    with tasks.app as app:
        assert app.get_invocation(site.work(1, 0)[0]).result_or_raise(20) == 0
        [held] = site.hold(1)
        site.wait_for_runs([held], 1)
        waiting = app.get_invocation(held)
        _terminate(site, "pynenc results")
        _terminate(site, "pynenc")
        site.open_gate()
        assert waiting.result_or_raise(20) == 0
    site.check()


def _terminate(site: Site, name: str) -> None:
    site.query(
        """select pg_terminate_backend(pid, 5000) from pg_stat_activity
           where application_name = %s and datname = current_database()""",
        name,
    )


_HOLDERS = """select l.pid from pynenc.runner r join pg_locks l on l.objid = r.serial::oid
    where l.locktype = 'advisory' and r.dead_at is null
      and l.database = (select oid from pg_database where datname = current_database())"""


def _locks(site: Site) -> int:
    """How many runners hold their lock."""
    return len(site.query(_HOLDERS))


def _holder(site: Site, pid: int) -> list[tuple[int]]:
    """Which session holds the lock of the runner in that process."""
    return site.query(f"{_HOLDERS} and r.pid = %s", pid)
