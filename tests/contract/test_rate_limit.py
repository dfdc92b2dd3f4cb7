"""Of a concurrency key with a rate limit no more begin in any period than it allows."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from pynenc_pg.domain.concurrency import RateLimit
from pynenc_pg.domain.ids import InvocationId
from pynenc_pg.domain.records import Answer
from pynenc_pg.invocation.status import InvocationStatus
from tests.contract.driver import Driver, hint
from tests.support.stores import PostgresStore

S = InvocationStatus
MANY = 1_000_000


def limited(
    store: Driver, n: int, rate: int, period: float = 60, slots: int = MANY, **facts: Any
) -> list[InvocationId]:
    """Register n calls of a key, of which ``rate`` may begin in ``period`` seconds."""
    return store.in_lane(n, slots=slots, rate_limit=RateLimit(rate, period), **facts)


def after(store: Driver, seconds: float) -> None:
    """Let time pass, and have what is due by then made ready."""
    store.let_pass(seconds)
    store.orchestrator.promote()


def test_no_more_than_the_limit_begin(store: Driver) -> None:
    """The first of the period begin, by rank; the others stay as they are until it is over."""
    ids = limited(store, 7, rate=3)
    assert store.take() == ids[:3]
    assert store.take() == []
    assert store.statuses(ids[3:]) == [S.REGISTERED] * 4
    after(store, 59)
    assert store.take() == []
    after(store, 2)
    assert store.take() == ids[3:6]
    after(store, 61)
    assert store.take() == ids[6:]


def test_the_period_slides(store: Driver) -> None:
    """In any period, whenever it begins, no more start than the limit says."""
    ids = limited(store, 6, rate=3)
    assert store.take(1) == ids[:1]
    after(store, 40)
    assert store.take() == ids[1:3]
    after(store, 21)  # the first start is 61 s old, the others 21 s
    assert store.take() == ids[3:4]
    after(store, 38)
    assert store.take() == []
    after(store, 2)
    assert store.take() == ids[4:]


def test_what_ends_gives_no_other_a_start(store: Driver) -> None:
    """The limit counts starts, not what runs; another attempt is another start."""
    ids = limited(store, 2, rate=2)
    held = store.begin(1)
    assert store.retry(held) == {ids[0]: Answer.DONE}
    [again] = store.begin(1)
    assert again.invocation_id == ids[0]
    store.finish([again])
    assert store.take() == []
    after(store, 61)
    assert store.take() == ids[1:]


def test_it_holds_over_runners_and_queues(store: Driver) -> None:
    """Whoever claims, from whichever queue, takes of the same allowance."""
    a = limited(store, 2, rate=2, queue="a")
    b = limited(store, 2, rate=2, queue="b")
    assert store.take(1, "a") == a[:1]
    second = store.runner("second")
    assert [c.invocation_id for c in store.claim(9, "b", runner=second)] == b[:1]
    assert store.take() == []


def test_slots_count_as_well(store: Driver) -> None:
    """Whichever of the two limits is reached first holds; only that of the slots parks."""
    ids = limited(store, 6, rate=3, slots=2)
    held = store.begin()
    assert [h.invocation_id for h in held] == ids[:2]
    assert store.status(ids[2]) is S.CONCURRENCY_CONTROLLED
    store.finish(held)
    assert store.take() == ids[2:3]
    assert store.statuses(ids[3:]) == [S.REGISTERED] * 3


def test_other_work_goes_on(store: Driver) -> None:
    """Other keys, and work without one, do not wait for it."""
    ids = limited(store, 2, rate=1)
    other, free = store.in_lane(1, "other"), store.register()
    assert set(store.take()) == {ids[0], *other, *free}
    assert store.take() == []


def test_only_what_is_taken_counts(store: Driver) -> None:
    """What a claim had no room for is no start."""
    free = store.register(2, priority=100)
    ids = limited(store, 2, rate=2)
    assert store.take(2) == free
    assert store.take() == ids


def test_what_must_not_wait_ends(store: Driver) -> None:
    """Beyond the limit it ends as CONCURRENCY_CONTROLLED_FINAL, also what comes later."""
    ids = limited(store, 3, rate=1, must_not_wait=True)
    assert store.take() == ids[:1]
    assert store.statuses(ids[1:]) == [S.CONCURRENCY_CONTROLLED_FINAL] * 2
    [late] = limited(store, 1, rate=1, must_not_wait=True)
    assert store.take() == []
    assert store.status(late) is S.CONCURRENCY_CONTROLLED_FINAL
    after(store, 61)
    [patient] = limited(store, 1, rate=1, must_not_wait=True)
    assert store.take() == [patient]


def test_runners_hear_when_it_goes_on(store: Driver) -> None:
    """Whoever uses the limit up says when the next may start; promote knows, and wakes runners."""
    ear = store.subscribe()
    limited(store, 3, rate=2)
    store.take()
    due = hint(ear, "due").due_in
    assert due is not None
    assert 50 < due <= 60
    next_due = store.orchestrator.promote().next_due
    assert next_due is not None
    assert 50 < next_due <= 60
    store.let_pass(61)
    promoted = store.orchestrator.promote()
    assert (promoted.count, promoted.next_due) == (0, None)
    hint(ear, "work")


def test_a_later_call_may_raise_it(store: Driver) -> None:
    """More may begin at once; what began before counts."""
    ids = limited(store, 4, rate=1)
    assert store.take() == ids[:1]
    more = limited(store, 1, rate=3)
    assert store.take() == ids[1:3]
    assert store.take() == []
    after(store, 61)
    assert store.take() == [ids[3], *more]


def test_a_later_call_may_lower_it(store: Driver) -> None:
    """Nothing begins until few enough began lately."""
    limited(store, 3, rate=3)
    store.take()
    more = limited(store, 2, rate=1)
    assert store.take() == []
    after(store, 61)
    assert store.take() == more[:1]


def test_a_later_call_may_lift_it(store: Driver) -> None:
    """Without a limit all may begin."""
    ids = limited(store, 3, rate=1)
    store.take()
    more = store.in_lane(1, slots=MANY)
    assert store.take() == [*ids[1:], *more]


def test_it_is_remembered_while_nothing_waits(store: Driver) -> None:
    """House-keeping forgets an idle key only when its starts count no longer."""
    limited(store, 1, rate=1)
    store.finish(store.begin())
    store.orchestrator.maintain()
    more = limited(store, 1, rate=1)
    assert store.take() == []
    after(store, 61)
    assert store.take() == more


def test_another_app_has_its_own(store: Driver) -> None:
    """The same key in another app has an allowance of its own."""
    other = store.other_app()
    mine, theirs = limited(store, 2, rate=1), limited(other, 2, rate=1)
    assert (store.take(), other.take()) == (mine[:1], theirs[:1])


def test_many_starts_are_noted_in_few_entries(store: Driver) -> None:
    """Starts close together are noted as one: they count until the last of them is too old."""
    ids = limited(store, 300, rate=250, period=1000)
    for n in range(200):
        assert store.take(1) == ids[n : n + 1]
        store.let_pass(0.5)
    if isinstance(store.store, PostgresStore):
        query = "select cardinality(started), next_at from {schema}.lane where app_id = %s"
        [[entries, next_at]] = store.store.database.call(query, (store.app_id,))
        assert (entries <= 12, next_at) == (True, None)
    assert store.take() == ids[200:250]
    after(store, 880)
    assert store.take() == []
    taken = []
    for _ in range(14):
        after(store, 10)
        taken += store.take()
    assert taken == ids[250:]


def test_starts_stand_apart_in_the_history(store: Driver) -> None:
    """By the times of the history every start is a period after the one as many before it."""
    ids = limited(store, 6, rate=2, period=0.2)
    began = []
    for _ in range(200):
        store.let_pass(0.01)
        store.orchestrator.promote()
        began += store.orchestrator.claim(store.worker, [], 9, begin_below=9)
    assert [c.invocation_id for c in began] == ids
    if not isinstance(store.store, PostgresStore):  # whose clock moves by itself
        times = [store.state_backend.get_history(i)[2].at.timestamp() for i in ids]
        assert all(b >= a for a, b in pairwise(times))
        assert all(late - early >= 0.2 for early, late in zip(times, times[2:], strict=False))
