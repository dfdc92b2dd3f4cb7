"""Attempts: when the next one comes, and what is left to read of the ones before."""

from __future__ import annotations

from itertools import pairwise

import pytest

from pynenc_pg import InvocationStatus, RetryError
from tests.app import tasks
from tests.app.conftest import Runner

S = InvocationStatus


def test_each_attempt_stands_with_its_error(runner: Runner) -> None:
    """What each attempt raised, when and where, can be read afterwards."""
    with runner():
        invocation = tasks.fail_slowly(2)
        assert invocation.result_or_raise(20) == 2
    first, second, last = invocation.attempts
    assert [a.number for a in (first, second, last)] == [1, 2, 3]
    assert [a.status for a in (first, second, last)] == [S.RETRY, S.RETRY, S.SUCCESS]
    assert (first.reason, last.reason) == ("error", None)
    assert isinstance(first.error, KeyError)
    assert [a.error.args if a.error else None for a in (first, second, last)] == [
        ("attempt 0",),
        ("attempt 1",),
        None,
    ]
    assert first.ended_at is not None
    assert first.started_at <= first.ended_at <= second.started_at
    assert all(a.runner_id and a.runner_id.startswith("ThreadRunner@") for a in (first, second))


def test_the_delay_is_kept(runner: Runner) -> None:
    """The next attempt begins when its delay is over, and not before."""
    with runner():
        invocation = tasks.fail_slowly(2)
        assert invocation.result_or_raise(20) == 2
    attempts = invocation.attempts
    for before, after in pairwise(attempts):
        assert before.ended_at is not None
        assert (after.started_at - before.ended_at).total_seconds() >= 0.19


def test_the_last_attempt_fails_with_its_own_error(runner: Runner) -> None:
    """After ``max_retries`` the last attempt's error is the outcome, and stands in its attempt."""
    with runner():
        invocation = tasks.fail_slowly(9)
        with pytest.raises(KeyError, match="attempt 3"):
            invocation.result_or_raise(20)
    assert [a.status for a in invocation.attempts] == [*[S.RETRY] * 3, S.FAILED]
    assert [repr(a.error) for a in invocation.attempts] == [
        f"KeyError('attempt {n}')" for n in range(4)
    ]


def test_a_callable_decides_on_the_delay(runner: Runner) -> None:
    """It is given the number of the retry and the error."""
    with runner(), pytest.raises(RetryError):
        tasks.ask_for_delay().result_or_raise(20)
    assert tasks.seen == [(1, RetryError), (2, RetryError)]


def test_a_callable_that_returns_no_seconds_fails_the_invocation(runner: Runner) -> None:
    """The mistake is told, with the task's own error as its context."""
    with runner(), pytest.raises(ValueError, match="must return seconds") as caught:
        tasks.ask_in_vain().result_or_raise(20)
    assert isinstance(caught.value.__context__, RetryError)


def test_an_error_may_say_when_to_try_again(runner: Runner) -> None:
    """``RetryError(delay=…)`` is what counts."""
    with runner():
        invocation = tasks.come_back_later(0.3)
        assert invocation.result_or_raise(20) == "done"
    first, second = invocation.attempts
    assert first.ended_at is not None
    assert 0.29 <= (second.started_at - first.ended_at).total_seconds() < 10
    assert isinstance(first.error, RetryError)
    assert first.error.delay == 0.3
