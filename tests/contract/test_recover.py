"""What dead runners held, and what nobody began in time, goes to others."""

from __future__ import annotations

import pytest

from pynenc_pg.domain.records import Answer, CancelAnswer, RecoveryPolicy
from pynenc_pg.exceptions import RunnerFencedError
from pynenc_pg.invocation.status import InvocationStatus, Reason
from tests.contract.driver import LEASE, Driver, drain, hint, ids_of

S = InvocationStatus
PATIENT = RecoveryPolicy(max_pending=1e6)
AT_ONCE = RecoveryPolicy(max_pending=0)


def test_a_dead_runner_loses_what_it_held(store: Driver) -> None:
    """Begun work counts a recovery, unbegun work does not; both are ready for others."""
    pending, running = store.register(2)
    held = store.claim()
    store.start(held[1:])
    store.lose(store.worker)
    swept = store.orchestrator.recover(PATIENT)
    assert (swept.rerouted, swept.quarantined) == (2, 0)
    assert swept.dead_runners == (store.worker,)
    assert store.path(pending)[1:] == [S.PENDING, S.PENDING_RECOVERY, S.REROUTED]
    assert store.path(running)[2:] == [S.RUNNING, S.RUNNING_RECOVERY, S.REROUTED]
    assert [store.get(i).recoveries for i in (pending, running)] == [0, 1]
    assert [store.get(i).retries for i in (pending, running)] == [0, 0]
    assert store.get(running).runner_id is None
    claimed = store.claim(runner=store.runner("next"))
    assert [(c.invocation_id, c.recoveries) for c in claimed] == [(pending, 0), (running, 1)]


def test_a_runner_dies_when_its_lease_is_over(store: Driver) -> None:
    """It lives as long as its lease says since it was last heard of, and no longer."""
    [which] = store.register()
    store.begin()
    store.let_pass(LEASE - 60)
    assert store.orchestrator.recover(PATIENT).dead_runners == ()
    store.let_pass(120)
    assert store.orchestrator.recover(PATIENT).dead_runners == (store.worker,)
    assert store.status(which) is S.REROUTED


def test_a_long_task_is_left_alone(store: Driver) -> None:
    """However long a task runs: as long as its runner is heard of, it is not recovered."""
    [which] = store.register()
    held = store.begin()
    for _ in range(20):
        store.let_pass(LEASE * 0.9)
        assert store.orchestrator.heartbeat(store.worker).alive
        assert store.orchestrator.recover(AT_ONCE).rerouted == 0
    assert store.finish(held) == {which: Answer.DONE}


def test_what_others_hold_is_left_alone(store: Driver) -> None:
    """The death of one runner touches nothing of another."""
    lost, kept = store.register(2)
    second = store.runner("second")
    store.begin(1)
    held = store.begin(1, runner=second)
    store.lose(store.worker)
    assert store.orchestrator.recover(PATIENT).rerouted == 1
    assert store.statuses([lost, kept]) == [S.REROUTED, S.RUNNING]
    assert store.finish(held, runner=second) == {kept: Answer.DONE}


def test_nothing_lost_nothing_done(store: Driver) -> None:
    """Without dead runners a sweep does and says nothing."""
    store.register()
    held = store.claim()
    swept = store.orchestrator.recover(PATIENT)
    assert (swept.rerouted, swept.quarantined, swept.dead_runners) == (0, 0, ())
    assert swept.next_look is None
    assert store.start(held) == {held[0].invocation_id: Answer.DONE}


def test_what_is_not_begun_in_time_is_taken_away(store: Driver) -> None:
    """A live runner keeps what it began, and loses what it only claimed; that costs nothing."""
    pending, running = store.register(2)
    held = store.claim()
    store.start(held[1:])
    for _ in range(5):
        swept = store.orchestrator.recover(AT_ONCE)
        assert (swept.rerouted, swept.quarantined, swept.dead_runners) == (1, 0, ())
        assert store.statuses([pending, running]) == [S.REROUTED, S.RUNNING]
        assert store.take() == [pending]
    assert store.get(pending).recoveries == 0


@pytest.mark.parametrize("limit", [0, 1, 3])
def test_too_many_recoveries_end_it(store: Driver, limit: int) -> None:
    """What takes its runners down ends as FAILED after so many recoveries, with its reason."""
    [which] = store.register()
    policy = RecoveryPolicy(max_recoveries=limit)
    for n in range(limit + 1):
        runner = store.runner(f"victim-{n}")
        store.begin(runner=runner)
        store.lose(runner)
        swept = store.orchestrator.recover(policy)
        assert (swept.rerouted, swept.quarantined) == ((1, 0) if n < limit else (0, 1))
    assert store.path(which)[-2:] == [S.RUNNING_RECOVERY, S.FAILED]
    record = store.get(which)
    assert (record.reason, record.recoveries) == (Reason.RECOVERIES_EXHAUSTED, limit + 1)
    outcome = store.state_backend.get_outcomes([which])[which]
    assert (outcome.value, outcome.runner_id) == (None, None)


