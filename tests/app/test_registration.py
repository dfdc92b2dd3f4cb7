"""Calls that are one invocation as long as it was not begun, on both stores."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from types import ModuleType
from typing import Any

import pytest

from pynenc_pg import Pynenc
from pynenc_pg.exceptions import InvocationConcurrencyWithDifferentArgumentsError
from pynenc_pg.invocation.handle import Invocation, ReusedInvocation
from tests.app import concurrency_tasks as tasks
from tests.app.conftest import working


@pytest.fixture
def tasks_module() -> ModuleType:
    """The app is that of ``concurrency_tasks``."""
    return tasks


def together(calls: Sequence[Callable[[], Invocation[Any]]]) -> list[Invocation[Any]]:
    """Make calls in threads that all begin at the same moment."""
    barrier = threading.Barrier(len(calls))

    def call(one: Callable[[], Invocation[Any]]) -> Invocation[Any]:
        barrier.wait(20)
        return one()

    with ThreadPoolExecutor(len(calls)) as pool:
        return list(pool.map(call, calls))


@pytest.mark.parametrize("name", ["once", "once_each", "once_a_user"])
def test_simultaneous_calls_are_one_invocation(apps: list[Pynenc], name: str) -> None:
    """Fifty threads, several pools, one moment: one invocation, and one id for all."""
    task_id = f"{tasks.__name__}.{name}"
    calls = [partial(apps[n % len(apps)].get_task(task_id), 1) for n in range(50)]
    invocations = together(calls)
    assert len({one.invocation_id for one in invocations}) == 1
    assert [type(one) for one in invocations].count(ReusedInvocation) == 49
    assert [one.reused for one in invocations].count(False) == 1
    assert apps[0].state_backend.count_ready() == 1
    with working(apps[0].runner):
        assert {one.result_or_raise(20) for one in invocations} in ({1}, {"1 mail "})


@pytest.mark.parametrize(
    ("width", "rounds"),
    [
        *((8, 20), (64, 5)),
        *(pytest.param(*each, marks=pytest.mark.long) for each in ((8, 50), (64, 20))),
    ],
)
def test_never_more_than_one_of_simultaneous_calls(
    apps: list[Pynenc], width: int, rounds: int
) -> None:
    """Again and again, each time with another argument: one invocation each time."""
    task_id = tasks.once_each.task_id
    for number in range(rounds):
        calls = [partial(apps[n % len(apps)].get_task(task_id), number) for n in range(width)]
        invocations = together(calls)
        assert len({one.invocation_id for one in invocations}) == 1
    assert apps[0].state_backend.count_ready() == rounds


def test_a_task_is_registered_once(app: Pynenc) -> None:
    """Under TASK any call becomes the one that waits, whatever its arguments, until it begins."""
    first, second = tasks.once(1), tasks.once(2)
    assert second == first
    assert isinstance(second, ReusedInvocation)
    assert not isinstance(first, ReusedInvocation)
    with working(app.runner):
        assert second.result_or_raise(20) == 1
        assert tasks.once(2).result_or_raise(20) == 2


def test_equal_arguments_however_they_are_written(app: Pynenc) -> None:
    """By position, by name, a default spelled out, dicts and sets in any order: the same call."""
    words = [f"word {n}" for n in range(20)]
    once = tasks.once_each
    groups = [
        [once(5), once(x=5), once(5, 1), once(y=1, x=5)],
        [once({"a": 1, "b": 2}), once({"b": 2, "a": 1})],
        [once({(each,) for each in words}), once({(each,) for each in reversed(words)})],
        [once({0, 8}), once({8, 0})],  # these two stand in the order they were added
        [once(1, 1, 2), once(1, 1, *[2])],
        [once(1, a=1, b=2), once(1, b=2, a=1)],
    ]
    assert [len({one.invocation_id for one in group}) for group in groups] == [1] * len(groups)
    others = [once(5, 2), once("5"), once(5.0), once([1, 2]), once((1, 2)), once(1, 1, 2, 3)]
    ids = {one.invocation_id for one in (*others, *(group[0] for group in groups))}
    assert len(ids) == len(others) + len(groups)


def test_named_arguments_count_under_keys(app: Pynenc) -> None:
    """Only key arguments count, defaults included; the first call's other arguments stay."""
    first = tasks.once_a_user("ann", "first")
    assert tasks.once_a_user("ann", "second", kind="mail") == first
    assert tasks.once_a_user("ann", kind="post") != first
    assert tasks.once_a_user("bob", "first") != first
    with working(app.runner):
        assert first.result_or_raise(20) == "ann mail first"


