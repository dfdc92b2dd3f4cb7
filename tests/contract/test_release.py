"""A runner that stops gives back what it holds."""

from __future__ import annotations

from pynenc_pg.domain.ids import RunnerId, new_invocation_id
from pynenc_pg.domain.records import Answer, Hold
from pynenc_pg.invocation.status import InvocationStatus, Reason
from tests.contract.driver import Driver, drain, hint, stale

S = InvocationStatus


def test_what_was_not_begun_is_rerouted(store: Driver) -> None:
    """PENDING goes back as it came, to be claimed again with a greater lease."""
    [which] = store.register()
    [held] = store.claim()
    assert store.release([held]) == {which: Answer.DONE}
    record = store.get(which)
    assert (record.status, record.runner_id, record.reason) == (S.REROUTED, None, None)
    assert store.path(which) == [S.REGISTERED, S.PENDING, S.REROUTED]
    [again] = store.claim()
    assert (again.invocation_id, again.lease > held.lease) == (which, True)


def test_what_was_begun_is_killed_first(store: Driver) -> None:
    """RUNNING is stopped and rerouted, in one step for everybody else."""
    [which] = store.register()
    held = store.begin()
    assert store.release(held) == {which: Answer.DONE}
    assert store.path(which) == [S.REGISTERED, S.PENDING, S.RUNNING, S.KILLED, S.REROUTED]
    assert {e.changed_by for e in store.state_backend.get_history(which)[1:]} == {store.worker}
    assert store.take() == [which]


def test_it_spends_nothing(store: Driver) -> None:
    """Stopping a runner costs no retry and no recovery, however often."""
    [which] = store.register()
    for _ in range(5):
        store.release(store.begin())
    record = store.get(which)
    assert (record.retries, record.recoveries) == (0, 0)


def test_no_holds_no_answers(store: Driver) -> None:
    """An empty batch is nothing."""
    assert store.release([]) == {}


def test_a_bad_hold_spares_the_rest(store: Driver) -> None:
    """Of a batch only what is not ours is lost."""
    ids = store.register(4)
    good, worn, ended, last = store.begin()
    store.finish([ended])
    nobody = Hold(new_invocation_id(), 1)
    assert store.release([good, stale(worn), ended, nobody, last]) == {
        ids[0]: Answer.DONE,
        ids[1]: Answer.LOST,
        ids[2]: Answer.LOST,
        nobody.invocation_id: Answer.LOST,
        ids[3]: Answer.DONE,
    }
    assert store.statuses(ids) == [S.REROUTED, S.RUNNING, S.SUCCESS, S.REROUTED]


def test_one_named_twice_in_a_batch_is_done(store: Driver) -> None:
    """A batch that names the same hold twice gives it back."""
    [which] = store.register()
    [held] = store.begin()
    assert store.release([held, held]) == {which: Answer.DONE}
    assert store.path(which)[-2:] == [S.KILLED, S.REROUTED]


def test_only_its_runner_may_give_it_back(store: Driver) -> None:
    """The right lease in the wrong hand is lost."""
    [which] = store.register()
    held = store.begin()
    assert store.release(held, store.runner("thief")) == {which: Answer.LOST}
    assert store.status(which) is S.RUNNING


def test_a_repeat_is_lost(store: Driver) -> None:
    """What was given back is not ours any more, and nothing happens to it."""
    [which] = store.register()
    held = store.begin()
    store.release(held)
    before = store.get(which)
    assert store.release(held) == {which: Answer.LOST}
    assert store.get(which) == before


def test_a_cancelled_one_ends_instead(store: Driver) -> None:
    """What was given back with its cancellation asked for is not run again."""
    pending, running = store.register(2)
    held = store.claim()
    store.start(held[1:])
    for which in (pending, running):
        store.orchestrator.cancel(which)
    assert store.release(held) == {pending: Answer.DONE, running: Answer.DONE}
    assert store.path(pending) == [S.REGISTERED, S.PENDING, S.REROUTED, S.FAILED]
    assert store.path(running)[-2:] == [S.KILLED, S.FAILED]
    assert store.reason(pending) == store.reason(running) == Reason.CANCELLED
    assert store.take() == []


def test_the_slot_is_free(store: Driver) -> None:
    """The parked one of its key is ready again, and the one given back competes with it by rank."""
    first, second = store.in_lane(2)
    store.release(store.begin())
    assert store.statuses([first, second]) == [S.REROUTED, S.REROUTED]
    assert store.take() == [first]


def test_what_was_not_begun_may_still_expire(store: Driver) -> None:
    """The time to begin in goes on for what was given back before its start."""
    waiting, begun = store.register(2, expires_in=10)
    held = store.claim()
    store.start(held[1:])
    store.release(held)
    store.let_pass(20)
    assert store.orchestrator.expire() == 1
    assert store.statuses([waiting, begun]) == [S.FAILED, S.REROUTED]


def test_runners_are_told(store: Driver) -> None:
    """Others hear that there is work again."""
    ear = store.subscribe()
    store.register()
    held = store.claim()
    drain(ear)
    store.release(held)
    hint(ear, "work")


def test_strays_are_given_back(store: Driver) -> None:
    """What a runner holds and does not know of goes back, whatever became of it; the rest stays."""
    ids = store.register(4)
    begun, waiting, known = store.begin(3)
    child = store.child(waiting)
    store.pause(waiting, child)
    pending = store.claim(1, runner=store.runner("second"))
    assert store.orchestrator.release_strays(store.worker, [known.invocation_id]) == 2
    assert store.path(begun.invocation_id)[-2:] == [S.KILLED, S.REROUTED]
    assert store.path(waiting.invocation_id)[-3:] == [S.PAUSED, S.KILLED, S.REROUTED]
    assert store.status(known.invocation_id) is S.RUNNING
    assert [p.invocation_id for p in pending] != ids[:1]
    assert store.status(pending[0].invocation_id) is S.PENDING


def test_a_runner_without_strays(store: Driver) -> None:
    """Who knows all that it holds, or holds nothing, or is nobody gives nothing back."""
    store.register(2)
    held = store.begin(1) + store.claim(1)
    assert store.orchestrator.release_strays(store.worker, [h.invocation_id for h in held]) == 0
    assert store.orchestrator.release_strays(store.runner("second"), []) == 0
    assert store.orchestrator.release_strays(RunnerId("nobody"), []) == 0
    assert store.status(held[0].invocation_id) is S.RUNNING


def test_strays_give_their_slot_to_the_next(store: Driver) -> None:
    """Given back, a stray frees the slot of its concurrency key."""
    first, _second = store.in_lane(2)
    store.begin()
    assert store.orchestrator.release_strays(store.worker, []) == 1
    assert store.take() == [first]
