"""Triggers are told by the code that has them; others of the same tasks go."""

from __future__ import annotations

from tests.contract.driver import Driver, drain, hint
from tests.contract.triggers import (
    STARTED,
    counts,
    emit,
    fire,
    info,
    on,
    on_event,
    take,
    tell,
    trigger,
    wait,
)


def test_what_was_told_can_be_read(store: Driver) -> None:
    """By id, with the definition as it was given, at rest."""
    tell(store, trigger(on("success"), trigger_id="b"), trigger(on_event(), trigger_id="a"))
    first, second = store.trigger.triggers()
    assert (first.trigger_id, second.trigger_id) == ("a", "b")
    assert (first.task_id, first.definition, first.version) == (STARTED, {"of": "1"}, "1")
    assert (first.paused, first.next_at, first.last_fired) == (False, None, None)
    assert counts(store, "a") == (0, 0, 0, 0)


def test_what_is_told_again_is_as_before(store: Driver) -> None:
    """Causes stay, and nobody is woken."""
    tell(store, trigger(on_event()))
    emit(store)
    ear = store.subscribe()
    tell(store, trigger(on_event()))
    assert drain(ear) == []
    assert counts(store) == (1, 0, 0, 0)


def test_what_is_new_wakes_runners(store: Driver) -> None:
    """A hint of its kind comes to those who work."""
    ear = store.subscribe()
    tell(store, trigger(on_event()))
    hint(ear, "cause")


def test_another_version_watches_something_else(store: Driver) -> None:
    """Its causes stay; what it watched before is noted no more."""
    tell(store, trigger(on_event("old")))
    emit(store, code="old")
    tell(store, trigger(on_event("new"), version="2"))
    emit(store, code="old")
    emit(store, code="new")
    assert take(store) == []
    taken = take(store, version="2")
    assert sorted(source.code or "" for one in taken for source in one.sources) == ["new", "old"]


def test_a_trigger_that_has_gone_drops_its_causes_visibly(store: Driver) -> None:
    """Whatever state they are in, each is told once; nothing of it is noted any more."""
    tell(store, trigger(on_event()), trigger(on("success"), trigger_id="kept"))
    events = {emit(store) for _ in range(3)}
    [taken, *_] = take(store)
    tell(store, trigger(on("success"), trigger_id="kept"))
    emit(store)
    assert [one.trigger_id for one in store.trigger.triggers()] == ["kept"]
    dropped = store.trigger.fired("t")
    assert [(one.reason, one.invocation_id, one.task_id) for one in dropped] == [
        ("removed", None, STARTED)
    ] * 3
    assert {cause["source_id"] for one in dropped for cause in one.causes} == events
    assert take(store) == []
    assert taken.cause_id


def test_a_pair_is_dropped_as_one(store: Driver) -> None:
    """What goes together is told together."""
    both = (on_event("a"), on_event("b"))
    tell(store, trigger(*both, pairs=True))
    lead, other = wait(store, "a", "b")
    assert store.trigger.pair_causes("t", [[lead, other]], [])
    tell(store)
    [dropped] = store.trigger.fired()
    assert (dropped.reason, [c["condition_id"] for c in dropped.causes]) == ("removed", ["a", "b"])


def test_triggers_of_other_tasks_stay(store: Driver) -> None:
    """Code that knows only some tasks speaks of these alone."""
    tell(store, trigger(on_event()))
    emit(store)
    other = trigger(on_event(), trigger_id="other", task_id="tests.other")
    tell(store, other, tasks=["tests.other"])
    tell(store, tasks=["tests.other"])
    assert [one.trigger_id for one in store.trigger.triggers()] == ["t"]
    assert counts(store) == (1, 0, 0, 0)


def test_what_has_gone_can_come_back(store: Driver) -> None:
    """It begins anew, but what it fired is still told; and it still rests if it was paused."""
    tell(store, trigger(on_event()))
    emit(store)
    fire(store, take(store))
    store.trigger.pause_trigger("t")
    tell(store)
    assert not store.trigger.pause_trigger("t", paused=False)
    tell(store, trigger(on_event()))
    assert counts(store) == (0, 0, 0, 1)
    emit(store)
    assert counts(store) == (1, 0, 0, 1)


def test_apps_have_triggers_of_their_own(store: Driver) -> None:
    """What one app tells, removes or emits is nothing to the other."""
    other = store.other_app()
    tell(store, trigger(on_event()))
    tell(other, trigger(on_event()))
    emit(other)
    tell(other)
    assert (counts(store), other.trigger.triggers()) == ((0, 0, 0, 0), [])
    event_id = emit(store)
    emit(other, event_id=event_id)
    assert counts(store) == (1, 0, 0, 0)
    assert info(store).definition == {"of": "1"}
