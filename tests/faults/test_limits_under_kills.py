"""Limits hold while workers die: no key has more at work than it has slots."""

from __future__ import annotations

import random
import time
from collections.abc import Mapping

import psycopg
import pytest

from pynenc_pg.domain.concurrency import RateLimit
from tests.acceptance.workers import wait_for
from tests.faults.fleet import Worker
from tests.faults.site import Site
from tests.support.limits import most_at_once, most_begun, most_overlapping, spans_of_runs

SEED = 20_261_126
WORKERS = 5
#: Seconds between two deaths.
PACE = 0.3
SETTINGS = {
    "PYNENC__RUNNER__CONCURRENCY": "4",
    "PYNENC__RUNNER__GRACE": "0.2",
    "PYNENC__RUNNER__SWEEP": "0.2",
    # Whoever dies often has bad luck here, and is not at fault.
    "PYNENC__RUNNER__MAX_RECOVERIES": "50",
}


@pytest.mark.parametrize(
    ("keys", "of_each", "kills"), [(12, 10, 5), pytest.param(24, 14, 9, marks=pytest.mark.long)]
)
def test_no_key_has_more_at_work_than_slots_while_workers_die(
    site: Site, keys: int, of_each: int, kills: int
) -> None:
    """Of keys with one to three slots none is ever exceeded, and all that was accepted ends."""
    chance = random.Random(SEED)
    started = [site.fleet.launch(**SETTINGS) for _ in range(WORKERS)]
    for worker in started:
        worker.wait_until_up(site.dsn)
    slots = {f"key-{n}": 1 + n % 3 for n in range(keys)}
    _enqueue(site, slots, of_each, chance)
    for _ in range(kills):
        time.sleep(PACE)
        _busy_one(site, chance).kill()
        site.fleet.launch(**SETTINGS)
    site.wait_for_success(site.ledger.acknowledged)
    lanes = {which: key for which, (key, _) in site.ledger.lanes.items()}
    with psycopg.connect(site.dsn) as queue, psycopg.connect(site.bodies) as bodies:
        owned = most_at_once(queue, lanes)
        spans = spans_of_runs(queue, bodies, lanes)
    overlapping = most_overlapping(spans)
    print("runs:", len(spans), "of", len(lanes))  # noqa: T201 - with -s
    for most in (owned, overlapping):
        assert {key: n for key, n in most.items() if n > slots[key]} == {}
        assert {n for key, n in most.items() if n == slots[key]} == {1, 2, 3}  # it came to that
    assert len(spans) > len(lanes) + kills // 2  # what was killed ran again
    site.check()


def test_a_rate_limit_holds_while_workers_die(site: Site) -> None:
    """What begins anew counts again: never more in any half second than the limit says."""
    chance = random.Random(SEED)
    for worker in [site.fleet.launch(**SETTINGS) for _ in range(3)]:
        worker.wait_until_up(site.dsn)
    limit = RateLimit(10, 0.5)
    calls = site.work(50, 0.15, lane="rated", slots=1000, rate_limit=limit)
    for _ in range(4):
        time.sleep(PACE)
        _busy_one(site, chance).kill()
        site.fleet.launch(**SETTINGS)
    site.wait_for_success(calls)
    with psycopg.connect(site.dsn) as queue:
        assert most_begun(queue, dict.fromkeys(calls, "rated"), limit.period) == {"rated": 10}
    assert len(site.runs(calls)) > 50  # what was killed ran again
    site.check()


def _enqueue(site: Site, slots: Mapping[str, int], of_each: int, chance: random.Random) -> None:
    """Register the calls of all keys, in small batches and mixed up."""
    batches = [key for key in slots for _ in range(of_each // 2)]
    chance.shuffle(batches)
    for key in batches:
        calls = [{"number": n, "seconds": chance.uniform(0.05, 0.6)} for n in range(2)]
        site.call("work", *calls, lane=key, slots=slots[key])


def _busy_one(site: Site, chance: random.Random) -> Worker:
    """Return any of the workers that execute something, as soon as there is one."""
    found: list[Worker] = []

    def busy() -> bool:
        with psycopg.connect(site.bodies) as bodies:
            pids = {
                pid for (pid,) in bodies.execute("select pid from body_run where ended is null")
            }
        found[:] = [w for w in site.fleet.workers if w.alive and w.pid in pids]
        return bool(found)

    wait_for(busy, site.fleet.explain)
    return chance.choice(found)
