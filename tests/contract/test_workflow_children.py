"""A call that is a step is written with it, or not at all; cancelling a workflow reaches it."""

from __future__ import annotations

import pytest

from pynenc_pg.domain.ids import InvocationId, new_invocation_id
from pynenc_pg.domain.records import CancelAnswer, Claimed
from pynenc_pg.domain.workflows import LONGEST_ABOUT, Step, StepKind
from pynenc_pg.exceptions import (
    DataRejectedError,
    InvocationCancelledError,
    InvocationConcurrencyWithDifferentArgumentsError,
    InvocationNotFoundError,
    InvocationStatusOwnershipError,
    StepTakenError,
)
from pynenc_pg.invocation.status import InvocationStatus, Reason
from tests.contract.driver import Driver, hint, stale
from tests.contract.workflows import begin, call, child, record, steps, suspend

S = InvocationStatus


def only(store: Driver, held: Claimed) -> Step:
    """Read the only step."""
    [step] = store.workflows.steps(held.invocation_id)
    return step


def begin_all(store: Driver) -> dict[InvocationId, Claimed]:
    """Begin what is ready, by id."""
    return {held.invocation_id: held for held in store.begin()}


# --- written together -------------------------------------------------------------------------


def test_a_call_is_a_step(store: Driver) -> None:
    """It says what the call became; a call like any other."""
    held = begin(store)
    which = child(store, held, "2", about="tests.child(1)", run=1)
    step = only(store, held)
    assert (step.path, step.run, step.kind) == ("2", 1, StepKind.TASK)
    assert (step.about, step.child_id, step.value) == ("tests.child(1)", which, None)
    assert (step.failed, step.left) == (False, None)
    record_ = store.get(which)
    assert (record_.status, record_.task_id) == (S.REGISTERED, "tests.child")
    assert record_.parent_id == held.invocation_id
    assert store.workflows.info(which).workflow_id == held.invocation_id
    assert list(begin_all(store)) == [which]


def test_the_same_call_twice_are_two(store: Driver) -> None:
    """At two paths; equal though they are."""
    held = begin(store)
    one = child(store, held, "1", calls=["equal"])
    two = child(store, held, "2", calls=["equal"])
    assert one != two
    assert sorted(begin_all(store)) == sorted([one, two])


def test_a_repeat_is_the_same_call(store: Driver) -> None:
    """After a lost answer, also when it has begun or ended meanwhile."""
    held = begin(store)
    which = new_invocation_id()
    for _ in range(2):
        registered = call(store, held, ids=[which])
        assert (registered.invocation_id, registered.reused) == (which, False)
    [inner] = store.begin()
    assert child(store, held, ids=[which]) == which
    store.finish([inner])
    assert child(store, held, ids=[which]) == which
    assert only(store, held).child_id == which
    assert len(store.path(which)) == 4


def test_another_call_at_the_same_path_is_refused(store: Driver) -> None:
    """Whoever executes it, too, was faster: nothing is registered."""
    held = begin(store)
    first = child(store, held)
    which = new_invocation_id()
    with pytest.raises(StepTakenError, match="1"):
        child(store, held, ids=[which])
    assert only(store, held).child_id == first
    with pytest.raises(InvocationNotFoundError):
        store.get(which)
    assert list(begin_all(store)) == [first]


def test_another_step_at_the_same_path_is_refused(store: Driver) -> None:
    """Also where that is no call at all; and the other way round it is read back."""
    held = begin(store)
    record(store, held, "1")
    with pytest.raises(StepTakenError):
        child(store, held, "1")
    which = child(store, held, "2")
    stands = record(store, held, "2")
    assert (stands.kind, stands.child_id) == (StepKind.TASK, which)


def test_a_call_that_failed_is_called_anew_beside_it(store: Driver) -> None:
    """As another run of the same path."""
    held = begin(store)
    one = child(store, held, "1", run=0)
    store.finish(store.begin(), status=S.FAILED)
    two = child(store, held, "1", run=1)
    found = store.workflows.steps(held.invocation_id)
    assert [(s.run, s.child_id, s.failed) for s in found] == [(0, one, True), (1, two, False)]


def test_a_call_that_becomes_another_names_that_one(store: Driver) -> None:
    """With a registration key it may be one that is there already."""
    held = begin(store)
    [there] = store.register(keys=["k"], task_id="tests.child")
    registered = call(store, held, keys=["k"])
    assert (registered.invocation_id, registered.reused) == (there, True)
    assert only(store, held).child_id == there
    again = call(store, held, keys=["k"])
    assert (again.invocation_id, again.reused) == (there, True)
    [inner] = store.begin()
    assert inner.invocation_id == there
    with pytest.raises(StepTakenError):
        child(store, held, keys=["k"])


