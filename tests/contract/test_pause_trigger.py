"""A trigger rests until it is told to go on; its causes wait meanwhile."""

from __future__ import annotations

from tests.contract.driver import Driver, hint
from tests.contract.triggers import counts, emit, fire, info, on_event, take, tell, trigger


def test_its_causes_wait(store: Driver) -> None:
    """Those that were there, and those that come; others are not affected."""
    tell(store, trigger(on_event()), trigger(on_event(), trigger_id="u"))
    emit(store)
    assert store.trigger.pause_trigger("t")
    emit(store)
    assert (info(store).paused, info(store, "u").paused) == (True, False)
    assert [one.trigger_id for one in take(store, "t", "u")] == ["u", "u"]
    assert counts(store) == (2, 0, 0, 0)
    ear = store.subscribe()
    assert store.trigger.pause_trigger("t", paused=False)
    hint(ear, "cause")
    assert len(take(store, "t")) == 2


def test_nobody_looks_for_what_rests(store: Driver) -> None:
    """Its causes are due, but for nobody."""
    tell(store, trigger(on_event()))
    emit(store)
    store.trigger.pause_trigger("t")
    assert (store.trigger.next_cause(), store.trigger.next_cause({"t": "1"})) == (None, None)


def test_it_stays_paused(store: Driver) -> None:
    """Twice is once; and a new version of it rests, too."""
    tell(store, trigger(on_event()))
    assert store.trigger.pause_trigger("t")
    assert store.trigger.pause_trigger("t")
    tell(store, trigger(on_event(), version="2"))
    assert info(store).paused
    emit(store)
    assert take(store, version="2") == []


def test_what_was_taken_before_may_fire(store: Driver) -> None:
    """It was on its way."""
    tell(store, trigger(on_event()))
    emit(store)
    taken = take(store)
    store.trigger.pause_trigger("t")
    fire(store, taken)
    assert counts(store) == (0, 0, 0, 1)


def test_there_is_no_such_trigger(store: Driver) -> None:
    """That is the answer, whichever way."""
    assert not store.trigger.pause_trigger("t")
    assert not store.trigger.pause_trigger("t", paused=False)
