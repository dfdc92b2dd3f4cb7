"""Of a concurrency key no more run at once than it has slots."""

from __future__ import annotations

import pytest

from pynenc_pg.domain.records import Answer
from pynenc_pg.invocation.status import InvocationStatus
from tests.contract.driver import Driver, ids_of

S = InvocationStatus


@pytest.mark.parametrize("slots", [1, 3])
def test_no_more_are_taken_than_there_are_slots(store: Driver, slots: int) -> None:
    """A key's slots are filled by rank; the next one is parked, the others stay as they are."""
    ids = store.in_lane(6, slots=slots)
    assert store.take() == ids[:slots]
    rest = [S.CONCURRENCY_CONTROLLED] + [S.REGISTERED] * (5 - slots)
    assert store.statuses(ids) == [S.PENDING] * slots + rest
    assert store.path(ids[slots]) == [S.REGISTERED, S.CONCURRENCY_CONTROLLED]


def test_slots_are_counted_over_claims(store: Driver) -> None:
    """Slots taken before count; the key parks one when its last slot goes."""
    ids = store.in_lane(4, slots=2)
    assert store.take(1) == ids[:1]
    assert store.statuses(ids[1:]) == [S.REGISTERED] * 3
    assert store.take() == ids[1:2]
    assert store.statuses(ids[2:]) == [S.CONCURRENCY_CONTROLLED, S.REGISTERED]


def test_a_full_key_is_not_offered(store: Driver) -> None:
    """While a key is full, claims pass it by: they take other work and park no more of it."""
    ids = store.in_lane(4)
    store.take()
    before = store.statuses(ids)
    other = store.register()
    assert store.take() == other
    assert store.statuses(ids) == before


def test_the_next_by_rank_is_parked(store: Driver) -> None:
    """It is the one that would have been next that shows what it waits for."""
    low = store.in_lane(1, priority=-1)
    high = store.in_lane(2, priority=1)
    assert store.take() == high[:1]
    assert store.status(high[1]) is S.CONCURRENCY_CONTROLLED
    assert store.status(low[0]) is S.REGISTERED


def test_keys_do_not_hinder_each_other(store: Driver) -> None:
    """Each key has slots of its own, and work without a key needs none."""
    a, b, free = store.in_lane(2, "a"), store.in_lane(2, "b"), store.register(2)
    assert store.take() == [a[0], b[0], *free]


def test_keys_take_turns(store: Driver) -> None:
    """A key with much work does not keep others waiting when runners ask for little."""
    a = store.in_lane(3, "a", slots=3)
    b = store.in_lane(1, "b", slots=3)
    assert [store.take(1), store.take(1)] == [a[:1], b]


def test_a_slot_beyond_the_limit_is_given_back(store: Driver) -> None:
    """What was not taken for want of room in the claim takes no slot with it."""
    free = store.register(2, priority=100)
    ids = store.in_lane(1)
    assert store.take(2) == free
    assert store.status(ids[0]) is S.REGISTERED
    assert store.take(2) == ids


def test_what_must_not_wait_ends(store: Driver) -> None:
    """Beyond the slots it ends as CONCURRENCY_CONTROLLED_FINAL, all of it at once."""
    ids = store.in_lane(4, must_not_wait=True)
    assert store.take() == ids[:1]
    assert store.statuses(ids[1:]) == [S.CONCURRENCY_CONTROLLED_FINAL] * 3
    assert store.path(ids[1]) == [S.REGISTERED, S.CONCURRENCY_CONTROLLED_FINAL]
    outcome = store.state_backend.get_outcomes(ids)[ids[1]]
    assert (outcome.value, outcome.reason, outcome.runner_id) == (None, None, None)
    assert store.state_backend.get_history(ids[1])[-1].changed_by == store.worker


def test_what_must_not_wait_ends_at_a_full_key(store: Driver) -> None:
    """A key that was full before is looked at for those that must not wait."""
    [first] = store.in_lane(1)
    store.begin()
    patient = store.in_lane(1)
    hasty = store.in_lane(1, must_not_wait=True)
    assert store.take() == []
    assert store.status(hasty[0]) is S.CONCURRENCY_CONTROLLED_FINAL
    assert store.status(patient[0]) is S.REGISTERED
    assert store.status(first) is S.RUNNING


