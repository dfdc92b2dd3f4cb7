"""What its task keeps for a shorter time goes, with its history, unless something needs it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence

import pytest

from pynenc_pg.domain.causes import Verdict
from pynenc_pg.domain.ids import InvocationId, new_invocation_id
from pynenc_pg.domain.known import KnownTask
from pynenc_pg.domain.records import Claimed, Payload
from pynenc_pg.domain.workflows import Author, Child, NewStep, StepKind
from pynenc_pg.exceptions import InvocationNotFoundError
from pynenc_pg.invocation.status import InvocationStatus
from tests.contract.driver import Driver, holds_of
from tests.contract.triggers import on, settle, take, tell, trigger

S = InvocationStatus
HOUR = 3600.0


def keep(store: Driver, seconds: float | None = HOUR, failed: float | None = None) -> None:
    """Have the worker tell for how long calls of the task are kept."""
    options = json.dumps(
        {"queue": "default", "priority": 0, "keep": seconds, "keep_failed": failed}
    )
    task = KnownTask("tests.task", f"{seconds}-{failed}", (), options)
    store.orchestrator.register_tasks(store.worker, [task])


def prune(store: Driver, limit: int = 500) -> int:
    """Walk through all that has ended; how many went."""
    after: str | None = ""
    removed = 0
    while after is not None:
        step = store.orchestrator.prune(after, limit)
        assert step.removed <= limit
        removed, after = removed + step.removed, step.after
    return removed


def end(store: Driver, n: int = 1, status: InvocationStatus = S.SUCCESS) -> list[InvocationId]:
    """Run n calls to their end."""
    ids = store.register(n)
    store.finish(store.begin(), status=status)
    return ids


def is_gone(store: Driver, which: InvocationId) -> bool:
    """Whether nothing is left of it; all of it is there otherwise."""
    try:
        store.get(which)
    except InvocationNotFoundError:
        with pytest.raises(InvocationNotFoundError):
            store.state_backend.get_history(which)
        assert store.state_backend.get_outcomes([which]) == {}
        return True
    assert store.state_backend.get_history(which)
    return False


def are_gone(store: Driver, ids: Sequence[InvocationId]) -> list[bool]:
    """The same of several."""
    return [is_gone(store, which) for which in ids]


def test_what_its_task_does_not_keep_goes(store: Driver) -> None:
    """After its time each is gone, in small steps; younger ones and live ones stay."""
    keep(store)
    old = end(store, 7)
    store.age_outcomes(2 * HOUR)
    young, live = end(store), store.register(2)
    assert prune(store, limit=2) == 7
    assert are_gone(store, [*old, *young, *live]) == [True] * 7 + [False] * 3
    assert prune(store) == 0
    assert store.take() == live


def test_without_a_word_nothing_goes(store: Driver) -> None:
    """A task that says nothing keeps its calls as long as all are kept; so does one unknown."""
    old = end(store, 2)
    store.age_outcomes(300 * HOUR)
    assert prune(store) == 0
    keep(store, None)
    assert prune(store) == 0
    assert are_gone(store, old) == [False, False]
    keep(store, HOUR)
    keep(store, 400 * HOUR)  # what was told last counts
    assert prune(store) == 0


@pytest.mark.parametrize(
    ("kept", "failed", "gone"),
    [
        (HOUR, 10 * HOUR, [True, False]),
        (None, HOUR, [False, True]),
        (10 * HOUR, HOUR, [False, True]),
        (HOUR, None, [True, True]),
    ],
)
def test_by_status(
    store: Driver, kept: float | None, failed: float | None, gone: list[bool]
) -> None:
    """What failed may be kept for longer than what succeeded, or shorter."""
    keep(store, kept, failed)
    ids = end(store) + end(store, status=S.FAILED)
    store.age_outcomes(2 * HOUR)
    assert prune(store) == sum(gone)
    assert are_gone(store, ids) == gone


def test_the_children_of_what_is_live_stay(store: Driver) -> None:
    """A task that runs may ask for the result of any call it made."""
    keep(store)
    store.register()
    [parent] = store.begin()
    child = store.child(parent)
    store.finish(store.begin())
    store.age_outcomes(2 * HOUR)
    assert (prune(store), is_gone(store, child)) == (0, False)
    store.finish([parent])
    assert (prune(store), is_gone(store, child)) == (1, True)
    store.age_outcomes(2 * HOUR)
    assert (prune(store), is_gone(store, parent.invocation_id)) == (1, True)


def test_what_a_key_stands_for_stays(store: Driver) -> None:
    """An idempotency key answers as long as all are kept."""
    keep(store)
    [once] = store.register(key="order-1")
    store.finish(store.begin())
    store.age_outcomes(2 * HOUR)
    assert prune(store) == 0
    assert store.register(key="order-1") == [once]


def test_what_serves_equal_calls_stays(store: Driver) -> None:
    """The success that would be found goes with the rest; one that another has replaced may go."""
    keep(store)
    first = store.register(calls=["a"], cached=True)
    store.finish(store.begin())
    store.age_outcomes(2 * HOUR)
    assert prune(store) == 0
    assert store.register(calls=["a"], cached=True) == first
    second = store.register(calls=["a"], cached=True, cache_ttl=HOUR)
    store.finish(store.begin())
    store.register(calls=["a"], cached=True, cache_ttl=0)  # has the older one forgotten
    assert (prune(store), are_gone(store, [*first, *second])) == (1, [True, False])


def test_what_triggers_look_at_stays(store: Driver) -> None:
    """A cause that nobody has looked at needs what it is about."""
    keep(store)
    tell(store, trigger(on("success")))
    [old] = end(store)
    store.age_outcomes(2 * HOUR)
    assert (prune(store), is_gone(store, old)) == (0, False)
    settle(store, take(store), Verdict.NO)
    assert (prune(store), is_gone(store, old)) == (1, True)


def _step(store: Driver, run: Claimed, path: str = "1") -> InvocationId:
    author = Author(store.worker, holds_of([run])[0])
    step = NewStep(path=path, kind=StepKind.TASK, about="tests.task", value="null")
    return store.child(run, child=Child(author, step))


def test_the_steps_of_a_run_stay_with_it(store: Driver) -> None:
    """What a run has as a step goes after the run: a fork of it reads their results."""
    keep(store)
    store.register()
    [run] = store.begin()
    child = _step(store, run)
    store.finish(store.begin())
    store.age_outcomes(2 * HOUR)
    store.finish([run])
    assert (prune(store), is_gone(store, child)) == (0, False)
    store.age_outcomes(2 * HOUR)
    assert prune(store) == 1
    assert are_gone(store, [run.invocation_id, child]) == [True, False]
    assert (prune(store), is_gone(store, child)) == (1, True)


def test_callers_of_what_is_live_stay(store: Driver) -> None:
    """It may read the data of the workflow that it belongs to, however far above that is."""
    keep(store)
    store.register()
    [run] = store.begin()
    author = Author(store.worker, holds_of([run])[0])
    step = NewStep(path="1", kind=StepKind.SET_DATA, about="k", value="7", key="k")
    store.workflows.record_step(author, step)
    store.child(run)
    [child] = store.begin()
    grandchild = store.child(child)
    store.finish([child, run])
    store.age_outcomes(2 * HOUR)
    for _ in range(2):
        assert prune(store) == 0
    store.orchestrator.cancel(grandchild)
    assert (prune(store), is_gone(store, run.invocation_id)) == (2, True)


def test_another_app_keeps_its_own(store: Driver) -> None:
    """A task of the same name in another app is another one."""
    keep(store)
    other = store.other_app()
    theirs = end(other)
    other.age_outcomes(2 * HOUR)
    assert (prune(store), prune(other), is_gone(other, theirs[0])) == (0, 0, False)


def test_large_values_can_be_collected(store: Driver) -> None:
    """What only such a call referred to is nobody's any more."""
    keep(store)
    content = b"large" * 100
    sha256 = hashlib.sha256(content).hexdigest()
    which = new_invocation_id()
    store.register(ids=[which], refs=[(which, sha256)], payloads=[Payload(sha256, content)])
    store.finish(store.begin())
    store.let_pass(30 * HOUR)
    store.age_outcomes(2 * HOUR)
    assert store.client_data_store.collect().removed == 0
    assert prune(store) == 1
    assert store.client_data_store.collect().removed == 1


def test_counts_by_status(store: Driver) -> None:
    """What purge would remove: live and ended, each app its own."""
    assert store.orchestrator.count_by_status() == {}
    end(store, 2)
    end(store, status=S.FAILED)
    store.register(3)
    store.begin(1)
    assert store.orchestrator.count_by_status() == {
        S.SUCCESS: 2,
        S.FAILED: 1,
        S.RUNNING: 1,
        S.REGISTERED: 2,
    }
    assert store.other_app().orchestrator.count_by_status() == {}
    assert store.orchestrator.purge() == 6
