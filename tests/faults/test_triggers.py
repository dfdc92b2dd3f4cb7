"""Every cause fires once for each trigger, whoever dies between what happened and the call."""

from __future__ import annotations

import random
import signal
import time
from datetime import timedelta
from itertools import pairwise

import pytest

from tests.acceptance.workers import wait_for
from tests.faults.settings import HASTY, KEEN
from tests.faults.site import Site

SEED = 20_261_127
PACE = 0.4
REACTION = "tests.faults.tasks.reaction"
#: Whoever dies often has bad luck here, and is not at fault.
SETTINGS = KEEN | {"PYNENC__RUNNER__MAX_RECOVERIES": "50"}


@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    ("causes", "kills", "many"), [(250, 4, 4), pytest.param(10_000, 40, 8, marks=pytest.mark.long)]
)
def test_each_cause_fires_once(site: Site, causes: int, kills: int, many: int) -> None:
    """Workers are killed while they look and call: nothing is started twice, or never."""
    chance = random.Random(SEED)
    workers = [site.fleet.launch(**SETTINGS) for _ in range(many)]
    for worker in workers:
        worker.wait_until_up(site.dsn)
    for first in range(0, causes, 50):
        site.call("watched", *({"number": n} for n in range(first, first + 50)))
        if chance.random() < kills * 50 / causes:
            time.sleep(chance.uniform(0, PACE))
            workers.pop(chance.randrange(len(workers))).kill()
            workers.append(site.fleet.launch(**SETTINGS))
    site.wait_for_success(site.ledger.acknowledged)
    wait_for(lambda: _waiting(site) == 0, workers[0].explain, timeout=120)
    site.ledger.acknowledged += [i for (i,) in site.query(_STARTED, REACTION)]
    site.wait_for_success(site.ledger.acknowledged)
    # By a count of what is there, and not by what anybody remembers.
    [[fired, sources, started]] = site.query(
        """select count(*), count(distinct causes->0->>'source_id'), count(distinct invocation_id)
           from pynenc.trigger_run where reason is null"""
    )
    assert (fired, sources, started) == (causes, causes, causes)
    numbers = site.query(
        """select (o.value#>>'{}')::integer from pynenc.invocation i
           join pynenc.invocation_outcome o using (invocation_id) where i.task_id = %s""",
        REACTION,
    )
    assert sorted(n for (n,) in numbers) == list(range(causes))
    # Somebody must be there to see that the last one has died; who came last is counted, too.
    for worker in workers:
        worker.wait_until_up(site.dsn)
    wait_for(lambda: site.query("select count(*) from pynenc.runner") == [(many,)])
    site.check()


def test_causes_of_a_worker_that_died(site: Site) -> None:
    """They come back when it is declared dead, and not when their time is over."""
    frozen = site.fleet.start(**SETTINGS, FAULTS_PATCH='{"tests.faults.tasks.LINGERS": 60}')
    site.call("watched", {"number": 1})
    wait_for(lambda: bool(site.query(_TAKEN)), frozen.explain)
    other = site.fleet.start(**SETTINGS)
    began = time.monotonic()
    frozen.kill()
    wait_for(lambda: len(site.query(_STARTED, REACTION)) == 1, other.explain)
    assert time.monotonic() - began < 5


def test_a_leader_that_stands_still(site: Site) -> None:
    """Others note the ticks meanwhile; when it comes back, none has fired twice, and none never."""
    ticking = HASTY | {"FAULTS_TICKS": "1"}
    leader, *others = [site.fleet.start(**ticking) for _ in range(3)]
    wait_for(lambda: len(site.query(_TICKS)) >= 2, leader.explain)
    for _ in range(2):
        leader.signal(signal.SIGSTOP)
        time.sleep(2.5)
        leader.signal(signal.SIGCONT)
        time.sleep(1)
    before = len(site.query(_TICKS))
    wait_for(lambda: len(site.query(_TICKS)) > before, others[0].explain)
    for worker in (leader, *others):
        worker.stop()
    ticks = [at for (at,) in site.query(_TICKS)]
    assert len(ticks) >= 8
    assert {later - earlier for earlier, later in pairwise(ticks)} == {timedelta(seconds=1)}


_TICKS = """select (causes->0->>'at')::timestamptz from pynenc.trigger_run
where task_id = 'tests.faults.tasks.tick' order by 1"""
_STARTED = "select invocation_id::text from pynenc.invocation where task_id = %s"
_TAKEN = "select from pynenc.trigger_cause where taken_by is not null"


def _waiting(site: Site) -> int:
    [[count]] = site.query("select count(*) from pynenc.trigger_cause")
    return int(count)