def test_what_must_not_wait_runs_where_there_is_room(store: Driver) -> None:
    """As long as a slot is free it is claimed like any other."""
    ids = store.in_lane(2, slots=2, must_not_wait=True)
    assert store.take() == ids


def test_what_is_not_due_does_not_wait_yet(store: Driver) -> None:
    """Delayed work is not ended at a full key before it is due."""
    store.in_lane(1)
    store.begin()
    [delayed] = store.in_lane(1, must_not_wait=True, delay=10)
    assert store.take() == []
    assert store.status(delayed) is S.REGISTERED


def test_a_key_holds_over_two_queues(store: Driver) -> None:
    """One key used in two queues has its slots once."""
    a = store.in_lane(2, queue="a")
    b = store.in_lane(2, queue="b")
    held = store.begin(9, "a")
    assert ids_of(held) == a[:1]
    assert store.take(9, "b") == []
    assert store.finish(held) == {a[0]: Answer.DONE}
    assert store.take(9, "b") == b[:1]
    assert store.take(9, "a") == []


def test_a_key_of_two_queues_parks_across_them(store: Driver) -> None:
    """Parked in one queue, it is rerouted by an end in the other."""
    a = store.in_lane(1, queue="a")
    b = store.in_lane(1, queue="b")
    held = store.begin(9, "a")
    assert (ids_of(held), store.status(b[0])) == (a, S.CONCURRENCY_CONTROLLED)
    store.finish(held)
    assert store.take(9, "b") == b


def test_a_later_call_may_raise_the_slots(store: Driver) -> None:
    """More slots let more run at once: also what was parked before."""
    ids = store.in_lane(3)
    assert store.take() == ids[:1]
    assert store.status(ids[1]) is S.CONCURRENCY_CONTROLLED
    more = store.in_lane(1, slots=4)
    assert store.status(ids[1]) is S.REROUTED
    assert store.take() == [*ids[1:], *more]


def test_raising_the_slots_wakes_as_many_as_have_room(store: Driver) -> None:
    """Of several parked ones the first by rank get the new slots."""
    ids = store.in_lane(5, slots=1)
    held = store.begin()
    store.in_lane(1, "k", slots=2)
    for _ in range(3):  # each claim that takes the last slot parks one more
        store.release(store.claim())
    store.finish(held)
    running = store.begin()
    assert len(running) == 2
    assert ids_of(running) == ids[1:3]


@pytest.mark.parametrize("ended", [[], [0], [0, 1], [1, 2], [0, 2], [0, 1, 2]])
def test_a_later_call_may_lower_the_slots(store: Driver, ended: list[int]) -> None:
    """What runs goes on; nothing more begins until fewer run than there are slots now."""
    store.in_lane(3, slots=3)
    held = store.begin()
    more = store.in_lane(3, slots=2)
    store.finish([held[i] for i in ended])
    room = max(0, 2 - (3 - len(ended)))
    assert store.take() == more[:room]


def test_lowered_slots_count_for_what_must_not_wait(store: Driver) -> None:
    """Where more run than the lowered slots, one that must not wait gets none of the freed."""
    store.in_lane(3, slots=3)
    held = store.begin()
    [hasty] = store.in_lane(1, slots=1, must_not_wait=True)
    store.finish(held[:1])
    assert store.take() == []
    assert store.status(hasty) is S.CONCURRENCY_CONTROLLED_FINAL


def test_a_key_means_nothing_to_another_app(store: Driver) -> None:
    """Two apps with the same concurrency key have slots of their own."""
    other = store.other_app()
    mine, theirs = store.in_lane(2), other.in_lane(2)
    assert (store.take(), other.take()) == (mine[:1], theirs[:1])


def test_no_work_of_a_key_is_stranded(store: Driver) -> None:
    """Claim after claim, all work of a key gets done, one after the other."""
    ids = store.in_lane(7, slots=2)
    done = []
    while held := store.begin(5):
        assert len(held) <= 2
        done += ids_of(held)
        store.finish(held)
    assert done == ids


def test_who_raised_the_slots_stands_in_history(store: Driver) -> None:
    """What is rerouted by a call that raises the slots was changed by that caller."""
    _, parked = store.in_lane(2)
    store.take()
    store.in_lane(1, slots=2, changed_by="the caller")
    entry = store.state_backend.get_history(parked)[-1]
    assert (entry.status, entry.changed_by) == (S.REROUTED, "the caller")
