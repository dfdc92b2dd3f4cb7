"""Concurrency keys take turns: the flood of one does not starve another."""

from __future__ import annotations

import pytest

from tests.contract.driver import Driver

MANY = 1_000_000


def test_each_key_gets_its_share_of_a_claim(store: Driver) -> None:
    """One call of each key, then the second of each; what is left is for who has more."""
    a = store.in_lane(50, "a", slots=MANY)
    b = store.in_lane(2, "b", slots=MANY)
    c = store.in_lane(1, "c", slots=MANY)
    assert store.take(7) == [a[0], b[0], c[0], a[1], b[1], a[2], a[3]]


@pytest.mark.parametrize("limit", [1, 2, 3])
def test_turns_go_on_from_claim_to_claim(store: Driver, limit: int) -> None:
    """However little a claim takes, equal shares come out."""
    floods = {key: store.in_lane(20, key, slots=MANY) for key in "abc"}
    taken = [which for _ in range(12 // limit) for which in store.take(limit)]
    for flood in floods.values():
        assert sorted(i for i in taken if i in flood) == flood[:4]


def test_who_comes_late_waits_for_one_turn(store: Driver) -> None:
    """A flood that has waited for hours does not go before the first call of another key."""
    a = store.in_lane(50, "a", slots=MANY)
    store.let_pass(7200)
    assert store.take(2) == a[:2]
    b = store.in_lane(3, "b", slots=MANY)
    assert store.take(2) in ([a[2], b[0]], [b[0], a[2]])


def test_priority_comes_first_until_others_have_waited(store: Driver) -> None:
    """A point of priority is worth a minute of waiting, between keys as well."""
    low = store.in_lane(20, "low", slots=MANY, priority=0)
    assert store.take(1) == low[:1]
    high = store.in_lane(50, "high", slots=MANY, priority=5)
    assert store.take(5) == [high[0], *high[1:5]]
    store.let_pass(280)
    assert store.take(2) == high[5:7]
    store.let_pass(40)
    assert store.take(3) == [high[7], low[1], high[8]]


def test_without_a_key_it_is_by_rank(store: Driver) -> None:
    """Keys take turns among themselves, at the places in the order that are theirs by rank."""
    a = store.in_lane(3, "a", slots=MANY)
    free = store.register(1)
    b = store.in_lane(1, "b", slots=MANY)
    later = store.register(1)
    assert store.take(9) == [a[0], b[0], a[1], *free, a[2], *later]


def test_the_order_of_queues_goes_before_turns(store: Driver) -> None:
    """However long a key of a later queue has waited."""
    b = store.in_lane(1, "in b", queue="b", slots=MANY)
    store.let_pass(100)
    a = store.in_lane(2, "in a", queue="a", slots=MANY)
    assert store.take(1, "a", "b") == a[:1]
    assert store.take(2, "a", "b") == [a[1], *b]


def test_a_key_with_few_slots_leaves_its_share_to_others(store: Driver) -> None:
    """What one key may not take, others get; no claim comes back short."""
    few = {key: store.in_lane(9, key, slots=1) for key in "abcdef"}
    flood = store.in_lane(50, "flood", slots=MANY)
    taken = store.take(30)
    assert set(taken) == {ids[0] for ids in few.values()} | set(flood[:24])


def test_delayed_work_does_not_hold_up_its_key(store: Driver) -> None:
    """A key is not late because its first call was for later."""
    store.in_lane(1, "k", slots=MANY, delay=3600)
    now = store.in_lane(1, "k", slots=MANY)
    store.in_lane(5, "flood", slots=MANY)
    assert store.take(1) == now


@pytest.mark.parametrize("limit", [1, 2, 3])
def test_the_first_of_a_key_is_first(store: Driver, limit: int) -> None:
    """Also where its key was made by one of low priority, so that its turn comes late."""
    [low] = store.in_lane(1, "k", priority=-20)
    [usual] = store.in_lane(1, "k", slots=2)
    [other] = store.in_lane(1, "other")
    taken = [which for _ in range(3) for which in store.take(limit)]
    assert taken == [other, usual, low]


@pytest.mark.parametrize("limit", [1, 10])
def test_keys_whose_turn_comes_late_leave_it_to_others(store: Driver, limit: int) -> None:
    """All of a key that is on time go before all of those that are late."""
    late = [store.in_lane(1, key, slots=MANY, priority=-20)[0] for key in "abcdefghi"]
    late += [store.in_lane(1, key, slots=MANY)[0] for key in "abcdefghi"]
    flood = store.in_lane(20, "flood", slots=MANY)
    taken = [which for _ in range(20 // limit) for which in store.take(limit)]
    assert taken == flood
    assert set(store.take(18)) == {*late}
