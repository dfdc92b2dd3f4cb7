"""The runner: what it takes, how it stops, what it does with what it cannot run."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

import pytest

from pynenc_pg import InvocationStatus, Pynenc
from pynenc_pg.domain.ids import RunnerId, new_invocation_id
from pynenc_pg.domain.records import Batch, NewInvocation
from tests.app import tasks
from tests.app.conftest import Runner

REROUTED, RETRY = InvocationStatus.REROUTED, InvocationStatus.RETRY


def wait_for(condition: Callable[[], bool]) -> None:
    """Wait for something a thread does."""
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def test_no_more_at_once_than_asked_for(
    app: Pynenc, runner: Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As many tasks run at once as ``concurrency`` says; the rest is left to other runners."""
    monkeypatch.setattr(app.conf.runner, "concurrency", 2)
    calls = [tasks.wait_at_the_gate(n) for n in range(5)]
    with runner():
        wait_for(lambda: len(tasks.seen) == 2)
        statuses = [call.status for call in calls]
        assert statuses.count(InvocationStatus.RUNNING) == 2
        assert statuses.count(InvocationStatus.REGISTERED) == 3
        tasks.gate.set()
        assert [call.result_or_raise(20) for call in calls] == [0, 1, 2, 3, 4]


def test_stopping_waits_for_what_runs(app: Pynenc) -> None:
    """A stop executes nothing new and lets what runs finish.

    A claim that was on its way may still take something: it is given back as it came.
    """
    thread = threading.Thread(target=app.runner.run)
    thread.start()
    running = tasks.wait_at_the_gate(1)
    wait_for(lambda: tasks.seen == [1])
    app.runner.stop_runner_loop()
    later = tasks.wait_at_the_gate(2)
    tasks.gate.set()
    thread.join(30)
    assert running.status is InvocationStatus.SUCCESS
    assert later.status in (InvocationStatus.REGISTERED, REROUTED)
    assert later.num_retries == 0
    assert tasks.seen == [1]


def test_stopping_gives_back_what_takes_too_long(
    app: Pynenc, runner: Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After ``shutdown_timeout`` it is REROUTED; its late end is dropped; another run ends it."""
    monkeypatch.setattr(app.conf.runner, "shutdown_timeout", 0.05)
    with runner():
        invocation = tasks.wait_at_the_gate(1)
        wait_for(lambda: tasks.seen == [1])
    assert invocation.status is REROUTED
    tasks.gate.set()
    with runner():
        assert invocation.result_or_raise(20) == 1
    assert tasks.seen == [1, 1]
    assert invocation.num_retries == 0


def test_a_runner_may_run_again(app: Pynenc, runner: Runner) -> None:
    """The same runner object serves again after a stop."""
    for n in range(3):
        with runner():
            assert tasks.add(n, n).result_or_raise(20) == 2 * n


def test_queues_are_served_by_those_that_ask_for_them(
    app: Pynenc, runner: Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A runner of some queues leaves the others alone."""
    monkeypatch.setattr(app.conf.runner, "queues", ("side",))
    other = tasks.add(1, 2)
    with runner():
        assert tasks.on_the_side().result_or_raise(20) == "side"
    assert other.status is InvocationStatus.REGISTERED


def test_a_task_nobody_here_knows_is_put_off(app: Pynenc, runner: Runner) -> None:
    """A runner that does not know the task leaves it for one that does, and does not spin."""
    which = new_invocation_id()
    call = NewInvocation(which, call_id="x", arguments="{}")
    app.orchestrator.register(Batch("nowhere.task", [call]))
    with runner():
        wait_for(lambda: app.get_invocation(which).status is RETRY)
    record = app.state_backend.get_invocation(which)
    assert record.reason == "snoozed"
    assert record.retries == 0
    assert record.due_at is not None


def test_a_runner_that_was_declared_dead_begins_anew(
    app: Pynenc, runner: Runner, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A living runner whose row is gone abandons what it held and serves under another id."""
    monkeypatch.setattr(app.conf.runner, "heartbeat", 0.05)
    with runner(), caplog.at_level(logging.INFO, "pynenc_pg"):
        held = tasks.wait_at_the_gate(1)
        wait_for(lambda: tasks.seen == [1])
        [first] = {entry.runner_id for entry in held.history if entry.runner_id}
        app.orchestrator.unregister_runner(RunnerId(str(first)))
        wait_for(lambda: tasks.seen == [1, 1])
        tasks.gate.set()
        assert held.result_or_raise(20) == 1
    second = held.history[-1].runner_id
    assert second != first
    assert "runner.fenced" in caplog.text


@pytest.mark.parametrize("count", [500, pytest.param(2000, marks=pytest.mark.long)])
def test_many_short_tasks(app: Pynenc, runner: Runner, count: int) -> None:
    """Hundreds of calls, or thousands, end once each, with the right result."""
    calls = [{"x": n, "y": 0} for n in range(count)]
    registered = app.engine.submit(tasks.add.definition, calls)
    with runner():
        results = [app.get_invocation(one.invocation_id).result_or_raise(60) for one in registered]
    assert results == list(range(count))


def test_a_flood_in_one_queue_does_not_starve_another(
    app: Pynenc, runner: Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who serves all queues serves them in turn: a call behind a thousand others comes soon."""
    monkeypatch.setattr(app.conf.runner, "concurrency", 1)
    monkeypatch.setattr(app.conf.runner, "batch", 10)
    tasks.add.options(queue="a-flood").parallelize([(n,) for n in range(1000)])
    late = tasks.add.options(queue="z-late")(1)
    with runner():
        assert app.get_invocation(late.invocation_id).result_or_raise(20) == 11
        before = app.state_backend.count_ready("a-flood")
    assert before > 500