def test_other_arguments_may_be_refused(app: Pynenc) -> None:
    """The error names invocation, task and arguments, not their values; nothing is registered."""
    first = tasks.once_strictly("ann", "a secret")
    assert tasks.once_strictly(note="a secret", user="ann", depth=1) == first
    with pytest.raises(InvocationConcurrencyWithDifferentArgumentsError) as refused:
        tasks.once_strictly("ann", "another secret", 2)
    assert first.invocation_id in str(refused.value)
    assert f"{tasks.__name__}.once_strictly is called with the same user" in str(refused.value)
    assert refused.value.different == ("note", "depth")
    assert "secret" not in str(refused.value)
    assert app.state_backend.count_ready() == 1


def test_a_refused_batch_leaves_nothing(app: Pynenc) -> None:
    """One call that differs, from another or within the batch, and none of the batch is there."""
    definition = tasks.once_strictly.definition
    first = tasks.once_strictly("ann", {"b": 1, "a": 2})
    same: list[dict[str, object]] = [
        {"user": "ann", "note": {"a": 2, "b": 1}},
        {"user": "bob"},
        {"user": "bob", "depth": 1},
    ]
    one, two, three = app.engine.submit(definition, same)
    assert (one.invocation_id, one.reused) == (first.invocation_id, True)
    assert (two.reused, three.reused, three.invocation_id) == (False, True, two.invocation_id)
    differing: list[list[dict[str, object]]] = [
        [{"user": "cid"}, {"user": "ann", "note": 3}],
        [{"user": "dan"}, {"user": "eve", "note": 1}, {"user": "eve", "note": 2}],
    ]
    for differs in differing:
        with pytest.raises(InvocationConcurrencyWithDifferentArgumentsError) as refused:
            app.engine.submit(definition, differs)
        assert refused.value.different == ("note",)
    assert "a call of the same batch" in str(refused.value)
    assert app.state_backend.count_ready() == 2


def test_calls_in_parallel_become_one_where_they_are_equal(app: Pynenc) -> None:
    """Within a group, also where they share arguments, and with a call from before."""
    before = tasks.once_each(3)
    group = list(tasks.once_each.parallelize([(1,), {"x": 1}, (2,), tasks.once_each.args(3)]))
    assert [one.reused for one in group] == [False, True, False, True]
    assert (group[0], group[3]) == (group[1], before)
    many = [{"x": 1}, {"x": 1}, {"x": 2}, {"x": 2, "more": 0}]
    shared = list(tasks.once_each.parallelize(many, {"y": {"z", "y"}}))
    assert len({one.invocation_id for one in shared}) == 3
    assert tasks.once_each(1, {"y", "z"}) == shared[0]
    with working(app.runner):
        assert [one.result_or_raise(20) for one in (*group, *shared)] == [1, 1, 2, 3, 1, 1, 2, 2]


def test_synchronous_calls_are_not_controlled(app: Pynenc, monkeypatch: Any) -> None:
    """What is executed at its call neither waits for itself nor becomes another call."""
    monkeypatch.setattr(app.conf, "dev_mode_force_sync_tasks", True)
    assert tasks.call_itself(3).result == 3
    assert tasks.once(1).invocation_id != tasks.once(1).invocation_id
