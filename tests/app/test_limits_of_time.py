"""Attempts that take too long, calls that come too late, and tasks that ask for more time."""

from __future__ import annotations

import time
from datetime import timedelta

import pytest

from pynenc_pg import InvocationStatus, Pynenc
from pynenc_pg.exceptions import (
    InvalidTaskOptionsError,
    InvocationExpiredError,
    Snooze,
    TaskTimeoutError,
)
from pynenc_pg.invocation.status import Reason
from pynenc_pg.testing import eager
from tests.app import timed_tasks as tasks
from tests.app.conftest import Runner


@pytest.fixture
def tasks_module() -> object:
    """Tasks that have limits."""
    return tasks


@pytest.mark.parametrize("name", ["spin", "spin_async", "doze_async", "wait_for_long"])
def test_an_attempt_that_takes_too_long(any_runner: Runner, name: str) -> None:
    """It is interrupted, cleans up, and ends as FAILED with an error that names task and limit."""
    with any_runner():
        invocation = getattr(tasks, name)("0.2")
        began = time.monotonic()
        with pytest.raises(TaskTimeoutError, match=rf"{name} was not over after 0\.2 s"):
            invocation.result_or_raise(20)
        assert time.monotonic() - began < 5
        assert invocation.status is InvocationStatus.FAILED
        assert "cleaned up" in tasks.seen


def test_a_call_of_c_is_given_up(
    app: Pynenc, any_runner: Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What cannot be interrupted keeps its thread, but neither its place nor its invocation."""
    monkeypatch.setattr(app.conf.runner, "concurrency", 1)
    with any_runner():
        stuck = tasks.stuck(3.0)
        after = tasks.add(1, 2)
        with pytest.raises(TaskTimeoutError):
            stuck.result_or_raise(2.5)
        assert after.result_or_raise(1) == 3
        assert "failed: TaskTimeoutError" in tasks.seen
    assert stuck.status is InvocationStatus.FAILED


def test_it_is_tried_again_where_that_is_listed(app: Pynenc, any_runner: Runner) -> None:
    """The reason of the retry is the time; it is spent like any other."""
    with any_runner():
        invocation = tasks.slow_at_first()
        assert invocation.result_or_raise(20) == 2
    reasons = [e.reason for e in invocation.history if e.status is InvocationStatus.RETRY]
    assert reasons == [Reason.TIMEOUT]
    assert invocation.num_retries == 1


def test_the_limit_of_one_call(any_runner: Runner) -> None:
    """``options`` says it for itself."""
    with any_runner(), pytest.raises(TaskTimeoutError):
        tasks.spin.options(timeout=timedelta(seconds=0.1))("1000").result_or_raise(20)


@pytest.mark.parametrize("places", [1, 4])
def test_who_waits_has_the_same_time(
    app: Pynenc, any_runner: Runner, monkeypatch: pytest.MonkeyPatch, places: int
) -> None:
    """The limit counts waits for others; who waits is called off, and its child goes on.

    Also where the child has the only place.
    """
    monkeypatch.setattr(app.conf.runner, "concurrency", places)
    with any_runner():
        parent = tasks.parent_of_slow()
        with pytest.raises(TaskTimeoutError):
            parent.result_or_raise(20)
        statuses = [entry.status for entry in parent.history]
        assert InvocationStatus.RESUMED in statuses
        tasks.gate.set()
        [child] = tasks.children
        assert child.result_or_raise(20) == "slow"


def test_what_was_in_time_is_left_alone(any_runner: Runner) -> None:
    """Many short attempts with a limit end as ever, and none of their alarms rings later."""
    with any_runner():
        group = tasks.quick.parallelize([(n,) for n in range(200)])
        assert sorted(group.results) == list(range(200))
        time.sleep(0.4)
        assert {i.status for i in group} == {InvocationStatus.SUCCESS}


def test_a_task_that_expires(app: Pynenc, runner: Runner) -> None:
    """Nobody began it in the seconds its task gives it; a call may say it for itself."""
    late = tasks.perishable()
    durable = tasks.perishable.options(expires=3600)()
    time.sleep(0.5)
    with runner():
        with pytest.raises(InvocationExpiredError):
            late.result_or_raise(20)
        assert durable.result_or_raise(20) == "fresh"


def test_a_task_that_asks_for_time(app: Pynenc, any_runner: Runner) -> None:
    """``Snooze`` puts it off; no retry is spent, no error kept, and the slot is free meanwhile."""
    with any_runner():
        invocation = tasks.snoozes(2)
        assert invocation.result_or_raise(20) == 3
    again = [e for e in invocation.history if e.status is InvocationStatus.RETRY]
    assert [e.reason for e in again] == [Reason.SNOOZED] * 2
    assert [e.error for e in again] == [None, None]
    assert invocation.num_retries == 0


def test_snoozing_in_synchronous_mode(app: Pynenc) -> None:
    """There it is run again at once."""
    with eager(app):
        assert tasks.snoozes(3).result == 4


@pytest.mark.parametrize("seconds", [-1, float("nan"), float("inf"), "soon"])
def test_a_snooze_that_cannot_be(seconds: float) -> None:
    """It is refused where it is made."""
    with pytest.raises(ValueError, match=r"Snooze\(.*seconds, 0 or more"):
        Snooze(seconds)


@pytest.mark.parametrize("option", ["timeout", "expires"])
@pytest.mark.parametrize("value", [0, -1, float("nan"), 1e12, "soon"])
def test_a_limit_that_cannot_be(app: Pynenc, option: str, value: object) -> None:
    """It is refused at the decoration, and at the call."""
    with pytest.raises(InvalidTaskOptionsError, match=option):
        app.task(**{option: value})(tasks.plain)  # type: ignore[call-overload]
    with pytest.raises(InvalidTaskOptionsError, match=option):
        tasks.add.options(**{option: value})  # type: ignore[arg-type]
