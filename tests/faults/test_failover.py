"""A standby that lags behind takes over: what it had not got is gone whole, the rest goes on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import psycopg
import pytest

from tests.acceptance.workers import wait_for
from tests.faults.fleet import Nursery
from tests.faults.server import own_server
from tests.faults.site import Site
from tests.faults.standby import Standby, standby
from tests.support.stopwatch import Stopwatch

#: Seconds from the promotion until work is done again: T of the settings, and 5.
BOUND: Final = 8.0
_SERVED: Final = ("--queues", "default,children")


@pytest.fixture
def follower(pattern: Path) -> Iterator[Standby]:
    """A standby whose primary runs, too."""
    with own_server(pattern) as primary, standby(primary) as made:
        yield made


@pytest.fixture
def pair(follower: Standby, bodies: str, nursery: Nursery, tmp_path: Path) -> Iterator[Site]:
    """A queue on the two."""
    site = Site(follower.both(), bodies, nursery, tmp_path)
    yield site
    site.close()


def test_a_standby_that_lags_takes_over(pair: Site, follower: Standby) -> None:
    """The lost tail is unknown, and may be called again; what ended in it runs again; no id twice.

    A worker that was with the standby alone waits until it can be written.
    """
    site = pair
    workers = [site.fleet.start("--concurrency", "4", *_SERVED) for _ in range(2)]
    early = site.fleet.launch(*_SERVED, dsn=follower.dsn)
    kept = site.work(3, 0)
    site.wait_for_success(kept)
    ends_in_tail, goes_on, parents = site.hold(2), site.hold(2, "late"), site.parents("parent", 1)
    site.wait_for_runs([*ends_in_tail, *goes_on, *parents], 5)
    wait_for(lambda: len(site.adopt()) == 1 and "runner.waits" in early.said(), early.explain)
    follower.fall_behind()
    batch = site.client.batch("work", {"number": 7, "seconds": 0}, queue="nobody")
    queued, done, begun = site.client.send(batch), site.work(3, 0), site.hold(1, "late")
    site.open_gate()
    site.wait_for_success([*done, *ends_in_tail])
    site.wait_for_runs(begun, 1)
    follower.take_over()
    watch = Stopwatch()
    after = site.work(3, 0)
    site.wait_for_success([*after, *ends_in_tail], 20)
    print(f"done again after {watch.seconds:.1f} s")  # noqa: T201 - with -s
    assert watch.seconds < BOUND, site.fleet.explain()
    lost = [*queued, *done, *begun]
    assert site.statuses(lost) == {}
    assert len(site.runs(ends_in_tail)) == 4
    site.open_gate("late")
    site.wait_for_success([*goes_on, *parents])
    told = ("completion.lost", "runner.fenced")
    wait_for(lambda: any(word in w.said() for w in workers for word in told), site.fleet.explain)
    early.wait_until_up(site.dsn)
    _forget(site, lost)
    site.client.send(batch)
    site.fleet.start("--queues", "nobody")
    site.wait_for_success(queued)
    assert all(worker.alive for worker in site.fleet.workers)
    site.adopt()
    site.check()


def _forget(site: Site, lost: Sequence[str]) -> None:
    """Take from the records what the database cannot know: it was acknowledged, and is gone."""
    site.ledger.acknowledged = [i for i in site.ledger.acknowledged if i not in lost]
    with psycopg.connect(site.bodies, autocommit=True) as side:
        side.execute("delete from body_run where invocation_id = any (%s::uuid[])", (list(lost),))
