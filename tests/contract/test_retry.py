"""An attempt may end with another one to follow."""

from __future__ import annotations

import pytest

from pynenc_pg.domain.ids import new_invocation_id
from pynenc_pg.domain.records import Again, Answer, CancelAnswer, Hold
from pynenc_pg.exceptions import InvocationStatusTransitionError
from pynenc_pg.invocation.status import SPENDING, InvocationStatus, Reason
from tests.contract.driver import Driver, drain, hint, ids_of, stale

S = InvocationStatus
LEGAL = [
    Reason.ERROR,
    Reason.TIMEOUT,
    Reason.SNOOZED,
    Reason.SLEEPING,
    Reason.EVENT,
    Reason.PAUSED,
]


@pytest.mark.parametrize("reason", LEGAL)
def test_it_is_ready_again(store: Driver, reason: Reason) -> None:
    """Without a delay it is ready at once; only errors and timeouts are counted."""
    [which] = store.register()
    assert store.retry(store.begin(), reason) == {which: Answer.DONE}
    record = store.get(which)
    assert (record.status, record.reason, record.runner_id) == (S.RETRY, reason, None)
    assert record.retries == int(reason in SPENDING)
    assert store.path(which) == [S.REGISTERED, S.PENDING, S.RUNNING, S.RETRY]
    [again] = store.claim()
    assert (again.invocation_id, again.retries) == (which, record.retries)
    assert (store.reason(which), again.recoveries) == (None, 0)


def test_retries_add_up(store: Driver) -> None:
    """The next attempt knows how many before it failed, and the end keeps the count."""
    [which] = store.register()
    for reason in (Reason.ERROR, Reason.SNOOZED, Reason.TIMEOUT, Reason.ERROR):
        store.retry(store.begin(), reason, error='{"type": "ValueError"}')
    [held] = store.begin()
    assert held.retries == 3
    store.finish([held])
    assert store.get(which).retries == 3


def test_a_delay_is_waited_for(store: Driver) -> None:
    """With a delay it is ready when that is over, and not before."""
    [which] = store.register()
    store.retry(store.begin(), delay=60)
    record = store.get(which)
    assert record.due_at is not None
    assert (record.due_at - record.status_at).total_seconds() == pytest.approx(60, abs=0.01)
    assert (store.take(), store.state_backend.count_ready()) == ([], 0)
    store.let_pass(61)
    assert store.orchestrator.promote().count == 1
    assert store.get(which).due_at is None
    assert store.take() == [which]


def test_no_attempts_no_answers(store: Driver) -> None:
    """An empty batch is nothing."""
    assert store.retry([]) == {}


def test_a_repeat_is_already_done(store: Driver) -> None:
    """Saying it again spends nothing, also when the next attempt has begun or all is over."""
    [which] = store.register()
    held = store.begin()
    store.retry(held)
    assert store.retry(held) == {which: Answer.ALREADY}
    assert store.get(which).retries == 1
    again = store.begin()
    assert store.retry(held) == {which: Answer.ALREADY}
    assert store.status(which) is S.RUNNING
    store.finish(again)
    assert store.retry(held) == {which: Answer.ALREADY}
    assert store.retry(again) == {which: Answer.LOST}


def test_one_named_twice_in_a_batch_is_done(store: Driver) -> None:
    """A batch that names the same attempt twice spends one retry."""
    [which] = store.register()
    [held] = store.begin()
    assert store.retry([held, held]) == {which: Answer.DONE}
    assert store.get(which).retries == 1


def test_a_bad_attempt_spares_the_rest(store: Driver) -> None:
    """In a batch of every kind each one gets the answer it would get alone."""
    ids = store.register(5)
    done, worn, pending, refused, last = store.claim()
    store.start([done, worn, refused, last])
    nobody = Hold(new_invocation_id(), 1)
    agains = [
        Again(h.invocation_id, h.lease, Reason.ERROR, 0, "{" if h is refused else "1")
        for h in (done, stale(worn), pending, refused, nobody, last)
    ]
    assert store.orchestrator.retry(store.worker, agains) == {
        ids[0]: Answer.DONE,
        ids[1]: Answer.LOST,
        ids[2]: Answer.LOST,
        ids[3]: Answer.REFUSED,
        nobody.invocation_id: Answer.LOST,
        ids[4]: Answer.DONE,
    }
    assert store.statuses(ids) == [S.RETRY, S.RUNNING, S.PENDING, S.RUNNING, S.RETRY]
    assert [store.get(i).retries for i in ids] == [1, 0, 0, 0, 1]


