"""Transactions of tasks that lose their lease, take too long, are cancelled, or are many."""

from __future__ import annotations

import asyncio
import logging
import threading
import time

import pytest

from pynenc_pg import InvocationStatus, Pynenc
from pynenc_pg.domain.records import Hold
from pynenc_pg.engine.context import running
from pynenc_pg.exceptions import InvocationCancelledError, TaskTimeoutError
from pynenc_pg.postgres import own_transaction, task_sessions
from tests.app.conftest import working
from tests.transactions.own import tasks
from tests.transactions.own.conftest import PATIENCE, ask, effects


def test_a_lost_lease_rolls_back_and_says_so(
    work: Pynenc, caplog: pytest.LogCaptureFixture
) -> None:
    """Given to somebody else meanwhile, the first attempt leaves nothing, the second its row."""
    times: list[int] = []

    def lose() -> None:
        times.append(1)
        if len(times) == 1:
            now = running.get()
            assert now is not None
            assert now.runner is not None
            hold = Hold(now.invocation_id, now.fence)
            work.engine.store.orchestrator.release(now.runner.runner_id, [hold])
            deadline = time.monotonic() + PATIENCE
            while len(times) == 1 and time.monotonic() < deadline:
                time.sleep(0.01)

    tasks.hooks["after"] = lose
    with caplog.at_level(logging.WARNING):
        invocation = tasks.free("a")
        assert invocation.result_or_raise(PATIENCE) == "A"
        deadline = time.monotonic() + PATIENCE
        while "transaction.lost" not in caplog.text and time.monotonic() < deadline:
            time.sleep(0.01)
    assert f"transaction.lost: {invocation.invocation_id}" in caplog.text
    assert len(times) == 2
    assert effects(work) == ["a"]


def test_as_many_sessions_as_places(both: Pynenc) -> None:
    """Forty tasks on four places share four sessions at most, and each has its row."""
    pids: set[int] = set()
    tasks.hooks["block"] = lambda connection: pids.add(connection.info.backend_pid)
    words = [f"{n:02}" for n in range(40)]
    assert list(tasks.free.parallelize([(word,) for word in words]).results) == [*words]
    assert effects(both) == words
    assert 1 <= len(pids) <= both.conf.runner.concurrency


def test_a_task_may_compute_for_long_in_its_block(
    work: Pynenc, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An idle transaction is ended by the server, but not while its process lives."""
    monkeypatch.setattr(own_transaction, "IDLE", 0.5)
    monkeypatch.setattr(task_sessions, "LOOK", 0.1)
    tasks.hooks["block"] = lambda _: time.sleep(1.5)
    assert tasks.free("a").result_or_raise(PATIENCE) == "A"

    async def compute(_: object) -> None:
        await asyncio.sleep(1.5)

    tasks.hooks["block"] = compute
    assert tasks.free_async("b").result_or_raise(PATIENCE) == "B"
    assert effects(work) == ["a", "b"]


def test_a_block_ends_while_the_server_is_told_that_it_lives(
    work: Pynenc, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whose statement that is does not matter to the task."""
    stirring = threading.Event()

    def slowly(self: own_transaction.PgTransaction) -> None:
        with self._loan.speaking:
            stirring.set()
            pgconn = self._session.connection.pgconn if self._session else None
            assert pgconn is not None
            pgconn.send_query(b"select pg_sleep(0.2)")
            time.sleep(0.3)
            while pgconn.get_result():
                pass

    monkeypatch.setattr(own_transaction.PgTransaction, "stir", slowly)
    monkeypatch.setattr(task_sessions, "LOOK", 0.1)
    for task, word in ((tasks.free, "a"), (tasks.free_async, "b")):
        stirring.clear()

        async def met_async(_: object) -> None:
            await asyncio.to_thread(stirring.wait, PATIENCE)

        tasks.hooks["block"] = met_async if word == "b" else lambda _: stirring.wait(PATIENCE)
        assert task(word).result_or_raise(PATIENCE) == word.upper()
    assert effects(work) == ["a", "b"]


@pytest.mark.parametrize("where", ["block", "after"])
def test_a_task_that_takes_too_long_rolls_back(both: Pynenc, where: str) -> None:
    """Interrupted in its block or after it, nothing of it is written, and no lock stays."""

    def spin(*_: object) -> None:
        until = time.monotonic() + PATIENCE
        while time.monotonic() < until:
            pass

    tasks.hooks[where] = spin
    with pytest.raises(TaskTimeoutError):
        tasks.free.options(timeout=0.3)("a").result_or_raise(PATIENCE)
    tasks.hooks.clear()
    assert effects(both) == []
    assert tasks.free("b").result_or_raise(PATIENCE) == "B"
    assert effects(both) == ["b"]


def test_a_task_that_does_not_listen_lets_its_locks_go(both: Pynenc) -> None:
    """What it has written is rolled back as its attempt is given up, while it stands there."""
    over = threading.Event()
    tasks.hooks["block"] = lambda _: over.wait(PATIENCE)
    invocation = tasks.free.options(timeout=0.2)("a")
    with pytest.raises(TaskTimeoutError):
        invocation.result_or_raise(PATIENCE)
    open_ = "select count(*)::int from pg_stat_activity where state like 'idle in transaction%'"
    deadline = time.monotonic() + PATIENCE
    while ask(both, open_) != [0]:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    over.set()
    assert effects(both) == []
    assert invocation.status is InvocationStatus.FAILED


def test_a_cancelled_coroutine_rolls_back(app: Pynenc, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where it stands in its block, too."""
    begun = threading.Event()

    async def sleep(*_: object) -> None:
        begun.set()
        await asyncio.sleep(PATIENCE)

    monkeypatch.setattr(app.conf, "runner_cls", "AsyncRunner")
    tasks.hooks["block"] = sleep
    with working(app.runner):
        invocation = tasks.free_async("a")
        assert begun.wait(PATIENCE)
        invocation.cancel()
        with pytest.raises(InvocationCancelledError):
            invocation.result_or_raise(PATIENCE)
    assert effects(app) == []
