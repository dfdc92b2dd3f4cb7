"""An attempt that succeeded or failed ends its invocation, once and for ever."""

from __future__ import annotations

import pytest

from pynenc_pg.domain.ids import new_invocation_id
from pynenc_pg.domain.records import Answer, CancelAnswer, Ending, Hold, RecoveryPolicy
from pynenc_pg.exceptions import InvocationStatusTransitionError
from pynenc_pg.invocation.status import InvocationStatus
from tests.contract.driver import Driver, drain, hint, ids_of, stale

S = InvocationStatus
NO_JSON = ["", "{", "NaN", "-Infinity", "{'a': 1}", "[1,]", '"\0"', '"\ud800"', "1 2"]


@pytest.mark.parametrize(("status", "reason"), [(S.SUCCESS, None), (S.FAILED, "timeout")])
def test_the_end_is_kept(store: Driver, status: InvocationStatus, reason: str | None) -> None:
    """Status, value, reason and runner of the end can be read for ever after."""
    [which] = store.register()
    value = '{"b": 1e400,  "a": "\\u0000 \\ud800 é", "b": -0}'
    assert store.finish(store.begin(), value, status, reason=reason) == {which: Answer.DONE}
    outcome = store.state_backend.get_outcomes([which])[which]
    assert (outcome.status, outcome.value, outcome.reason) == (status, value, reason)
    record = store.get(which)
    assert (record.status, record.reason) == (status, reason)
    assert record.runner_id == outcome.runner_id == store.worker
    assert record.status_at == outcome.finished_at
    assert store.path(which) == [S.REGISTERED, S.PENDING, S.RUNNING, status]
    entry = store.state_backend.get_history(which)[-1]
    assert (entry.runner_id, entry.changed_by) == (store.worker, store.worker)


def test_no_endings_no_answers(store: Driver) -> None:
    """An empty batch is nothing."""
    assert store.finish([]) == {}


def test_a_repeat_is_already_done(store: Driver) -> None:
    """Ending again changes nothing, not even with another value."""
    [which] = store.register()
    held = store.begin()
    store.finish(held, "1")
    before = store.state_backend.get_outcomes([which])
    assert store.finish(held, "2", S.FAILED) == {which: Answer.ALREADY}
    assert store.state_backend.get_outcomes([which]) == before


def test_one_named_twice_in_a_batch_is_done(store: Driver) -> None:
    """A batch that names the same ending twice has done it."""
    [which] = store.register()
    [held] = store.begin()
    assert store.finish([held, held]) == {which: Answer.DONE}
    assert store.path(which)[-1] is S.SUCCESS


def test_a_bad_ending_spares_the_rest(store: Driver) -> None:
    """In a batch of every kind each one gets the answer it would get alone."""
    ids = store.register(6)
    done, ended, worn, pending, refused, last = store.claim()
    store.start([done, ended, worn, refused, last])
    store.finish([ended], "0")
    nobody = Hold(new_invocation_id(), 1)
    endings = [
        Ending(h.invocation_id, h.lease, S.SUCCESS, "{" if h is refused else "1")
        for h in (done, ended, stale(worn), pending, refused, nobody, last)
    ]
    assert store.orchestrator.finish(store.worker, endings) == {
        ids[0]: Answer.DONE,
        ids[1]: Answer.ALREADY,
        ids[2]: Answer.LOST,
        ids[3]: Answer.LOST,
        ids[4]: Answer.REFUSED,
        nobody.invocation_id: Answer.LOST,
        ids[5]: Answer.DONE,
    }
    expected = [S.SUCCESS, S.SUCCESS, S.RUNNING, S.PENDING, S.RUNNING, S.SUCCESS]
    assert store.statuses(ids) == expected
    outcomes = store.state_backend.get_outcomes(ids)
    assert {i: o.value for i, o in outcomes.items()} == {ids[0]: "1", ids[1]: "0", ids[5]: "1"}


@pytest.mark.parametrize("value", NO_JSON)
def test_a_value_that_is_not_json_is_refused(store: Driver, value: str) -> None:
    """What cannot be stored is refused, spares the rest, and may be ended with another value."""
    first, second = store.register(2)
    held = store.begin()
    endings = [
        Ending(first, held[0].lease, S.SUCCESS, value),
        Ending(second, held[1].lease, S.SUCCESS, "1"),
    ]
    answers = store.orchestrator.finish(store.worker, endings)
    assert answers == {first: Answer.REFUSED, second: Answer.DONE}
    assert store.statuses([first, second]) == [S.RUNNING, S.SUCCESS]
    assert store.finish(held[:1], '"could not be stored"', S.FAILED) == {first: Answer.DONE}


def test_only_its_runner_may_end_it(store: Driver) -> None:
    """The right lease in the wrong hand is lost."""
    [which] = store.register()
    held = store.begin()
    assert store.finish(held, runner=store.runner("thief")) == {which: Answer.LOST}
    assert store.status(which) is S.RUNNING


