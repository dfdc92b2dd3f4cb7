"""What can be read of work, live and ended."""

from __future__ import annotations

import pytest

from pynenc_pg.domain.ids import InvocationId, RunnerId, new_invocation_id
from pynenc_pg.domain.records import RunnerSpec
from pynenc_pg.exceptions import InvocationNotFoundError
from pynenc_pg.invocation.status import InvocationStatus
from tests.contract.driver import Driver

S = InvocationStatus
MALFORMED = InvocationId("no id at all")


def test_nobody_is_not_found(store: Driver) -> None:
    """An id that was never registered, or is no id, is an error that names it."""
    for which in (new_invocation_id(), MALFORMED):
        with pytest.raises(InvocationNotFoundError, match=which):
            store.state_backend.get_invocation(which)
        with pytest.raises(InvocationNotFoundError, match=which):
            store.state_backend.get_history(which)


def test_another_app_sees_nothing(store: Driver) -> None:
    """Ids of one app do not exist in another, live or ended."""
    other = store.other_app()
    ids = other.register(2)
    other.finish(other.begin(1))
    for which in ids:
        with pytest.raises(InvocationNotFoundError):
            store.state_backend.get_invocation(which)
        with pytest.raises(InvocationNotFoundError):
            store.state_backend.get_history(which)
    assert store.state_backend.get_outcomes(ids) == {}
    assert (store.state_backend.count_ready(), other.state_backend.count_ready()) == (0, 1)


def test_outcomes_are_of_what_has_ended(store: Driver) -> None:
    """Live and unknown ones are left out, the order of asking does not matter."""
    ended, live = store.register(2)
    store.finish(store.begin(1), "[1, 2]")
    asked = [new_invocation_id(), live, ended, ended]
    found = store.state_backend.get_outcomes(asked)
    assert {i: o.value for i, o in found.items()} == {ended: "[1, 2]"}
    assert store.state_backend.get_outcomes([]) == {}


def test_an_ended_one_tells_the_same_as_a_live_one(store: Driver) -> None:
    """The end takes nothing away of what was known about an invocation."""
    [which] = store.register(queue="a", depth=3)
    held = store.begin()
    before = store.get(which)
    store.finish(held)
    after = store.get(which)
    constant = ("task_id", "call_id", "arguments", "queue", "parent_id", "depth", "registered_at")
    assert [getattr(after, n) for n in constant] == [getattr(before, n) for n in constant]
    assert after.status_at >= before.status_at


def test_history_tells_who_and_when(store: Driver) -> None:
    """Every change stands with its owner, author and time, each not before the last one."""
    [which] = store.register(changed_by="api")
    store.finish(store.begin())
    history = store.state_backend.get_history(which)
    assert [e.changed_by for e in history] == ["api", *[store.worker] * 3]
    assert [e.runner_id for e in history] == [None, *[store.worker] * 3]
    assert store.path(which) == [S.REGISTERED, S.PENDING, S.RUNNING, S.SUCCESS]
    assert all(e.at.utcoffset() is not None for e in history)
    assert all(e.at.utcoffset().total_seconds() == 0 for e in history)  # type: ignore[union-attr]


def test_history_tells_why_an_attempt_failed(store: Driver) -> None:
    """An attempt that is tried again and the one that fails stand there with their exceptions."""
    [which] = store.register()
    store.retry(store.begin(), error='{"type": "KeyError"}')
    store.finish(store.begin(), '{"type": "ValueError"}', status=S.FAILED)
    [fine] = store.register()
    store.finish(store.begin(), "1")
    errors = [(e.status, e.error) for e in store.state_backend.get_history(which) if e.error]
    assert errors == [(S.RETRY, '{"type": "KeyError"}'), (S.FAILED, '{"type": "ValueError"}')]
    assert not any(e.error for e in store.state_backend.get_history(fine))


def test_a_queue_is_served_while_a_live_runner_takes_it(store: Driver) -> None:
    """A runner without queues takes all; one that left or whose lease is over takes none."""
    assert store.state_backend.is_served("anything")
    store.orchestrator.unregister_runner(store.worker)
    assert not store.state_backend.is_served("anything")
    runner = RunnerId(f"{store.app_id}/one queue")
    store.orchestrator.register_runner(RunnerSpec(runner, "Test", queues=("a", "b"), lease=60))
    assert [store.state_backend.is_served(q) for q in ("a", "b", "c")] == [True, True, False]
    store.lose(runner)
    assert not store.state_backend.is_served("a")
    others = RunnerId(f"{store.app_id}/all others")
    store.orchestrator.register_runner(RunnerSpec(others, "Test", queues=("b", "*"), lease=60))
    assert store.state_backend.is_served("a")


def test_ready_is_what_could_be_claimed(store: Driver) -> None:
    """Counted per queue and in all: ready again counts, and delayed, owned, parked, ended not."""
    store.register(3, queue="a")
    store.register(2, queue="b")
    store.register(queue="b", delay=60)
    assert [store.state_backend.count_ready(q) for q in ("a", "b", "c", None)] == [3, 2, 0, 5]
    held = store.begin(2, "a")
    store.retry(held[:1])
    store.finish(held[1:])
    assert [store.state_backend.count_ready(q) for q in ("a", "b", None)] == [2, 2, 4]
    store.in_lane(3, queue="c")
    store.claim(9, "c")
    assert store.state_backend.count_ready("c") == 1


def test_the_clocks_are_compared(store: Driver) -> None:
    """On one machine the store's clock is this machine's, within a second."""
    assert store.state_backend.clock_offset() == pytest.approx(0, abs=1)
