"""Connections of many workers are reset together, again and again."""

from __future__ import annotations

import time

import pytest

from tests.faults.load import load
from tests.faults.proxy import Proxy
from tests.faults.settings import KEEN
from tests.faults.site import Site

WORKERS = 4
#: One home, and the pool of a worker.
SESSIONS = 1 + 4
#: Connections a second that one worker may try to make while all are refused.
RATE = 10
REFUSED_FOR = 2.0
#: Until all go at full speed again.
BOUND = 10.0


@pytest.mark.parametrize("flaps", [8, pytest.param(20, marks=pytest.mark.long)])
def test_twenty_resets_of_all_workers_at_once(site: Site, flaps: int) -> None:
    """No storm: each comes back with what it had, without a hurry where it is sent away."""
    with Proxy(site.dsn) as proxy:
        workers = [site.fleet.launch(dsn=proxy.dsn, **KEEN) for _ in range(WORKERS)]
        for worker in workers:
            worker.wait_until_up(site.dsn)
        with load(site, clients=1, seconds=0, pause=0.1) as clients:
            clients.wait_for_more(20)
            before = len(proxy.lines)
            for _ in range(flaps):
                proxy.reset_all()
                time.sleep(0.1)
            made = len(proxy.lines) - before
            proxy.refuses = True
            proxy.reset_all()
            time.sleep(REFUSED_FOR)
            proxy.refuses = False
        print("connections:", made, "refused:", len(proxy.refused))  # noqa: T201 - with -s
        assert WORKERS <= made <= flaps * WORKERS * SESSIONS
        assert len(proxy.refused) <= WORKERS * REFUSED_FOR * RATE
        site.wait_for_success([*site.ledger.acknowledged, *site.work(40, 0.02)], timeout=BOUND)
        assert all(worker.alive for worker in workers)
        site.check()
