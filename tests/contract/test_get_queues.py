"""The queues there are, and what stands in them."""

from __future__ import annotations

from dataclasses import replace

from pynenc_pg.domain.records import QueueInfo
from tests.contract.driver import Driver


def _queue(store: Driver, name: str) -> QueueInfo:
    [found] = [one for one in store.state_backend.get_queues() if one.name == name]
    return found


def test_a_call_or_a_pause_makes_a_queue(store: Driver) -> None:
    """By name, whatever the language of the database; another app's are not among them."""
    assert store.state_backend.get_queues() == []
    store.other_app().register(queue="theirs")
    store.register(2, queue="b")
    store.register(queue="a")
    store.register(queue="B")
    store.orchestrator.pause_queue("_")
    found = store.state_backend.get_queues()
    assert [(one.name, one.paused, one.ready) for one in found] == [
        ("B", False, 1),
        ("_", True, 0),
        ("a", False, 1),
        ("b", False, 2),
    ]


def test_each_stands_where_it_is(store: Driver) -> None:
    """Every live invocation is counted once, by where it stands; ended ones are not."""
    store.register(2, queue="a", delay=60)
    store.in_lane(2, queue="a")
    store.claim(9, "a")  # one is PENDING, the other parked
    store.register(5, queue="a")
    ended, tried, parent, resumed = store.begin(4, "a")
    store.finish([ended])
    store.retry([tried], delay=60)
    for held in (parent, resumed):
        store.pause(held, store.child(held, queue="b"))
    store.resume([resumed])
    assert replace(_queue(store, "a"), oldest_ready=None) == QueueInfo(
        "a", paused=False, ready=1, scheduled=3, parked=1, pending=1, running=1, waiting=1
    )
    assert _queue(store, "b").ready == 2


def test_paused_is_seen_until_it_goes_on(store: Driver) -> None:
    """What is ready is counted all the same; an empty queue stays in the list, also purged."""
    store.register(queue="a")
    store.orchestrator.pause_queue("a")
    assert (_queue(store, "a").paused, _queue(store, "a").ready) == (True, 1)
    store.orchestrator.purge()
    assert (_queue(store, "a").paused, _queue(store, "a").ready) == (True, 0)
    store.orchestrator.pause_queue("a", paused=False)
    assert not _queue(store, "a").paused


def test_how_long_the_oldest_is_ready(store: Driver) -> None:
    """Nothing while nothing is; how long that is, each store has a test of its own for."""
    assert store.register(queue="a", delay=600)
    store.register(queue="b", priority=-100)
    assert _queue(store, "a").oldest_ready is None
    for_now = _queue(store, "b").oldest_ready
    assert for_now is not None
    assert 0 <= for_now < 300
    store.let_pass(610)
    store.orchestrator.promote()
    assert _queue(store, "a").oldest_ready is not None
    [held] = store.begin(1, "a")
    assert _queue(store, "a").oldest_ready is None
    store.finish([held])
