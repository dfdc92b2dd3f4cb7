"""What a runner's code cannot take waits, unharmed, for one whose code can."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from pynenc_pg.domain.ids import InvocationId, RunnerId, new_invocation_id
from pynenc_pg.domain.known import MOST_FREED, Kind, KnownParameter, KnownTask
from pynenc_pg.domain.records import (
    Answer,
    Aside,
    CancelAnswer,
    Cause,
    Claimed,
    Hold,
    RunnerSpec,
    SetAside,
)
from pynenc_pg.exceptions import RunnerFencedError
from pynenc_pg.invocation.status import InvocationStatus, Reason
from tests.contract.driver import Driver, drain, hint, stale

S = InvocationStatus
TASK = "tasks.add"
FAR = 3_000_000_000.0  # seconds: most of a hundred years


def known(
    *names: str, optional: Sequence[str] = (), task: str = TASK, rest: bool = False
) -> KnownTask:
    """Describe a task with these parameters; ``rest``: and ``**rest``."""
    parameters = [KnownParameter(n, Kind.NAMED, n not in optional) for n in names]
    if rest:
        parameters.append(KnownParameter("rest", Kind.VAR_KEYWORD, required=False))
    return KnownTask(task, "-".join(names) or "none", parameters, "{}")


def call(store: Driver, n: int = 1, *names: str, **facts: Any) -> list[InvocationId]:
    """Register calls of the task with arguments of these names."""
    arguments = json.dumps(dict.fromkeys(names or ("x",), 1))
    return store.register(n, task_id=TASK, arguments=arguments, **facts)


def set_aside(
    store: Driver, held: Sequence[Claimed | Hold], runner: RunnerId | None = None
) -> Mapping[InvocationId, Answer]:
    """Say of these that the code here has no such parameter."""
    asides = [Aside(h.invocation_id, h.lease, Cause.ARGUMENTS, ("y",), ("x",)) for h in held]
    return store.orchestrator.set_aside(runner or store.worker, asides)


def test_it_waits_and_says_why(store: Driver) -> None:
    """Nothing is spent, nobody gets it, and it can be seen what it waits for."""
    [which] = call(store)
    assert set_aside(store, store.begin()) == {which: Answer.DONE}
    record = store.get(which)
    assert (record.status, record.reason, record.retries) == (S.RETRY, Reason.SNOOZED, 0)
    assert record.due_at is not None
    assert (record.due_at - record.status_at).total_seconds() > FAR
    assert (store.take(), store.state_backend.count_ready()) == ([], 0)
    assert store.state_backend.get_set_aside() == [
        SetAside(which, TASK, "default", Cause.ARGUMENTS, ("y",), ("x",), (store.worker,))
    ]
    store.let_pass(3600)
    assert store.orchestrator.promote().count == 0
    assert store.path(which) == [S.REGISTERED, S.PENDING, S.RUNNING, S.RETRY]


def test_a_runner_that_can_take_it_frees_it_at_once(store: Driver) -> None:
    """Its registration makes it ready, and tells those who sleep."""
    ids = call(store, 3)
    set_aside(store, store.begin())
    ear = store.subscribe()
    able = store.runner("able")
    drain(ear)
    assert store.orchestrator.register_tasks(able, [known("x")]) == 3
    hint(ear, "work")
    assert store.state_backend.get_set_aside() == []
    assert store.get(ids[0]).due_at is None
    held = store.begin(runner=able)
    assert sorted(h.invocation_id for h in held) == sorted(ids)
    assert [h.retries for h in held] == [0, 0, 0]


@pytest.mark.parametrize(
    "task",
    [known("y"), known("x", "y"), known(), known("x", task="tasks.other")],
    ids=["another name", "one more", "none", "another task"],
)
def test_a_runner_that_cannot_leaves_it(store: Driver, task: KnownTask) -> None:
    """Missing or unknown parameters are no help, nor is another task."""
    [which] = call(store)
    set_aside(store, store.begin())
    assert store.orchestrator.register_tasks(store.runner("unable"), [task]) == 0
    assert store.get(which).due_at is not None


@pytest.mark.parametrize(
    "task", [known("x", "y", optional=["y"]), known("y", optional=["y"], rest=True)]
)
def test_defaults_and_the_rest_are_understood(store: Driver, task: KnownTask) -> None:
    """What may be left out is not missing; what ``**`` takes is not unknown."""
    call(store)
    set_aside(store, store.begin())
    assert store.orchestrator.register_tasks(store.runner("able"), [task]) == 1


def test_who_serves_other_queues_or_is_dead_does_not_count(store: Driver) -> None:
    """Only a runner that is believed alive and takes of that queue can take it."""
    call(store)
    elsewhere = RunnerId(f"{store.app_id}/elsewhere")
    store.orchestrator.register_runner(RunnerSpec(elsewhere, "Test", ("other",), lease=3600))
    assert store.orchestrator.register_tasks(elsewhere, [known("x")]) == 0
    gone = store.runner("gone", lease=60)
    assert store.orchestrator.register_tasks(gone, [known("x")]) == 0
    store.lose(gone)
    set_aside(store, store.begin())
    assert len(store.state_backend.get_set_aside()) == 1


def test_where_somebody_can_take_it_already_it_is_offered_soon(store: Driver) -> None:
    """Two versions side by side: it comes back, each time after a longer pause, and never stays."""
    able = store.runner("able")
    store.orchestrator.register_tasks(able, [known("x")])
    [which] = call(store)
    pauses = []
    for _ in range(7):
        set_aside(store, store.begin())
        record = store.get(which)
        assert record.due_at is not None
        pauses.append((record.due_at - record.status_at).total_seconds())
        assert store.state_backend.get_set_aside() == []
        store.let_pass(60)
        store.orchestrator.promote()
    longest = [0.25, 0.5, 1.0, 2.0, 4.0, 5.0, 5.0]
    assert all(n / 2 <= pause <= n + 0.1 for n, pause in zip(longest, pauses, strict=True))
    assert store.begin(runner=able)[0].invocation_id == which


def test_who_refused_does_not_free_it_by_the_same_word(store: Driver) -> None:
    """A runner whose word was better than its code is not believed until it tells anew."""
    [which] = call(store)
    store.orchestrator.register_tasks(store.worker, [known("x")])
    set_aside(store, store.begin())
    assert [s.invocation_id for s in store.state_backend.get_set_aside()] == [which]
    assert store.orchestrator.register_tasks(store.worker, [known("x")]) == 1


def test_it_can_be_cancelled(store: Driver) -> None:
    """Before and while it is set aside."""
    first, second = call(store, 2)
    held = store.begin()
    assert store.orchestrator.cancel(second) is CancelAnswer.REQUESTED
    assert set(set_aside(store, held).values()) == {Answer.DONE}
    assert store.path(second)[-2:] == [S.RETRY, S.FAILED]
    assert store.orchestrator.cancel(first) is CancelAnswer.CANCELLED
    assert (store.status(first), store.reason(first)) == (S.FAILED, Reason.CANCELLED)
    assert store.state_backend.get_set_aside() == []
    assert store.orchestrator.register_tasks(store.runner("able"), [known("x")]) == 0


def test_its_time_to_begin_still_ends(store: Driver) -> None:
    """A runner that could not take it has not begun it; one that had is another matter."""
    never, begun = call(store, 2, expires_in=100)
    one, two = store.begin()
    store.retry([two], Reason.ERROR)
    [again] = store.begin()
    assert set(set_aside(store, [one, again]).values()) == {Answer.DONE}
    store.let_pass(101)
    assert store.orchestrator.expire() == 1
    assert (store.status(never), store.reason(never)) == (S.FAILED, Reason.EXPIRED)
    assert store.status(begun) is S.RETRY


def test_the_slot_is_free_meanwhile(store: Driver) -> None:
    """Others of its concurrency key go on."""
    first, second = store.in_lane(2, task_id=TASK)
    assert set_aside(store, store.begin()) == {first: Answer.DONE}
    assert store.status(second) is S.REROUTED


def test_answers_tell_each_apart(store: Driver) -> None:
    """Repeats, stale leases and strangers do no harm."""
    done, other = call(store, 2)
    one, two = store.begin()
    nobody = Hold(new_invocation_id(), 1)
    assert set_aside(store, [one, stale(two), nobody]) == {
        done: Answer.DONE,
        other: Answer.LOST,
        nobody.invocation_id: Answer.LOST,
    }
    assert set_aside(store, [one]) == {done: Answer.ALREADY}
    assert set_aside(store, []) == {}
    assert [s.refused_by for s in store.state_backend.get_set_aside()] == [(store.worker,)]


def test_a_purge_forgets_it(store: Driver) -> None:
    """Nothing is left to be freed."""
    call(store)
    set_aside(store, store.begin())
    store.orchestrator.purge()
    assert store.state_backend.get_set_aside() == []
    assert store.orchestrator.register_tasks(store.runner("able"), [known("x")]) == 0


def test_only_a_live_runner_can_tell(store: Driver) -> None:
    """One that nobody knows is refused."""
    with pytest.raises(RunnerFencedError):
        store.orchestrator.register_tasks(RunnerId(f"{store.app_id}/nobody"), [known("x")])


def test_other_apps_do_not_free_it(store: Driver) -> None:
    """A task of the same name in another app is another task."""
    call(store)
    set_aside(store, store.begin())
    other = store.other_app()
    assert other.orchestrator.register_tasks(other.worker, [known("x")]) == 0
    assert len(store.state_backend.get_set_aside()) == 1


def test_a_great_many_are_freed_part_by_part(store: Driver) -> None:
    """One call frees so many; told again, the rest."""
    call(store, MOST_FREED + 5)
    while held := store.begin(1_000):
        set_aside(store, held)
    able = store.runner("able")
    assert store.orchestrator.register_tasks(able, [known("x")]) == MOST_FREED
    assert store.orchestrator.register_tasks(able, [known("x")]) == 5
    assert store.orchestrator.register_tasks(able, [known("x")]) == 0
    assert store.state_backend.count_ready() == MOST_FREED + 5