def test_a_stale_result_is_lost(store: Driver) -> None:
    """Work that was given to others is ended by them alone, as they say."""
    [which] = store.register()
    old = store.begin()
    store.lose(store.worker)
    store.orchestrator.recover(RecoveryPolicy())
    assert store.finish(old, "1") == {which: Answer.LOST}
    second = store.runner("second")
    new = store.begin(runner=second)
    assert store.finish(old, "1") == {which: Answer.LOST}
    assert store.finish(new, "2", runner=second) == {which: Answer.DONE}
    assert store.finish(old, "1") == {which: Answer.LOST}
    assert store.state_backend.get_outcomes([which])[which].value == "2"


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        (S.CONCURRENCY_CONTROLLED_FINAL, None),
        (S.KILLED, None),
        (S.PAUSED, None),
        (S.RETRY, "error"),
    ],
)
def test_no_other_end_is_written(
    store: Driver, status: InvocationStatus, reason: str | None
) -> None:
    """Only SUCCESS and FAILED end an attempt; anything else is refused or an error."""
    [which] = store.in_lane(1)
    [parked] = store.in_lane(1)
    held = store.begin()
    try:
        answers = store.finish(held, "1", status, reason=reason)
    except InvocationStatusTransitionError:
        answers = {which: Answer.REFUSED}
    assert answers == {which: Answer.REFUSED}
    assert store.statuses([which, parked]) == [S.RUNNING, S.CONCURRENCY_CONTROLLED]
    assert store.state_backend.get_outcomes([which]) == {}


def test_a_batch_that_is_an_error_changes_nothing(store: Driver) -> None:
    """Where an ending is against the state machine nothing of its batch is written."""
    ids = store.in_lane(2, slots=2)
    [parked] = store.in_lane(1, slots=2)
    good, bad = store.begin()
    endings = [
        Ending(good.invocation_id, good.lease, S.SUCCESS, "1"),
        Ending(bad.invocation_id, bad.lease, S.CONCURRENCY_CONTROLLED_FINAL, "1"),
    ]
    with pytest.raises(InvocationStatusTransitionError):
        store.orchestrator.finish(store.worker, endings)
    assert store.statuses(ids) == [S.RUNNING, S.RUNNING]
    assert store.status(parked) is S.CONCURRENCY_CONTROLLED


def test_the_end_lets_the_next_go_on(store: Driver) -> None:
    """The slot is free with the end, and the parked one of its key is ready again."""
    first, second, third = store.in_lane(3)
    held = store.begin()
    store.finish(held)
    assert store.statuses([first, second, third]) == [S.SUCCESS, S.REROUTED, S.REGISTERED]
    assert store.path(second) == [S.REGISTERED, S.CONCURRENCY_CONTROLLED, S.REROUTED]
    assert store.state_backend.get_history(second)[-1].changed_by == store.worker
    assert store.take() == [second]


def test_one_end_reroutes_one_by_rank(store: Driver) -> None:
    """Of several parked ones the first by rank goes on, the others stay parked."""
    low = store.in_lane(2, slots=2, priority=-1)
    held = store.begin(1)
    store.begin(1)  # full: nothing left to park
    middle = store.in_lane(1, slots=2)
    store.retry(held, delay=100)
    held = store.begin(1)
    assert ids_of(held) == middle
    first = store.in_lane(2, slots=2, priority=1)
    store.finish(held)
    held = store.begin(1)
    assert store.statuses(first) == [S.RUNNING, S.CONCURRENCY_CONTROLLED]
    store.finish(held)
    assert store.status(first[1]) is S.REROUTED
    assert store.status(low[1]) is S.RUNNING


def test_a_parked_one_that_ended_is_passed_by(store: Driver) -> None:
    """A parked one that was cancelled does not keep the slot from the next."""
    _, second, third = store.in_lane(3)
    held = store.begin()
    store.orchestrator.cancel(second)
    store.finish(held)
    assert store.take() == [third]


def test_a_refused_value_keeps_its_slot(store: Driver) -> None:
    """As long as it is not ended it counts."""
    _, second = store.in_lane(2)
    held = store.begin()
    store.finish(held, "{")
    assert store.status(second) is S.CONCURRENCY_CONTROLLED
    assert store.take() == []


def test_a_lost_ending_frees_nothing(store: Driver) -> None:
    """A stale lease does not free the slot of who holds it now."""
    _, second = store.in_lane(2)
    [held] = store.begin()
    store.finish([stale(held)])
    assert store.status(second) is S.CONCURRENCY_CONTROLLED


def test_an_end_outruns_a_cancellation(store: Driver) -> None:
    """What ended before it could be stopped has ended as it did."""
    [which] = store.register()
    held = store.begin()
    assert store.orchestrator.cancel(which) is CancelAnswer.REQUESTED
    assert store.finish(held, "7") == {which: Answer.DONE}
    assert store.get(which).reason is None
    assert store.orchestrator.cancel(which) is CancelAnswer.FINAL


def test_who_waits_is_told(store: Driver) -> None:
    """Whoever watches an invocation hears of its end, and of no other."""
    ear = store.subscribe(work=False)
    watched, other = store.register(2)
    assert store.orchestrator.watch([watched], ear.listener) == {}
    held = store.begin()
    store.finish(held[1:])
    store.finish(held[:1])
    assert hint(ear, "result").ids == (watched,)
    assert drain(ear) == []
    assert other not in store.orchestrator.watch([watched], ear.listener)


def test_a_freed_slot_wakes_runners(store: Driver) -> None:
    """A runner that sleeps hears that the next of a key is ready."""
    ear = store.subscribe()
    store.in_lane(2)
    held = store.begin()
    drain(ear)
    store.finish(held)
    hint(ear, "work")
