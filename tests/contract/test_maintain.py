"""House-keeping disturbs nobody."""

from __future__ import annotations

from pynenc_pg.domain.concurrency import RateLimit
from pynenc_pg.domain.records import Answer
from pynenc_pg.invocation.status import InvocationStatus
from tests.contract.driver import Driver
from tests.support.stores import MemoryStore, PostgresStore

S = InvocationStatus


def test_nothing_to_do_is_nothing_said(store: Driver) -> None:
    """Where nothing is left to do, nothing is told."""
    store.orchestrator.maintain()
    assert list(store.orchestrator.maintain()) == []


def test_a_key_without_work_is_forgotten(store: Driver) -> None:
    """A key whose work has all ended goes with it, and comes back with its next call."""
    store.in_lane(3, slots=2)
    while held := store.begin():
        assert _lanes(store) == 1
        store.finish(held)
    assert _lanes(store) == 0
    [cancelled] = store.in_lane(1)
    store.orchestrator.cancel(cancelled)
    store.in_lane(1, expires_in=10)
    store.let_pass(11)
    assert (store.orchestrator.expire(), _lanes(store)) == (1, 0)
    for key in ("one", "other"):  # the second call becomes the first, whose key is another one
        store.accept(1, keys=["same"], lanes=[key])
    assert _lanes(store) == 1
    store.finish(store.begin())
    assert _lanes(store) == 0
    ids = store.in_lane(3, slots=1)
    assert store.take() == ids[:1]


def test_a_key_whose_starts_counted_is_forgotten_later(store: Driver) -> None:
    """Its rate limit needs the starts of the period: house-keeping removes it after that."""
    store.in_lane(1, rate_limit=RateLimit(5, 60))
    store.finish(store.begin())
    assert (list(store.orchestrator.maintain()), _lanes(store)) == ([], 1)
    store.let_pass(61)
    assert [said for said in store.orchestrator.maintain() if "lane" in said]
    assert _lanes(store) == 0
    assert list(store.orchestrator.maintain()) == []


def _lanes(store: Driver) -> int:
    """Count the concurrency keys that the store knows."""
    if isinstance(store.store, PostgresStore):
        query = "select count(*) from {schema}.lane where app_id = %s"
        return int(store.store.database.call(query, (store.app_id,))[0][0])
    assert isinstance(store.store, MemoryStore)
    return len(store.store.database.lanes)


def test_a_key_in_use_stays(store: Driver) -> None:
    """Held, parked or waiting: as long as there is work of a key its slots count."""
    held_one, parked, waiting = store.in_lane(3)
    [later] = store.in_lane(1, "other", delay=60)
    held = store.begin()
    assert list(store.orchestrator.maintain()) == []
    assert store.statuses([held_one, parked, waiting]) == [
        S.RUNNING,
        S.CONCURRENCY_CONTROLLED,
        S.REGISTERED,
    ]
    assert store.take() == []
    assert store.finish(held) == {held_one: Answer.DONE}
    assert store.take() == [parked]
    assert store.status(later) is S.REGISTERED


def test_live_and_ended_work_stays(store: Driver) -> None:
    """What is within its retention is kept with its history."""
    ended, live = store.register(2)
    store.finish(store.begin(1))
    store.orchestrator.maintain()
    assert store.path(ended)[-1] is S.SUCCESS
    assert store.path(live) == [S.REGISTERED]
    assert store.state_backend.get_outcomes([ended]).keys() == {ended}
