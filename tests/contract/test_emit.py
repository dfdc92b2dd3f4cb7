"""An event is written once, and noted for whoever watches its code."""

from __future__ import annotations

import json

import pytest

from pynenc_pg.domain.causes import NewEvent
from pynenc_pg.domain.ids import new_invocation_id
from pynenc_pg.exceptions import DataRejectedError
from tests.contract.driver import Driver, drain, hint
from tests.contract.triggers import counts, emit, fire, on_event, take, tell, trigger


def test_who_watches_it_has_a_cause(store: Driver) -> None:
    """With all that is known of the event; runners are woken."""
    tell(store, trigger(on_event()), trigger(on_event("other"), trigger_id="other"))
    ear = store.subscribe()
    event_id = emit(store, {"order": 7})
    hint(ear, "cause")
    [taken] = take(store, "t", "other")
    [source] = taken.sources
    assert (taken.trigger_id, taken.attempt, source.condition_id) == ("t", 1, "paid")
    assert (source.source_id, source.code) == (event_id, "paid")
    assert json.loads(source.payload or "") == {"order": 7}
    assert (source.status, source.task_id, source.value, source.last_at) == (None,) * 4


def test_each_trigger_and_condition_has_its_own(store: Driver) -> None:
    """One event, a cause for each that watches it."""
    two = (on_event(condition_id="one"), on_event(condition_id="two"))
    tell(store, trigger(*two), trigger(on_event(), trigger_id="u"))
    emit(store)
    assert (counts(store)[0], counts(store, "u")[0]) == (2, 1)


def test_what_nobody_watches_is_an_event_and_no_cause(store: Driver) -> None:
    """Who comes to watch it later does not see it, and nobody is woken."""
    tell(store, trigger(on_event("other")))
    ear = store.subscribe()
    emit(store)
    assert drain(ear) == []
    tell(store, trigger(on_event()))
    assert take(store, version="1") == []


def test_the_same_id_is_the_same_event(store: Driver) -> None:
    """Emitted twice it is one cause, also after that has fired."""
    tell(store, trigger(on_event()))
    event_id = emit(store)
    emit(store, event_id=event_id)
    fire(store, take(store))
    emit(store, {"other": 1}, event_id=event_id)
    assert counts(store) == (0, 0, 0, 1)


FILTERS = [
    ({"a": 1}, {"a": 1, "b": 2}, True),
    ({"a": 1}, {"a": 1.0}, True),
    ({"a": 1}, {"a": True}, False),
    ({"a": {"b": "x"}}, {"a": {"b": "x", "c": 1}}, True),
    ({"a": {"b": "x"}}, {"a": {"b": "y"}}, False),
    ({"a": None}, {"a": None}, True),
    ({"a": None}, {}, False),
    (None, None, True),
    (None, 0, False),
    ({}, {"a": 1}, True),
    ({}, 1, False),
    ("x", "x", True),
    ({"a": 1}, {"a": {"$ref": "0" * 64}}, True),  # known only when it is read
    ({"a": 1}, {"a": 2, "text": "\x00"}, True),  # jsonb cannot have it: not certain
    ({"a": 1}, {"a": 2, "text": "\ud800"}, True),
]


@pytest.mark.parametrize(("wanted", "payload", "noted"), FILTERS)
def test_a_filter_holds_back_what_cannot_meet_it(
    store: Driver, wanted: object, payload: object, noted: int
) -> None:
    """What certainly differs is no cause."""
    tell(store, trigger(on_event(filter={"payload": wanted})))
    emit(store, payload)
    assert len(take(store)) == int(noted)


@pytest.mark.parametrize("code", ["", " paid", "paid ", "a\nb", "a\x00b", "\ud800", "x" * 256])
def test_a_code_that_cannot_be_is_refused(store: Driver, code: str) -> None:
    """Nothing is written."""
    with pytest.raises(DataRejectedError):
        emit(store, code=code)


@pytest.mark.parametrize("code", ["x" * 255, "Bestellung bezahlt", "order.paid", "注文"])
def test_a_code_is_a_text(store: Driver, code: str) -> None:
    """Of any script, with spaces within."""
    tell(store, trigger(on_event(code)))
    emit(store, code=code)
    assert [source.code for one in take(store) for source in one.sources] == [code]


@pytest.mark.parametrize("payload", ["", "{", "NaN", '"\ud800"'])
def test_a_payload_must_be_json(store: Driver, payload: str) -> None:
    """Nothing is written."""
    with pytest.raises(DataRejectedError):
        store.trigger.emit(NewEvent(new_invocation_id(), "paid", payload))


def test_an_event_has_an_id(store: Driver) -> None:
    """A text that is none is refused."""
    with pytest.raises(DataRejectedError):
        emit(store, event_id="seven")