def test_a_retry_does_not_forgive(store: Driver) -> None:
    """Recoveries stay counted over retries."""
    [which] = store.register()
    victim = store.runner("victim")
    store.begin(runner=victim)
    store.lose(victim)
    store.orchestrator.recover(PATIENT)
    store.retry(store.begin())
    [again] = store.claim()
    assert (again.invocation_id, again.retries, again.recoveries) == (which, 1, 1)


def test_a_cancelled_one_ends(store: Driver) -> None:
    """With its cancellation asked for it ends as cancelled, counts as moved, never as too often."""
    pending, running = store.register(2)
    held = store.claim()
    store.start(held[1:])
    for which in (pending, running):
        assert store.orchestrator.cancel(which) is CancelAnswer.REQUESTED
    store.lose(store.worker)
    swept = store.orchestrator.recover(RecoveryPolicy(max_recoveries=0))
    assert (swept.rerouted, swept.quarantined) == (2, 0)
    assert store.path(pending)[-2:] == [S.PENDING_RECOVERY, S.FAILED]
    assert store.path(running)[-2:] == [S.RUNNING_RECOVERY, S.FAILED]
    assert store.reason(pending) == store.reason(running) == Reason.CANCELLED


@pytest.mark.parametrize("max_recoveries", [0, 3])
def test_the_slot_is_free(store: Driver, max_recoveries: int) -> None:
    """Rerouted or ended, it lets the parked one of its key go on."""
    first, second = store.in_lane(2)
    store.begin()
    store.lose(store.worker)
    store.orchestrator.recover(RecoveryPolicy(max_recoveries=max_recoveries))
    assert store.status(second) is S.REROUTED
    expected = [first] if max_recoveries else [second]
    assert ids_of(store.claim(runner=store.runner("next"))) == expected


def test_a_sweep_moves_no_more_than_its_limit(store: Driver) -> None:
    """Much lost work is moved in several sweeps, and the runner stays dead meanwhile."""
    ids = store.register(3)
    store.begin()
    store.lose(store.worker)
    policy = RecoveryPolicy(limit=2)
    first, second, third = (store.orchestrator.recover(policy) for _ in range(3))
    assert [s.rerouted for s in (first, second, third)] == [2, 1, 0]
    assert [s.dead_runners for s in (first, second, third)] == [(store.worker,), (), ()]
    assert store.statuses(ids) == [S.REROUTED] * 3


def test_a_dead_runner_is_fenced(store: Driver) -> None:
    """Once declared dead it cannot claim, begin, end or come back to life."""
    pending, running = store.register(2)
    held = store.claim()
    store.start(held[1:])
    store.lose(store.worker)
    store.orchestrator.recover(PATIENT)
    assert not store.orchestrator.heartbeat(store.worker).alive
    with pytest.raises(RunnerFencedError):
        store.claim()
    assert store.start(held[:1]) == {pending: Answer.LOST}
    assert store.retry(held[1:]) == {running: Answer.LOST}
    assert store.release(held) == {pending: Answer.LOST, running: Answer.LOST}
    assert store.statuses([pending, running]) == [S.REROUTED, S.REROUTED]


def test_a_late_heartbeat_before_the_sweep_counts(store: Driver) -> None:
    """A runner whose lease was over, but which nobody declared dead, may go on."""
    [which] = store.register()
    held = store.begin()
    store.lose(store.worker)
    assert store.orchestrator.heartbeat(store.worker).alive
    assert store.orchestrator.recover(PATIENT).dead_runners == ()
    assert store.finish(held) == {which: Answer.DONE}


def test_another_app_is_left_alone(store: Driver) -> None:
    """A sweep sees the runners and the work of its own app."""
    other = store.other_app()
    [which] = other.register()
    other.begin()
    other.lose(other.worker)
    assert store.orchestrator.recover(AT_ONCE).dead_runners == ()
    assert other.status(which) is S.RUNNING
    assert other.orchestrator.recover(AT_ONCE).dead_runners == (other.worker,)


def test_runners_are_told(store: Driver) -> None:
    """The living hear that there is work again."""
    ear = store.subscribe()
    victim = store.runner("victim")
    store.register()
    store.begin(runner=victim)
    drain(ear)
    store.lose(victim)
    assert store.orchestrator.recover(PATIENT).rerouted == 1
    hint(ear, "work")
