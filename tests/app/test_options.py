"""Calls with options of their own, on both stores."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from pynenc_pg import Pynenc, RetryError
from pynenc_pg.exceptions import InvalidTaskOptionsError, InvocationExpiredError
from pynenc_pg.invocation.handle import Invocation, ReusedInvocation
from pynenc_pg.invocation.status import InvocationStatus
from pynenc_pg.testing import eager, in_memory
from tests.app import tasks
from tests.app.conftest import Runner

#: What is promised: it begins within a second of its time; and what a busy machine adds.
SOON, SLACK = 1.0, 1.0


def began(invocation: Invocation[Any]) -> datetime:
    """Tell when it was begun."""
    [at] = [entry.at for entry in invocation.history if entry.status is InvocationStatus.RUNNING]
    return at


@pytest.mark.parametrize("by", ["delay", "timedelta", "at"])
def test_a_call_that_has_time(app: Pynenc, runner: Runner, by: str) -> None:
    """It stands outside of what is ready until its time has come, and begins soon after that."""
    due = datetime.now(UTC) + timedelta(seconds=1.5)
    options: dict[str, dict[str, Any]] = {
        "delay": {"delay": 1.5},
        "timedelta": {"delay": timedelta(seconds=1.5)},
        "at": {"at": due},
    }
    with runner():
        invocation = tasks.add.options(**options[by])(1, 2)
        assert app.state_backend.count_ready() == 0
        assert invocation.status is InvocationStatus.REGISTERED
        assert invocation.result_or_raise(20) == 3
    late = (began(invocation) - due).total_seconds()
    assert -0.01 < late < SOON + SLACK


def test_a_time_that_is_past_is_now(app: Pynenc, runner: Runner) -> None:
    """Nothing waits for what has been."""
    invocation = tasks.add.options(at=datetime(1970, 1, 2, tzinfo=UTC), delay=0)(1, 2)
    assert app.state_backend.count_ready() == 1
    with runner():
        assert invocation.result_or_raise(20) == 3


def test_many_calls_that_have_time(app: Pynenc) -> None:
    """``parallelize`` has the options, too, and they may be kept and used again."""
    tomorrow = tasks.add.options(delay=timedelta(days=1))
    group = tomorrow.parallelize([{"x": n} for n in range(3)], {"y": 1})
    tomorrow(1)
    assert len(group) == 3
    assert app.state_backend.count_ready() == 0
    tasks.add(1)
    assert app.state_backend.count_ready() == 1


def test_from_a_coroutine(app: Pynenc) -> None:
    """As the task itself."""

    async def call() -> None:
        await tasks.add.options(queue="other").acall(1)
        await tasks.add.options(queue="other").aparallelize([(1,), (2,)])

    asyncio.run(call())
    assert app.state_backend.count_ready("other") == 3


def test_a_queue_of_its_own(app: Pynenc) -> None:
    """Instead of the task's."""
    tasks.add.options(queue="mail")(1)
    tasks.add.parallelize([(1,), (2,)])
    assert [app.state_backend.count_ready(queue) for queue in ("mail", "default")] == [1, 2]