def test_a_call_that_is_refused_is_no_step(store: Driver) -> None:
    """All or none: for a key of other arguments, or arguments that are no JSON."""
    held = begin(store)
    store.register(keys=["k"], task_id="tests.child", arguments='{"n": 2}')
    with pytest.raises(InvocationConcurrencyWithDifferentArgumentsError):
        child(store, held, keys=["k"], refuse_different=True)
    with pytest.raises(DataRejectedError):
        child(store, held, arguments="{")
    assert steps(store, held) == {}


def test_what_it_is_about_may_be_so_long(store: Driver) -> None:
    """One more, and nothing is registered."""
    held = begin(store)
    with pytest.raises(DataRejectedError, match=r"7\.1"):
        child(store, held, "7.1", about="x" * (LONGEST_ABOUT + 1))
    assert (steps(store, held), begin_all(store)) == ({}, {})
    which = child(store, held, "7.1", about="x" * LONGEST_ABOUT)
    assert list(begin_all(store)) == [which]


# --- by whom ----------------------------------------------------------------------------------


@pytest.mark.parametrize("where", ["pending", "retry", "success", "lost", "thief", "given away"])
def test_who_does_not_execute_it_calls_nothing(store: Driver, where: str) -> None:
    """Neither step nor call is written."""
    [which] = store.register()
    [held] = store.claim()
    if where != "pending":
        store.start([held])
    match where:
        case "retry":
            store.retry([held], delay=1000)
        case "success":
            store.finish([held])
        case "given away":
            store.release([held])
            store.begin()
    runner = store.runner("thief") if where == "thief" else None
    named = stale(held) if where == "lost" else held
    with pytest.raises(InvocationStatusOwnershipError, match=which):
        child(store, named, runner=runner)
    assert steps(store, held) == {}
    assert begin_all(store) == {}


def test_one_that_waits_for_another_may_call(store: Driver) -> None:
    """A branch of it goes on."""
    held = begin(store)
    first = child(store, held, "1.1")
    store.pause(held, first)
    second = child(store, held, "1.2")
    assert sorted(begin_all(store)) == sorted([first, second])


def test_one_that_is_to_stop_calls_nothing(store: Driver) -> None:
    """Its cancellation would not reach that; what it has called before is found again."""
    held = begin(store)
    which = new_invocation_id()
    child(store, held, "1", ids=[which])
    store.orchestrator.cancel(held.invocation_id)
    with pytest.raises(InvocationCancelledError, match=held.invocation_id):
        child(store, held, "2")
    assert list(steps(store, held)) == ["1"]
    assert child(store, held, "1", ids=[which]) == which
    assert begin_all(store) == {}


# --- how they ended ---------------------------------------------------------------------------


def test_whether_a_call_failed(store: Driver) -> None:
    """Ended, and not in success: raised, cancelled, or not run because its key was full."""
    held = begin(store)
    done = child(store, held, "1")
    failed = child(store, held, "2")
    cancelled = child(store, held, "3")
    by_id = begin_all(store)
    live = child(store, held, "4")
    store.finish([by_id[done]])
    store.finish([by_id[failed]], status=S.FAILED)
    store.release([by_id[cancelled]])
    store.orchestrator.cancel(cancelled)
    store.in_lane(1, task_id="tests.child")
    [holder] = [h for h in store.begin() if h.invocation_id != live]
    child(store, held, "5", lanes=["k"], must_not_wait=True)
    store.claim()
    store.finish([holder])
    found = {step.path: step.failed for step in store.workflows.steps(held.invocation_id)}
    assert found == {"1": False, "2": True, "3": True, "4": False, "5": True}


# --- cancelling -------------------------------------------------------------------------------


def test_cancelling_a_workflow_cancels_what_it_called(store: Driver) -> None:
    """What nobody owns ends now, the owners of the rest are asked; what has ended stays."""
    held = begin(store)
    done = child(store, held, "1")
    running = child(store, held, "2")
    paused = child(store, held, "3")
    by_id = begin_all(store)
    store.finish([by_id[done]])
    [other] = store.register(delay=1000)
    store.pause(by_id[paused], other)
    waiting = child(store, held, "4")
    delayed = child(store, held, "5", delay=1000)
    [bystander] = store.register()
    ear = store.subscribe()
    answer = store.orchestrator.cancel(held.invocation_id, "the boss")
    assert answer is CancelAnswer.REQUESTED
    assert store.statuses([done, running, paused]) == [S.SUCCESS, S.RUNNING, S.PAUSED]
    for which in (waiting, delayed):
        assert (store.status(which), store.reason(which)) == (S.FAILED, Reason.CANCELLED)
        assert store.state_backend.get_history(which)[-1].changed_by == "the boss"
    asked = store.orchestrator.asked_to_stop(store.worker)
    assert set(asked) == {held.invocation_id, running, paused}
    assert {hint(ear, "cancel").ids[0] for _ in range(3)} == set(asked)
    assert store.statuses([other, bystander]) == [S.REGISTERED] * 2


