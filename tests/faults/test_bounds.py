"""The times that are promised where the server or a worker stands still."""

from __future__ import annotations

import signal
import time
from bisect import bisect_left
from collections.abc import Sequence

import pytest

from tests.acceptance.workers import wait_for
from tests.faults.server import OwnServer
from tests.faults.site import Site

#: Seconds from the moment the server accepts connections until all goes as fast as before.
FULL_SPEED = 10.0
#: Of the rate before, over a second: a count of whole tasks is never exact.
SHARE = 0.8


@pytest.mark.long
def test_full_speed_soon_after_a_restart(own_site: Site, server: OwnServer) -> None:
    """Ten seconds after an immediate restart as many tasks end in a second as before it."""
    site = own_site
    for _ in range(2):
        site.fleet.start("--concurrency", "4")
    site.work(1, 0)
    calls = site.work(230, 0.25)  # 32 a second
    site.client.close()
    wait_for(lambda: site.statuses(calls).get("success", 0) >= 50, site.fleet.explain)
    ((stopped,),) = site.query("select extract(epoch from clock_timestamp())::float8")
    server.restart(signal.SIGQUIT, pause=0.5)
    ((back,),) = site.query("select extract(epoch from clock_timestamp())::float8")
    site.wait_for_success(calls)
    ends = _ends(site)
    rate = _ended(ends, stopped - 1.0)
    assert rate > 10  # there was something to lose
    took = next(t for t in range(100) if _ended(ends, back + t / 10) >= SHARE * rate) / 10
    print(f"{rate} a second before; again after {took:.1f} s")  # noqa: T201 - with -s
    assert took + 1.0 < FULL_SPEED
    site.check()


@pytest.mark.long
def test_a_frozen_worker_is_replaced_in_time_by_default(site: Site) -> None:
    """With default settings its work begins anew within lease, sweep and poll."""
    zombie = site.fleet.start()
    held = site.hold(2)
    site.wait_for_runs(held, 2)
    site.fleet.start()
    zombie.signal(signal.SIGSTOP)
    began = time.monotonic()
    site.wait_for_runs(held, 4, timeout=60)
    took = time.monotonic() - began
    print(f"frozen, and replaced after {took:.1f} s")  # noqa: T201 - with -s
    assert took < 30 + 0.5 + 5 + site.slack
    zombie.signal(signal.SIGCONT)
    site.open_gate()
    site.wait_for_success(held)
    wait_for(lambda: "runner.anew" in zombie.said(), zombie.explain)
    zombie.wait_until_up(site.dsn)
    site.check()


def _ends(site: Site) -> list[float]:
    """When tasks ended, in order."""
    query = "select extract(epoch from finished_at)::float8 from pynenc.invocation_outcome"
    return sorted(at for (at,) in site.query(query))


def _ended(ends: Sequence[float], begin: float) -> int:
    """How many in the second from then on."""
    return bisect_left(ends, begin + 1.0) - bisect_left(ends, begin)
