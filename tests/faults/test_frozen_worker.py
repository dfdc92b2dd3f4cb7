"""A worker that stands still longer than its lease: others take over, what it brings is refused."""

from __future__ import annotations

import signal

from tests.acceptance.workers import wait_for
from tests.faults.site import Site

SHORT_LEASE = {
    "PYNENC__RUNNER__LEASE": "2",
    "PYNENC__RUNNER__HEARTBEAT": "0.5",
    "PYNENC__RUNNER__LEASE_MARGIN": "0.5",
}


def test_what_a_zombie_brings_is_refused_and_it_begins_anew(site: Site) -> None:
    """Frozen beyond its lease a worker is replaced; thawed, it is refused and works on."""
    zombie = site.fleet.start("--concurrency", "1", **SHORT_LEASE)
    held = site.hold(1)
    site.wait_for_runs(held, 1)
    zombie.signal(signal.SIGSTOP)
    other = site.fleet.start("--concurrency", "1", **SHORT_LEASE)
    site.wait_for_runs(held, 2)
    site.open_gate()
    site.wait_for_success(held)
    zombie.signal(signal.SIGCONT)
    wait_for(lambda: "runner.anew" in zombie.said(), zombie.explain)
    zombie.wait_until_up(site.dsn)
    assert [pid for pid, *_ in site.runs(held)] == [zombie.pid, other.pid]
    assert other.stop() == 0
    later = site.work(3, 0)
    site.wait_for_success(later)
    assert {pid for pid, *_ in site.runs(later)} == {zombie.pid}
    site.check()


def test_a_worker_frozen_alone_takes_its_own_work_up_again(site: Site) -> None:
    """With nobody else there, a thawed worker recovers what it held under its former name."""
    zombie = site.fleet.start("--concurrency", "2", **SHORT_LEASE)
    held = site.hold(1)
    site.wait_for_runs(held, 1)
    zombie.signal(signal.SIGSTOP)
    expired = "select 1 from pynenc.runner where lease_until < clock_timestamp()"
    wait_for(lambda: bool(site.query(expired)), site.fleet.explain)
    zombie.signal(signal.SIGCONT)
    site.wait_for_runs(held, 2)
    site.open_gate()
    site.wait_for_success(held)
    site.check()