@pytest.mark.parametrize("error", ["", "{", "NaN", '"\0"', '"\ud800"'])
def test_an_error_that_is_not_json_is_refused(store: Driver, error: str) -> None:
    """What cannot be stored is refused, and the attempt may be ended otherwise."""
    [which] = store.register()
    held = store.begin()
    assert store.retry(held, error=error) == {which: Answer.REFUSED}
    assert store.retry(held, error='"in words"') == {which: Answer.DONE}
    assert store.get(which).retries == 1


def test_only_its_runner_may_retry_it(store: Driver) -> None:
    """The right lease in the wrong hand is lost."""
    [which] = store.register()
    held = store.begin()
    assert store.retry(held, runner=store.runner("thief")) == {which: Answer.LOST}
    assert store.status(which) is S.RUNNING


@pytest.mark.parametrize("reason", [r for r in Reason if r not in LEGAL])
def test_other_reasons_are_no_reason(store: Driver, reason: Reason) -> None:
    """A reason the state machine does not know for it leaves the whole batch as it was."""
    ids = store.in_lane(2, slots=2)
    good, bad = store.begin()
    agains = [
        Again(good.invocation_id, good.lease, Reason.ERROR, 5),
        Again(bad.invocation_id, bad.lease, reason, 5),
    ]
    with pytest.raises(InvocationStatusTransitionError):
        store.orchestrator.retry(store.worker, agains)
    assert store.statuses(ids) == [S.RUNNING, S.RUNNING]
    assert [store.get(i).retries for i in ids] == [0, 0]
    assert [store.get(i).due_at for i in ids] == [None, None]
    assert store.in_lane(1, slots=2)
    assert store.take() == []


def test_a_cancelled_one_ends_instead(store: Driver) -> None:
    """If its cancellation was asked for there is no next attempt; the answer is still done."""
    [which] = store.register()
    held = store.begin()
    assert store.orchestrator.cancel(which) is CancelAnswer.REQUESTED
    assert store.retry(held, delay=60) == {which: Answer.DONE}
    assert store.path(which)[-2:] == [S.RETRY, S.FAILED]
    record = store.get(which)
    assert (record.reason, record.retries, record.due_at) == (Reason.CANCELLED, 1, None)
    assert store.retry(held, delay=60) == {which: Answer.ALREADY}
    assert store.orchestrator.promote().count == 0


def test_the_slot_is_free_meanwhile(store: Driver) -> None:
    """While it waits for its next attempt, others of its key go on."""
    first, second = store.in_lane(2)
    held = store.begin()
    store.retry(held, delay=60)
    assert store.status(second) is S.REROUTED
    held = store.begin()
    assert ids_of(held) == [second]
    store.let_pass(61)
    store.orchestrator.promote()
    assert store.take() == []
    store.finish(held)
    assert store.take() == [first]


def test_a_retry_without_delay_competes_by_rank(store: Driver) -> None:
    """An older one that is tried again goes before the one that was parked behind it."""
    first, second = store.in_lane(2)
    store.retry(store.begin())
    assert store.statuses([first, second]) == [S.RETRY, S.REROUTED]
    assert store.take() == [first]
    assert store.status(second) is S.CONCURRENCY_CONTROLLED


@pytest.mark.parametrize(("delay", "kind"), [(0, "work"), (60, "due")])
def test_runners_are_told(store: Driver, delay: float, kind: str) -> None:
    """Runners hear of what is ready again, or of when it will be."""
    ear = store.subscribe()
    store.register()
    held = store.begin()
    drain(ear)
    store.retry(held, delay=delay)
    wakeup = hint(ear, kind)
    assert wakeup.due_in == (pytest.approx(60) if delay else None)
