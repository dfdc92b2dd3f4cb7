"""What causes start is registered together with their end, once."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime

import pytest

from pynenc_pg.domain.causes import Firing, Verdict
from pynenc_pg.exceptions import CausesLostError, DataRejectedError
from pynenc_pg.invocation.status import InvocationStatus
from tests.contract.driver import Driver
from tests.contract.triggers import (
    STARTED,
    TASK,
    counts,
    emit,
    fire,
    info,
    on,
    on_event,
    settle,
    take,
    tell,
    trigger,
)

S = InvocationStatus


def test_what_is_known_of_it(store: Driver) -> None:
    """Trigger, task, causes, arguments and what was started."""
    tell(store, trigger(on("success")))
    [source] = store.register()
    store.finish(store.begin())
    taken = take(store)
    [which] = fire(store, taken)
    assert (store.status(which), store.get(which).task_id) == (S.REGISTERED, STARTED)
    [fired] = store.trigger.fired()
    assert (fired.trigger_id, fired.task_id, fired.reason) == ("t", STARTED, None)
    assert (fired.invocation_id, json.loads(fired.arguments or "")) == (which, {"of": "a test"})
    [cause] = fired.causes
    assert datetime.fromisoformat(cause.pop("at")) == taken[0].sources[0].at  # type: ignore[attr-defined]
    assert cause == {
        "condition_id": "success", "source_id": source, "rev": 3, "status": "success"
    }  # fmt: skip
    assert (counts(store), info(store).last_fired) == ((0, 0, 0, 1), fired.fired_at)


def test_a_cause_fires_once(store: Driver) -> None:
    """Not again by who has fired it, nor by who had taken it before."""
    tell(store, trigger(on_event()))
    emit(store)
    before = take(store, seconds=1)
    store.let_pass(2)
    taken = take(store)
    for attempt in (before, taken, taken):
        if attempt is taken and not store.trigger.fired():
            fire(store, attempt)
            continue
        with pytest.raises(CausesLostError) as caught:
            fire(store, attempt)
        assert caught.value.causes == (taken[0].cause_id,)
    store.let_pass(1000)
    assert take(store) == []
    assert len(store.trigger.fired()) == len(store.claim()) == 1


def test_one_that_is_lost_holds_back_all(store: Driver) -> None:
    """Nothing is registered; the error names those that are lost, the others stay the caller's."""
    tell(store, trigger(on_event()), trigger(on("registered", about=STARTED), trigger_id="u"))
    for _ in range(4):
        emit(store)
    taken = take(store)
    settle(store, taken[1:2], Verdict.NO)
    settle(store, taken[3:], Verdict.PARK)
    with pytest.raises(CausesLostError) as caught:
        fire(store, taken)
    assert caught.value.causes == (taken[1].cause_id, taken[3].cause_id)
    assert "others have looked at them" in str(caught.value)
    assert (store.claim(), store.trigger.fired(), counts(store, "u")) == ([], [], (0, 0, 0, 0))
    fire(store, [taken[0], taken[2]])
    assert len(store.claim()) == 2


def test_a_call_that_cannot_be_kept_leaves_its_cause(store: Driver) -> None:
    """It is still the caller's, to be settled."""
    tell(store, trigger(on_event()))
    emit(store)
    taken = take(store)
    with pytest.raises(DataRejectedError):
        fire(store, taken, arguments="{")
    assert store.trigger.fired() == []
    assert settle(store, taken, Verdict.PARK, error="no JSON") == 1


def test_another_proof_is_none(store: Driver) -> None:
    """Only the number of the look that was the last."""
    tell(store, trigger(on_event()))
    emit(store)
    [taken] = take(store)
    for attempt in (0, 2):
        with pytest.raises(CausesLostError):
            fire(store, [replace(taken, attempt=attempt)])
    fire(store, [taken])


def test_a_call_that_becomes_another(store: Driver) -> None:
    """With registration concurrency it tells the invocation that it became."""
    tell(store, trigger(on_event()))
    [there] = store.register(keys=["k"], task_id=STARTED)
    for _ in range(3):
        emit(store)
    became = fire(store, take(store), keys=["k", "other", "other"])
    assert became[0] == there
    assert became[1] == became[2] != there
    fired = {run.invocation_id for run in store.trigger.fired()}
    assert (fired, len(store.trigger.fired())) == ({there, became[1]}, 3)


def test_five_hundred_at_once(store: Driver) -> None:
    """One call of the store, in the order of the batch."""
    tell(store, trigger(on("success")))
    store.register(500)
    store.finish(store.begin(500))
    taken = take(store, limit=500)
    assert len(taken) == 500
    became = fire(store, taken)
    runs = store.trigger.fired(limit=1000)
    started = {run.causes[0]["source_id"]: run.invocation_id for run in runs}
    assert started == {
        one.sources[0].source_id: which for one, which in zip(taken, became, strict=True)
    }
    assert len(set(started.values())) == len(store.claim(1000)) == 500


def test_a_chain_goes_on(store: Driver) -> None:
    """What a trigger starts is a cause for others, in the same transaction."""
    first = trigger(on_event())
    tell(store, first, trigger(on("registered", about=STARTED), trigger_id="next", task_id=TASK))
    emit(store)
    [which] = fire(store, take(store))
    [taken] = take(store, "next")
    assert taken.sources[0].source_id == which


def test_arguments_may_be_too_long_to_show(store: Driver) -> None:
    """Then none are kept with the firing."""
    tell(store, trigger(on_event()))
    emit(store)
    taken = take(store)
    fire(store, taken, firings=[Firing(taken[0].cause_id, 1, None)])
    assert store.trigger.fired()[0].arguments is None


def test_they_are_listed_the_latest_first(store: Driver) -> None:
    """Of one trigger or of all, so many."""
    tell(store, trigger(on_event()), trigger(on_event(), trigger_id="u"))
    started = []
    for _ in range(3):
        emit(store)
        for name in ("t", "u"):
            started += fire(store, take(store, name))
    assert [run.invocation_id for run in store.trigger.fired()] == started[::-1]
    assert [run.invocation_id for run in store.trigger.fired(limit=2)] == started[:3:-1]
    assert [run.invocation_id for run in store.trigger.fired("u", 2)] == [started[5], started[3]]
    assert store.trigger.fired("nobody") == []
