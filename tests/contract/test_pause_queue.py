"""A paused queue takes work in and gives none out."""

from __future__ import annotations

import pytest

from pynenc_pg.domain.records import Answer
from pynenc_pg.exceptions import DataRejectedError
from pynenc_pg.invocation.status import InvocationStatus
from tests.contract.driver import Driver, drain, hint

S = InvocationStatus


def test_it_gives_nothing_until_it_goes_on(store: Driver) -> None:
    """Work before and during the pause waits, and comes in its order after it."""
    before = store.register(queue="a")
    store.orchestrator.pause_queue("a")
    during = store.register(queue="a", priority=1)
    assert store.take(9, "a") == store.take() == []
    store.orchestrator.pause_queue("a", paused=False)
    assert store.take(9, "a") == [*during, *before]


def test_what_was_taken_goes_on(store: Driver) -> None:
    """A pause stops nothing that is owned; what is given back waits."""
    kept, given_back = store.register(2, queue="a")
    held = store.begin()
    store.orchestrator.pause_queue("a")
    assert store.finish(held[:1]) == {kept: Answer.DONE}
    assert store.retry(held[1:]) == {given_back: Answer.DONE}
    assert store.take() == []


def test_a_queue_may_be_paused_before_its_first_call(store: Driver) -> None:
    """The name is enough; saying it twice changes nothing."""
    for _ in range(2):
        store.orchestrator.pause_queue("later")
    [which] = store.register(queue="later")
    assert store.take() == []
    assert store.status(which) is S.REGISTERED


def test_others_go_on(store: Driver) -> None:
    """A pause is one queue's, of one app."""
    other = store.other_app()
    theirs = other.register(queue="a")
    store.register(queue="a")
    [free] = store.register(queue="b")
    store.orchestrator.pause_queue("a")
    assert store.take() == [free]
    assert other.take() == theirs


def test_a_key_of_two_queues_goes_on_in_the_open_one(store: Driver) -> None:
    """A concurrency key that stands in a paused queue too gives its slots to the other."""
    a, b = store.in_lane(1, queue="a"), store.in_lane(1, queue="b")
    store.orchestrator.pause_queue("a")
    assert store.take() == b
    assert store.status(a[0]) in {S.REGISTERED, S.CONCURRENCY_CONTROLLED}


def test_runners_are_told_when_it_goes_on(store: Driver) -> None:
    """Whoever sleeps hears that there may be work."""
    ear = store.subscribe()
    store.orchestrator.pause_queue("a")
    drain(ear)
    store.orchestrator.pause_queue("a", paused=False)
    hint(ear, "work")


@pytest.mark.parametrize("name", ["", "a b", "mail\n", "é"])
def test_a_name_no_queue_can_have_is_refused(store: Driver, name: str) -> None:
    """Pausing it is an error, not a queue that nobody can call into."""
    with pytest.raises(DataRejectedError):
        store.orchestrator.pause_queue(name)
    assert store.state_backend.get_queues() == []
