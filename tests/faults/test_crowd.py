"""Many workers on one queue, more than there are cores, some of which die all along."""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Final

import pytest

from tests.acceptance.workers import wait_for
from tests.faults.fleet import Nursery
from tests.faults.server import own_server
from tests.faults.settings import KEEN
from tests.faults.site import Site

WORKERS: Final = 32
CALLS: Final = 3_000
#: Whoever dies often has bad luck here, and is not at fault.
SETTINGS: Final = KEEN | {"PYNENC__RUNNER__MAX_RECOVERIES": "1000"}
_DEADLOCKS: Final = "select deadlocks::int from pg_stat_database where datname = current_database()"
_LIVE: Final = "select count(*)::int from pynenc.invocation_state"
_TAKEN: Final = """select count(*)::int from pynenc.invocation_history
    where status = 'running_recovery'"""


@pytest.fixture
def wide_site(pattern: Path, bodies: str, nursery: Nursery, tmp_path: Path) -> Iterator[Site]:
    """A queue on a server with connections for all of them."""
    with own_server(pattern, "max_connections=300") as server:
        site = Site(server.dsn, bodies, nursery, tmp_path)
        yield site
        site.close()


def are_left(site: Site, at_most: int) -> bool:
    """Whether so few calls have not ended yet."""
    return bool(site.query(_LIVE)[0][0] <= at_most)


@pytest.mark.long
@pytest.mark.timeout(600)
def test_thirty_two_workers_of_which_many_die(wide_site: Site) -> None:
    """All is done, each effect once per attempt, without a deadlock, in spite of ``kill -9``."""
    site, fleet = wide_site, wide_site.fleet
    seed = int(os.environ.get("PYNENC_FAULT_SEED", "20261127"))
    chance = random.Random(seed)
    for _ in range(WORKERS):
        fleet.launch(**SETTINGS)
    for worker in fleet.workers:
        worker.wait_until_up(site.dsn)
    ids = site.work(CALLS // 2, 0.002) + site.work(CALLS // 2, 0.002, lane="some", slots=8)
    left, kills = CALLS, 0
    while left > CALLS // 10:
        part = left - CALLS // 30
        wait_for(partial(are_left, site, part), fleet.explain)
        chance.choice([worker for worker in fleet.workers if worker.alive]).kill()
        kills += 1
        fleet.launch(**SETTINGS)
        [(left,)] = site.query(_LIVE)
    site.wait_for_success(ids)
    assert kills > 10, seed
    assert site.query(_TAKEN)[0][0] > 0, seed
    assert len({pid for pid, *_ in site.runs(ids)}) > WORKERS // 2, seed
    site.check()
    assert site.query(_DEADLOCKS) == [(0,)], seed