def test_cancelling_one_that_sleeps_cancels_what_it_called(store: Driver) -> None:
    """It ends at once, and they with it."""
    held = begin(store)
    which = child(store, held)
    suspend(store, held, Reason.SLEEPING)
    assert store.orchestrator.cancel(held.invocation_id) is CancelAnswer.CANCELLED
    assert store.statuses([held.invocation_id, which]) == [S.FAILED, S.FAILED]


def test_cancelling_reaches_those_below(store: Driver) -> None:
    """Calls of calls, as far as they go."""
    root = begin(store)
    middle = child(store, root, own_workflow=True)
    [held] = store.begin()
    low = child(store, held, "1")
    [lower] = store.begin()
    lowest = child(store, lower, "1")
    store.orchestrator.cancel(root.invocation_id)
    assert store.status(lowest) is S.FAILED
    asked = set(store.orchestrator.asked_to_stop(store.worker))
    assert asked == {root.invocation_id, middle, low}


def test_cancelling_ends_at_what_has_ended(store: Driver) -> None:
    """What that has called was left to itself."""
    root = begin(store)
    child(store, root)
    [held] = store.begin()
    left = child(store, held, "1")
    store.finish([held])
    store.orchestrator.cancel(root.invocation_id)
    assert store.status(left) is S.REGISTERED


def test_cancelling_one_that_has_ended_cancels_nothing(store: Driver) -> None:
    """What it left behind goes on."""
    held = begin(store)
    which = child(store, held)
    store.finish([held])
    assert store.orchestrator.cancel(held.invocation_id) is CancelAnswer.FINAL
    assert store.status(which) is S.REGISTERED


def test_cancelling_a_call_spares_who_made_it(store: Driver) -> None:
    """And its other calls."""
    held = begin(store)
    one, two = child(store, held, "1"), child(store, held, "2")
    assert store.orchestrator.cancel(one) is CancelAnswer.CANCELLED
    assert store.status(two) is S.REGISTERED
    assert store.orchestrator.asked_to_stop(store.worker) == []
    assert store.workflows.steps(held.invocation_id)[0].failed


def test_cancelling_spares_what_others_have_called(store: Driver) -> None:
    """A call that became one with theirs is theirs."""
    held = begin(store)
    [there] = store.register(keys=["k"], task_id="tests.child")
    assert child(store, held, keys=["k"]) == there
    store.orchestrator.cancel(held.invocation_id)
    assert store.status(there) is S.REGISTERED


def test_a_call_that_is_no_step_is_not_reached(store: Driver) -> None:
    """A plain call goes its own way."""
    held = begin(store)
    plain = store.child(held)
    store.orchestrator.cancel(held.invocation_id)
    assert store.status(plain) is S.REGISTERED


def test_a_call_ends_and_who_has_its_key_goes_on(store: Driver) -> None:
    """Calls of a concurrency key are cancelled as one by one."""
    held = begin(store)
    calls = [child(store, held, str(n), lanes=["k"]) for n in (1, 2, 3)]
    [running] = store.begin()
    [outside] = store.in_lane(1, task_id="tests.child")
    store.orchestrator.cancel(held.invocation_id)
    gone = [which for which in calls if which != running.invocation_id]
    assert store.statuses(gone) == [S.FAILED, S.FAILED]
    store.release([running])
    assert store.status(running.invocation_id) is S.FAILED
    assert store.take() == [outside]


def test_twice_is_once(store: Driver) -> None:
    """The second time there is nothing left to cancel."""
    held = begin(store)
    which = child(store, held)
    for _ in range(2):
        assert store.orchestrator.cancel(held.invocation_id) is CancelAnswer.REQUESTED
    assert store.path(which)[-2:] == [S.REGISTERED, S.FAILED]


def test_a_call_that_is_repeated_says_anew_how_many_may_run(store: Driver) -> None:
    """As every call of a concurrency key does, though it is one that is there."""
    held = begin(store)
    others = store.in_lane(2, slots=1, task_id="tests.child")
    which = child(store, held, ids=[new_invocation_id()], lanes=["k"], slots=1)
    assert child(store, held, ids=[which], lanes=["k"], slots=3) == which
    assert sorted(store.take()) == sorted([*others, which])