def test_a_priority_of_its_own(
    app: Pynenc, runner: Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is more urgent overtakes what was called before."""
    monkeypatch.setattr(app.conf.runner, "concurrency", 1)
    calls = [tasks.add.options(priority=priority)(1) for priority in (-5, 0, 5, None)]
    with runner():
        assert [call.result_or_raise(20) for call in calls] == [11] * 4
    assert sorted(range(4), key=lambda n: began(calls[n])) == [2, 1, 3, 0]


def test_what_nobody_begins_in_time_ends(app: Pynenc, runner: Runner) -> None:
    """Counted from when it may be begun; what begins in time is not touched."""
    late = tasks.add.options(expires=0.2)(1)
    scheduled = tasks.add.options(expires=timedelta(seconds=60), delay=1)(1)
    time.sleep(0.4)
    with runner():
        with pytest.raises(InvocationExpiredError):
            late.result_or_raise(20)
        assert scheduled.result_or_raise(20) == 11
    assert app.state_backend.count_ready() == 0


def test_attempts_of_its_own(app: Pynenc, runner: Runner) -> None:
    """More than the task has, or none; those of other calls are as they were."""
    calls = [
        tasks.fail_always.options(max_retries=2)(),
        tasks.fail_always.options(max_retries=0)(),
        tasks.fail_always(),
    ]
    with runner():
        for call in calls:
            with pytest.raises(RetryError):
                call.result_or_raise(20)
    assert [call.num_retries for call in calls] == [2, 0, 1]
    assert app.state_backend.count_ready() == 0


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"delay": -1}, r"delay = -1: must be greater than or equal to 0"),
        ({"delay": float("nan")}, r"delay = nan"),
        ({"delay": 1e12}, r"delay = 1000000000000"),
        ({"at": datetime(2027, 1, 1)}, r"at = .*timezone"),  # noqa: DTZ001 - that is the point
        ({"at": datetime(2027, 1, 1, tzinfo=UTC), "delay": 1}, r"delay and at both"),
        ({"priority": 101}, r"priority = 101"),
        ({"queue": "two words"}, r"queue = 'two words'"),
        ({"expires": 0}, r"expires = 0"),
        ({"max_retries": -1}, r"max_retries = -1"),
    ],
)
def test_a_wrong_option_is_refused_where_it_stands(options: dict[str, Any], said: str) -> None:
    """Before anything is called, with the value and what would do."""
    with pytest.raises(InvalidTaskOptionsError, match=said):
        tasks.add.options(**options)


def test_with_a_clock_of_its_own() -> None:
    """A test moves the time."""
    with in_memory(tasks.app) as world:
        invocation = tasks.add.options(delay=3600, expires=60)(1)
        assert world.run_until_idle() == 0
        world.advance(3600)
        world.run_until_idle()
        assert invocation.result == 11


def test_at_the_call_there_is_no_time() -> None:
    """In synchronous mode a call is executed at once, with the attempts it was given."""
    with eager(tasks.app):
        assert tasks.add.options(delay=3600, queue="other")(1).result == 11
        assert tasks.fail_always.options(max_retries=3)().num_retries == 3


@pytest.mark.parametrize("options", ["[]", '{"max_retries": "x"}', '{"max_retries": null}', "7"])
def test_options_that_somebody_has_written_by_hand(
    app: Pynenc, runner: Runner, monkeypatch: pytest.MonkeyPatch, options: str
) -> None:
    """What is no number of attempts is as the task has it; its own error is the outcome."""
    monkeypatch.setattr("pynenc_pg.engine.submit.for_runner", lambda _: options)
    call = tasks.fail_always()
    with runner(), pytest.raises(RetryError):
        call.result_or_raise(20)
    assert call.num_retries == 1


def test_a_call_with_a_key_is_made_once(app: Pynenc, runner: Runner) -> None:
    """Before it begins and after its end; the handle says so, and the first arguments count."""
    first = tasks.add.options(key="order-17")(1, 2)
    second = tasks.add.options(key="order-17")(3, 4)
    assert isinstance(second, ReusedInvocation)
    with runner():
        assert second.result_or_raise(20) == 3
    third = tasks.add.options(key="order-17", priority=5)(5, 6)
    assert third == first
    assert third.result_or_raise(1) == 3
    assert tasks.add.options(key="order-18")(5, 6) != first


@pytest.mark.parametrize("key", ["", "k" * 256, "a\0b", "\ud800", 17])
def test_a_key_that_cannot_be(app: Pynenc, key: Any) -> None:
    """It is refused at the call, and so are many calls with one key."""
    with pytest.raises(InvalidTaskOptionsError, match="key"):
        tasks.add.options(key=key)
    with pytest.raises(InvalidTaskOptionsError, match="'k' is of one call"):
        tasks.add.options(key="k").parallelize([(1, 2)])
    assert app.state_backend.count_ready() == 0
