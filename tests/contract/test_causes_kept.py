"""How long what triggers leave is kept: house-keeping and purge."""

from __future__ import annotations

import json

from pynenc_pg.domain.causes import Verdict
from tests.contract.driver import Driver
from tests.contract.triggers import counts, emit, fire, info, on_event, settle, take, tell, trigger

WEEK = 7 * 86_400


def test_firings_are_kept_for_a_week(store: Driver) -> None:
    """Then they are gone; what is younger stays."""
    tell(store, trigger(on_event()))
    for pause in (23 * 3_600, WEEK - 22 * 3_600):
        emit(store)
        fire(store, take(store))
        store.let_pass(pause)
    store.orchestrator.maintain()
    [left] = store.trigger.fired()
    assert counts(store) == (0, 0, 0, 1)
    assert info(store).last_fired == left.fired_at


def test_an_event_is_kept_while_somebody_needs_it(store: Driver) -> None:
    """However old: its cause can still be looked at, and the same id is still the same event."""
    tell(store, trigger(on_event()))
    event_id = emit(store, {"order": 7})
    store.let_pass(WEEK + 60)
    store.orchestrator.maintain()
    emit(store, event_id=event_id)
    [taken] = take(store)
    assert json.loads(taken.sources[0].payload or "") == {"order": 7}
    settle(store, [taken], Verdict.NO)
    store.orchestrator.maintain()
    emit(store, event_id=event_id)
    assert counts(store) == (1, 0, 0, 0)


def test_purge_leaves_what_the_code_has_told(store: Driver) -> None:
    """What happened is gone, causes too; triggers, their schedules and their pause stay."""
    tell(store, trigger(on_event(), schedules=["cron"]))
    for _ in range(2):
        event_id = emit(store)
    fire(store, take(store, limit=1))
    [schedule] = store.trigger.schedules()
    store.trigger.pause_trigger("t")
    store.orchestrator.purge()
    assert (store.trigger.fired(), counts(store)) == ([], (0, 0, 0, 0))
    assert info(store).paused
    store.trigger.pause_trigger("t", paused=False)
    assert store.trigger.schedules() == [schedule]
    emit(store, event_id=event_id)
    assert counts(store) == (1, 0, 0, 0)


def test_what_is_parked_is_dropped_after_a_week(store: Driver) -> None:
    """Visibly; until then somebody may look."""
    tell(store, trigger(on_event()))
    emit(store)
    settle(store, take(store), Verdict.PARK)
    store.let_pass(WEEK - 60)
    store.orchestrator.maintain()
    assert info(store).parked == 1
    store.let_pass(120)
    store.orchestrator.maintain()
    assert info(store).parked == 0
    [dropped] = store.trigger.fired()
    assert (dropped.reason, dropped.invocation_id) == ("parked", None)
