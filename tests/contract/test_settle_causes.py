"""What came of looking, where it is no firing."""

from __future__ import annotations

from pynenc_pg.domain.causes import Look, Verdict
from tests.contract.driver import Driver, hint
from tests.contract.triggers import counts, emit, on_event, settle, take, tell, trigger, wait


def test_what_does_not_meet_its_condition_is_gone(store: Driver) -> None:
    """And nothing is told of it."""
    tell(store, trigger(on_event()))
    emit(store)
    assert settle(store, take(store), Verdict.NO) == 1
    assert counts(store) == (0, 0, 0, 0)
    assert store.trigger.fired() == []


def test_what_waits_is_not_looked_at(store: Driver) -> None:
    """It stays until others come for it."""
    tell(store, trigger(on_event()))
    emit(store)
    settle(store, take(store), Verdict.YES)
    assert counts(store) == (0, 1, 0, 0)
    store.let_pass(1000)
    assert take(store) == []


def test_later(store: Driver) -> None:
    """It is due again when its delay is over, and every look has its own proof."""
    tell(store, trigger(on_event()))
    emit(store)
    for attempt in (1, 2, 3):
        [taken] = take(store)
        assert taken.attempt == attempt
        assert settle(store, [taken], Verdict.LATER, delay=30, error="ZeroDivisionError") == 1
        assert take(store) == []
        store.let_pass(31)
    assert counts(store) == (1, 0, 0, 0)


def test_parked_and_retried(store: Driver) -> None:
    """It rests until somebody asks; the looks are counted anew, and runners are woken."""
    tell(store, trigger(on_event()))
    for _ in range(3):
        emit(store)
    settle(store, take(store, limit=2), Verdict.PARK, error="it failed")
    store.let_pass(1000)
    assert counts(store) == (1, 0, 2, 0)
    assert store.trigger.retry_causes("other") == 0
    ear = store.subscribe()
    assert store.trigger.retry_causes("t") == 2
    hint(ear, "cause")
    assert store.trigger.retry_causes("t") == 0
    assert [one.attempt for one in take(store)] == [1, 1, 1]


def test_each_has_its_own_verdict(store: Driver) -> None:
    """In one call; what was taken by others meanwhile, and what never was, are not counted."""
    tell(store, trigger(on_event()))
    for _ in range(5):
        emit(store)
    taken = take(store)
    verdicts = [Verdict.NO, Verdict.YES, Verdict.LATER, Verdict.PARK, Verdict.NO]
    looks = [
        Look(one.cause_id, one.attempt + (n == 4), verdict, 60)
        for n, (one, verdict) in enumerate(zip(taken, verdicts, strict=True))
    ]
    assert store.trigger.settle_causes([*looks, Look(10**15, 1, Verdict.NO)]) == 4
    assert counts(store) == (2, 1, 1, 0)
    assert store.trigger.settle_causes(looks[3:]) == 0
    assert store.trigger.settle_causes([]) == 0


def test_an_error_of_any_text(store: Driver) -> None:
    """What a user's function says is kept, whatever it is."""
    tell(store, trigger(on_event()))
    emit(store)
    assert settle(store, take(store), Verdict.PARK, error="a\x00b \N{SNOWMAN}") == 1


def test_a_set_that_is_refused_is_gone_as_a_whole(store: Driver) -> None:
    """What went with it does not stay behind."""
    tell(store, trigger(on_event("a"), on_event("b"), pairs=True))
    assert store.trigger.pair_causes("t", [wait(store, "a", "b")], [])
    assert settle(store, take(store), Verdict.NO) == 1
    tell(store)
    assert store.trigger.fired() == []
