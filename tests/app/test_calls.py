"""Calls, results and errors through a runner, the same on both stores."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from typing import NoReturn

import pytest

from pynenc_pg import InvocationStatus, Pynenc, RetryError
from pynenc_pg.exceptions import (
    InvocationCancelledError,
    InvocationNotFoundError,
    ResultTimeoutError,
    SerializationError,
    StoreUnavailableError,
    TaskFailedError,
)
from pynenc_pg.invocation.handle import Invocation
from pynenc_pg.task import Task
from tests.app import tasks
from tests.app.conftest import Runner

SUCCESS, FAILED = InvocationStatus.SUCCESS, InvocationStatus.FAILED


def test_a_result_comes_back(runner: Runner) -> None:
    """A call returns at once, and its result is what the function returned."""
    before = tasks.add(1, 2)
    with runner():
        assert before.result_or_raise(20) == 3
        assert tasks.add(1).result_or_raise(20) == 11
        assert tasks.add(y=1, x=1).result_or_raise(20) == 2
    assert before.status is SUCCESS


def test_arguments_arrive_as_they_were_given(runner: Runner) -> None:
    """Starred, positional-only and keyword-only parameters work as in Python."""
    with runner():
        calls: list[tuple[Invocation[list[object]], list[object]]] = [
            (tasks.anything(), [[], None, {}]),
            (tasks.anything(1, 2, last=3, x=4, args=5), [[1, 2], 3, {"x": 4, "args": 5}]),
            (tasks.anything("a\x00b", last="\ud800"), [["a\x00b"], "\ud800", {}]),
            (
                tasks.anything(last={"$ref": [1.5, None, True]}),
                [[], {"$ref": [1.5, None, True]}, {}],
            ),
            (tasks.anything((1, {2}), b"\x00"), [[(1, {2}), b"\x00"], None, {}]),
        ]
        for invocation, expected in calls:
            assert invocation.result_or_raise(20) == expected
        assert tasks.positional(1, 2, c=3).result_or_raise(20) == [1, 2, 3]


def test_a_call_that_does_not_fit_writes_nothing(app: Pynenc) -> None:
    """Wrong arguments and values that cannot be carried fail at the call."""
    with pytest.raises(TypeError, match="missing a required argument"):
        tasks.add()  # type: ignore[call-arg]
    with pytest.raises(SerializationError, match="argument 'last' of type generator"):
        tasks.anything(last=(number for number in range(3)))
    assert app.state_backend.count_ready() == 0


def test_an_error_comes_back_as_itself(runner: Runner) -> None:
    """Type, arguments and the remote traceback arrive; what cannot be rebuilt says what it was."""
    with runner():
        with pytest.raises(tasks.Refused) as caught:
            tasks.refuse(4).result_or_raise(20)
        assert caught.value.args == (4, "no")
        assert caught.value.code == 4
        assert "raise Refused(code" in caught.value.__notes__[0]
        with pytest.raises(tasks.Awkward, match="the code was 7") as failed:
            tasks.be_awkward().result_or_raise(20)
        assert "raise Awkward(code=7)" in failed.value.__notes__[0]
        with pytest.raises(TaskFailedError, match="Hidden: nobody can import this") as unknown:
            tasks.be_hidden().result_or_raise(20)
        assert "raise Hidden" in unknown.value.traceback
        with pytest.raises(SystemExit) as left:
            tasks.leave().result_or_raise(20)
        assert left.value.code == 3
        with pytest.raises(SerializationError, match="generator"):
            tasks.unreadable().result_or_raise(20)
        assert tasks.add(1, 1).result_or_raise(20) == 2


@pytest.mark.parametrize("refuse", [tasks.refuse, tasks.refuse_later])
def test_a_traceback_begins_in_the_task(runner: Runner, refuse: Task[[int], NoReturn]) -> None:
    """The way of the worker to it is left out: it says nothing of what went wrong."""
    with runner(), pytest.raises(tasks.Refused) as caught:
        refuse(4).result_or_raise(20)
    head, first, *_ = caught.value.__notes__[0].strip().splitlines()[1:]
    assert head == "Traceback (most recent call last):"
    assert f'File "{tasks.__file__}"' in first
    assert caught.value.__context__ is None


def test_retries_until_it_succeeds(runner: Runner) -> None:
    """``RetryError`` has it tried again, and each attempt knows how many there were."""
    with runner():
        invocation = tasks.try_hard(2)
        assert invocation.result_or_raise(20) == 2
    assert tasks.seen == [0, 1, 2]
    assert invocation.num_retries == 2
    statuses = [entry.status for entry in invocation.history]
    assert statuses == [
        "registered",
        *("pending", "running", "retry") * 2,
        *("pending", "running", "success"),
    ]


def test_retries_come_to_an_end(runner: Runner) -> None:
    """After ``max_retries`` the last error is the outcome; other errors are not tried again."""
    with runner():
        with pytest.raises(RetryError, match="attempt 2"):
            tasks.try_hard(9).result_or_raise(20)
        assert tasks.seen == [0, 1, 2]
        with pytest.raises(KeyError):
            tasks.try_for_key_errors("key").result_or_raise(20)
        with pytest.raises(ValueError, match="other"):
            tasks.try_for_key_errors("other").result_or_raise(20)
    assert tasks.seen[3:] == ["key", "key", "other"]


def test_the_fence_grows_with_each_claim(runner: Runner) -> None:
    """A later attempt has a greater number; outside of the task there is none."""
    with runner():
        invocation = tasks.tell_fence()
        invocation.result_or_raise(20)
    first, second = tasks.seen
    assert isinstance(first, int)
    assert isinstance(second, int)
    assert second > first
    with pytest.raises(RuntimeError, match="does not run here"):
        _ = invocation.fence


def test_a_result_that_takes_too_long(app: Pynenc, runner: Runner) -> None:
    """A time-out ends the wait, not the invocation; others may wait for it meanwhile."""
    with runner():
        invocation = tasks.wait_at_the_gate(1)
        with pytest.raises(ResultTimeoutError, match=r"within 0\.05 s"):
            invocation.result_or_raise(timeout=0.05)
        tasks.gate.set()
        assert invocation.result_or_raise(20) == 1
        again = app.get_invocation(invocation.invocation_id)
        assert again.result_or_raise(20) == 1


def test_closing_the_app_ends_waits(app: Pynenc) -> None:
    """Whoever waits for a result when the app is closed is told, instead of waiting for ever."""
    invocation = tasks.add(1, 2)
    with ThreadPoolExecutor() as pool:
        waiting = pool.submit(lambda: invocation.result)
        while invocation.invocation_id not in app.engine.results.awaited():
            assert not waiting.done()
        app.close()
        with pytest.raises(StoreUnavailableError, match="the app was closed while"):
            waiting.result(20)


def test_a_child_knows_its_parent(app: Pynenc, runner: Runner) -> None:
    """A call from within a task records the running invocation as its parent."""
    with runner():
        parent = tasks.call_another()
        child = app.get_invocation(parent.result_or_raise(20))
        assert child.result_or_raise(20) == 11
    record = app.state_backend.get_invocation(child.invocation_id)
    assert record.parent_id == parent.invocation_id
    assert record.depth == 1


def test_invocation_is_there_only_inside_the_task() -> None:
    """``task.invocation`` outside of a run says so."""
    with pytest.raises(RuntimeError, match=r"add\.invocation is there only while the task runs"):
        _ = tasks.add.invocation


def test_cancel_before_it_runs(app: Pynenc, runner: Runner) -> None:
    """What is cancelled before it runs never runs, and its result says why."""
    invocation = tasks.wait_at_the_gate(1)
    assert invocation.cancel() == "cancelled"
    assert invocation.cancel() == "final"
    with runner():
        assert tasks.add(1, 1).result_or_raise(20) == 2
    with pytest.raises(InvocationCancelledError):
        invocation.result_or_raise(20)
    assert tasks.seen == []


def test_unknown_invocations(app: Pynenc) -> None:
    """An id nobody knows, and text that is no id, are not found."""
    for unknown in ("01a21200-0000-7000-8000-000000000000", "nonsense"):
        with pytest.raises(InvocationNotFoundError, match=unknown):
            app.get_invocation(unknown)


def test_arguments_and_results_are_readable_json(app: Pynenc, runner: Runner) -> None:
    """Plain values stand in the store as the JSON they are."""
    with runner():
        invocation = tasks.add(1, 2)
        invocation.result_or_raise(20)
    record = app.state_backend.get_invocation(invocation.invocation_id)
    assert json.loads(record.arguments) == {"x": 1, "y": 2}
    outcomes = app.state_backend.get_outcomes([invocation.invocation_id])
    assert outcomes[invocation.invocation_id].value == "3"


def test_purge_forgets_everything(app: Pynenc, runner: Runner) -> None:
    """After purge no call is left, live or finished, and new ones work."""
    with runner():
        finished = tasks.add(1, 2)
        finished.result_or_raise(20)
    tasks.add(1, 2)
    assert app.purge() == 2
    assert app.state_backend.count_ready() == 0
    with pytest.raises(InvocationNotFoundError):
        _ = finished.status
    with runner():
        assert tasks.add(2, 2).result_or_raise(20) == 4
