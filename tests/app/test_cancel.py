"""Cancelling what runs: at its next call of the library, in a wait, or where it awaits."""

from __future__ import annotations

import threading
import time
from types import ModuleType
from typing import Any

import pytest

from pynenc_pg import InvocationStatus, Pynenc
from pynenc_pg.domain.records import CancelAnswer
from pynenc_pg.exceptions import InvocationCancelledError
from pynenc_pg.invocation.status import Reason
from tests.app import timed_tasks as tasks
from tests.app.conftest import Runner
from tests.app.test_thread_runner import wait_for
from tests.support.stopwatch import Stopwatch


@pytest.fixture
def tasks_module() -> ModuleType:
    """Tasks that can be cancelled."""
    return tasks


@pytest.mark.parametrize(
    "name", ["looks_now_and_then", "calls_others", "waits_for_slow", "sleeps", "awaits_slow"]
)
def test_what_runs_is_cancelled(any_runner: Runner, name: str) -> None:
    """It ends as FAILED with that reason, soon, is not tried again, and its children go on."""
    with any_runner():
        invocation = getattr(tasks, name)()
        wait_for(lambda: "begun" in tasks.seen)
        watch = Stopwatch()
        assert invocation.cancel() is CancelAnswer.REQUESTED
        with pytest.raises(InvocationCancelledError, match=str(invocation.invocation_id)):
            invocation.result_or_raise(20)
        assert watch.seconds < 2
        last = invocation.history[-1]
        assert (last.status, last.reason) == (InvocationStatus.FAILED, Reason.CANCELLED)
        assert invocation.num_retries == 0
        if "slow" in name:
            tasks.gate.set()
            assert tasks.children[0].result_or_raise(20) == "slow"


def test_a_coroutine_is_cancelled_while_its_pause_is_written(
    app: Pynenc, runner: Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It goes on when that has been written, not before: else it would stay PAUSED."""
    with runner():
        orchestrator = app.engine.store.orchestrator
        pausing, go, said = threading.Event(), threading.Event(), []
        pause, resume = orchestrator.pause, orchestrator.resume

        def late(*args: Any) -> Any:
            pausing.set()
            assert go.wait(20)
            try:
                return pause(*args)
            finally:
                said.append("paused")

        def noted(*args: Any) -> Any:
            said.append("resumed")
            return resume(*args)

        monkeypatch.setattr(orchestrator, "pause", late)
        monkeypatch.setattr(orchestrator, "resume", noted)
        invocation = tasks.awaits_slow()
        assert pausing.wait(20)
        assert invocation.cancel() is CancelAnswer.REQUESTED
        time.sleep(0.3)
        go.set()
        with pytest.raises(InvocationCancelledError, match=str(invocation.invocation_id)):
            invocation.result_or_raise(20)
        assert said == ["paused", "resumed"]
        tasks.gate.set()
        assert tasks.children[0].result_or_raise(20) == "slow"


def test_what_calls_nothing_ends_as_it_does(any_runner: Runner) -> None:
    """A plain function is not interrupted: what it returns stands, as nobody could undo it."""
    with any_runner():
        invocation = tasks.ends_anyway()
        wait_for(lambda: "begun" in tasks.seen)
        assert invocation.cancel() is CancelAnswer.REQUESTED
        time.sleep(0.2)
        tasks.gate.set()
        assert invocation.result_or_raise(20) == "done"
        assert invocation.cancel() is CancelAnswer.FINAL


def test_what_has_no_place_yet_never_begins(
    app: Pynenc, any_runner: Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Claimed with others, it waits in the runner for a thread: its task is not called."""
    monkeypatch.setattr(app.conf.runner, "concurrency", 1)
    monkeypatch.setattr(app.conf.runner, "buffer", 50)
    calls = [tasks.ends_anyway() for _ in range(3)]
    with any_runner():
        wait_for(lambda: "begun" in tasks.seen)
        waiting = calls[1:]
        for each in waiting:
            each.cancel()
        tasks.gate.set()
        for each in waiting:
            with pytest.raises(InvocationCancelledError):
                each.result_or_raise(20)
        assert calls[0].result_or_raise(20) == "done"
    assert tasks.seen == ["begun"]


def test_a_cancellation_nobody_heard_of(
    app: Pynenc, any_runner: Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A hint may be lost: the runner asks at each heartbeat."""
    monkeypatch.setattr("pynenc_pg.runner.home.Home._heed", lambda *_: None)
    monkeypatch.setattr(app.conf.runner, "heartbeat", 0.3)
    monkeypatch.setattr(app.conf.runner, "poll", 0.1)
    with any_runner():
        invocation = tasks.looks_now_and_then()
        wait_for(lambda: "begun" in tasks.seen)
        invocation.cancel()
        with pytest.raises(InvocationCancelledError):
            invocation.result_or_raise(5)


def test_others_are_left_alone(any_runner: Runner) -> None:
    """Of many that run, the one is cancelled that was meant."""
    with any_runner():
        meant, other = tasks.sleeps(), tasks.ends_anyway()
        wait_for(lambda: tasks.seen.count("begun") == 2)
        meant.cancel()
        with pytest.raises(InvocationCancelledError):
            meant.result_or_raise(20)
        tasks.gate.set()
        assert other.result_or_raise(20) == "done"
