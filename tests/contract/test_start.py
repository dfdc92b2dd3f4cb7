"""What was claimed begins, by the hand of who claimed it."""

from __future__ import annotations

from pynenc_pg.domain.ids import new_invocation_id
from pynenc_pg.domain.records import Answer, CancelAnswer, Claimed, Hold, RecoveryPolicy
from pynenc_pg.invocation.status import InvocationStatus, Reason
from tests.contract.driver import Driver, stale

S = InvocationStatus


def test_what_is_held_begins(store: Driver) -> None:
    """Each one held is RUNNING, still with its owner."""
    ids = store.register(3)
    assert store.start(store.claim()) == dict.fromkeys(ids, Answer.DONE)
    record = store.get(ids[0])
    assert (record.status, record.runner_id) == (S.RUNNING, store.worker)
    assert store.path(ids[0]) == [S.REGISTERED, S.PENDING, S.RUNNING]
    entry = store.state_backend.get_history(ids[0])[-1]
    assert (entry.runner_id, entry.changed_by) == (store.worker, store.worker)


def test_no_holds_no_answers(store: Driver) -> None:
    """An empty batch is nothing."""
    assert store.start([]) == {}


def test_a_repeat_is_already_done(store: Driver) -> None:
    """Starting again after a lost reply changes nothing and says so."""
    [which] = store.register()
    held = store.begin()
    assert store.start(held) == {which: Answer.ALREADY}
    assert store.path(which) == [S.REGISTERED, S.PENDING, S.RUNNING]


def test_a_bad_hold_spares_the_rest(store: Driver) -> None:
    """Of a batch only what is not ours is lost."""
    good, guessed, worn, gone = store.register(4)
    [first, _, third, fourth] = store.claim()
    store.release([fourth])
    nobody = Hold(new_invocation_id(), 1)
    holds: list[Claimed | Hold] = [first, Hold(guessed, 0), stale(third), fourth, nobody]
    assert store.start(holds) == {
        good: Answer.DONE,
        guessed: Answer.LOST,
        worn: Answer.LOST,
        gone: Answer.LOST,
        nobody.invocation_id: Answer.LOST,
    }
    assert store.statuses([good, guessed, worn, gone]) == [
        S.RUNNING,
        S.PENDING,
        S.PENDING,
        S.REROUTED,
    ]


def test_only_its_runner_may_begin_it(store: Driver) -> None:
    """The right lease in the wrong hand is lost."""
    [which] = store.register()
    held = store.claim()
    assert store.start(held, store.runner("thief")) == {which: Answer.LOST}
    assert store.status(which) is S.PENDING


def test_an_old_lease_begins_nothing(store: Driver) -> None:
    """After it was given back and claimed again, only the new lease counts."""
    [which] = store.register()
    old = store.claim()
    store.release(old)
    new = store.claim()
    assert store.start(old) == {which: Answer.LOST}
    assert store.start(new) == {which: Answer.DONE}


def test_what_was_recovered_is_lost(store: Driver) -> None:
    """A runner that was too late to begin finds out."""
    [which] = store.register()
    held = store.claim()
    assert store.orchestrator.recover(RecoveryPolicy(max_pending=0)).rerouted == 1
    assert store.start(held) == {which: Answer.LOST}
    assert store.status(which) is S.REROUTED


def test_what_has_ended_is_lost(store: Driver) -> None:
    """Nothing begins again after its end."""
    [which] = store.register()
    held = store.begin()
    store.finish(held)
    assert store.start(held) == {which: Answer.LOST}


def test_a_cancelled_one_ends_instead(store: Driver) -> None:
    """Cancellation asked for while PENDING ends it at the start; its siblings begin."""
    cancelled, kept = store.register(2)
    held = store.claim()
    assert store.orchestrator.cancel(cancelled) is CancelAnswer.REQUESTED
    assert store.start(held) == {cancelled: Answer.LOST, kept: Answer.DONE}
    assert store.path(cancelled) == [S.REGISTERED, S.PENDING, S.REROUTED, S.FAILED]
    assert store.reason(cancelled) == Reason.CANCELLED
    assert store.state_backend.get_outcomes([cancelled])[cancelled].runner_id is None


def test_a_cancelled_one_frees_its_slot(store: Driver) -> None:
    """Ended at the start, it lets the next of its concurrency key go on."""
    first, second = store.in_lane(2)
    held = store.claim()
    store.orchestrator.cancel(first)
    assert store.start(held) == {first: Answer.LOST}
    assert store.status(second) is S.REROUTED
    assert store.take() == [second]


def test_what_has_begun_does_not_expire(store: Driver) -> None:
    """The time to begin in is over with the beginning, also after a retry."""
    [which] = store.register(expires_in=10)
    held = store.begin()
    store.let_pass(20)
    assert store.orchestrator.expire() == 0
    store.retry(held)
    assert store.orchestrator.expire() == 0
    assert store.take() == [which]
