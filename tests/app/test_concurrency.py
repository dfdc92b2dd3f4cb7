"""Limits on what runs at once, under runners in the test's process, on both stores."""

from __future__ import annotations

import random
import re
import threading
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

import psycopg
import pytest

from pynenc_pg import InvocationStatus, Pynenc, wiring
from pynenc_pg.domain.ids import InvocationId, RunnerId
from pynenc_pg.domain.records import CancelAnswer, Hold, RunnerSpec
from pynenc_pg.exceptions import ConcurrencyControlledError
from pynenc_pg.postgres.database import PgDatabase
from pynenc_pg.runner.base import BaseRunner
from tests.app import concurrency_tasks as tasks
from tests.app.conftest import working
from tests.app.test_thread_runner import wait_for
from tests.support.limits import most_at_once, most_overlapping

S = InvocationStatus


@pytest.fixture
def tasks_module(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The app is that of ``concurrency_tasks``; nothing has run, and nobody is let through."""
    tasks.spans.clear()
    monkeypatch.setattr(tasks, "passes", threading.Semaphore(0))
    return tasks


@pytest.mark.parametrize(
    ("name", "together_at_most"),
    [
        ("hold_alone", 1),
        ("hold_each", 3),
        ("hold_by_key", 2),
        ("hold_by_key_in_pairs", 3),
        ("hold_freely", 4),
    ],
)
def test_so_many_run_at_once(app: Pynenc, name: str, together_at_most: int) -> None:
    """Each scope lets as many run as it says; the others follow, none is lost."""
    task = app.get_task(f"{tasks.__name__}.{name}")
    calls = [("a", 1), ("a", 1), ("a", 2), ("b", 1)]
    invocations = [task(*call) for call in calls]
    with working(app.runner):
        wait_for(lambda: len(tasks.seen) == together_at_most)
        time.sleep(0.2)
        assert len(tasks.seen) == together_at_most
        statuses = [one.status for one in invocations]
        assert statuses.count(S.RUNNING) == together_at_most
        assert set(statuses) <= {S.RUNNING, S.CONCURRENCY_CONTROLLED, S.REGISTERED}
        tasks.gate.set()
        assert [one.result_or_raise(20) for one in invocations] == [1, 1, 2, 1]
    assert sorted(tasks.seen, key=str) == sorted(calls)


def test_what_must_not_wait_ends(app: Pynenc) -> None:
    """With ``reroute_on_concurrency_control=False`` a blocked one ends, and its result says so."""
    first = tasks.run_now_or_never(1)
    with working(app.runner):
        wait_for(lambda: bool(tasks.seen))
        blocked = tasks.run_now_or_never(2)
        with pytest.raises(ConcurrencyControlledError, match="limit was reached"):
            blocked.result_or_raise(20)
        with pytest.raises(KeyError):
            blocked.result_or_raise(20)
        assert blocked.status is S.CONCURRENCY_CONTROLLED_FINAL
        tasks.gate.set()
        assert first.result_or_raise(20) == 1
        assert tasks.run_now_or_never(3).result_or_raise(20) == 3
    assert ("", 2) not in tasks.seen


@pytest.mark.parametrize("way", ["success", "failure", "retry", "delayed"])
def test_a_slot_comes_back_after_an_attempt(app: Pynenc, way: str) -> None:
    """However it ends, the next one runs; a delayed retry does not keep the slot meanwhile."""
    first, second = tasks.leave_the_slot(way), tasks.leave_the_slot("second")
    with working(app.runner):
        assert second.result_or_raise(20) == "second"
        if way == "failure":
            with pytest.raises(ValueError, match=way):
                first.result_or_raise(20)
        else:
            assert first.result_or_raise(20) == way
    again = {"retry": [way, way, "second"], "delayed": [way, "second", way]}
    assert tasks.seen == again.get(way, [way, "second"])


def test_a_slot_comes_back_after_a_cancellation(app: Pynenc) -> None:
    """A running one that is cancelled frees its slot at its end; a parked one never had one."""
    first, second, third = map(tasks.leave_the_slot, ("cancelled", "second", "third"))
    with working(app.runner):
        wait_for(lambda: tasks.seen == ["cancelled"])
        assert second.cancel() is CancelAnswer.CANCELLED
        assert first.cancel() is CancelAnswer.REQUESTED
        tasks.gate.set()
        assert third.result_or_raise(20) == "third"
    assert (first.status, second.status) == (S.FAILED, S.FAILED)
    assert tasks.seen == ["cancelled", "third"]


def test_a_slot_comes_back_when_a_runner_stops(
    app: Pynenc, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a stopping runner gives back lets the first of the key run, itself."""
    monkeypatch.setattr(app.conf.runner, "shutdown_timeout", 0.05)
    first, second = tasks.leave_the_slot("gate"), tasks.leave_the_slot("second")
    with working(app.runner):
        wait_for(lambda: tasks.seen == ["gate"])
    assert S.REROUTED in {entry.status for entry in first.history}
    tasks.gate.set()
    with working(app.runner):
        assert [first.result_or_raise(20), second.result_or_raise(20)] == ["gate", "second"]
    assert tasks.seen == ["gate", "gate", "second"]


def test_a_slot_comes_back_after_a_crash(app: Pynenc) -> None:
    """A runner that is not heard of any more loses its work, and the slot with it."""
    first, second = tasks.leave_the_slot("first"), tasks.leave_the_slot("second")
    gone = RunnerId("gone")
    app.orchestrator.register_runner(RunnerSpec(gone, "Test", lease=0.3))
    [held] = app.orchestrator.claim(gone, ["default"], 1)
    app.orchestrator.start(gone, [Hold(held.invocation_id, held.lease)])
    with working(app.runner):
        assert [first.result_or_raise(20), second.result_or_raise(20)] == ["first", "second"]
    assert S.RUNNING_RECOVERY in {entry.status for entry in first.history}


def _two_runners(apps: list[Pynenc]) -> list[BaseRunner]:
    """Return two that work on the same store, with four slots each."""
    if len(apps) > 1:
        return [app.runner for app in apps[:2]]
    return [wiring.build_runner(apps[0].conf, apps[0].engine) for _ in range(2)]


def test_limits_hold_under_several_runners(apps: list[Pynenc]) -> None:
    """Ten keys, two at once each: by the tasks' own clocks and by the database's history."""
    dice = random.Random(4)
    calls = [(f"key {dice.randrange(10)}", dice.uniform(0, 0.02)) for _ in range(200)]
    with working(*_two_runners(apps)):
        invocations = [tasks.take_time(*call) for call in calls]
        for one in invocations:
            one.result_or_raise(60)
    assert len(tasks.spans) == len(calls)
    assert set(most_overlapping(tasks.spans).values()) <= {1, 2}
    assert 2 in most_overlapping(tasks.spans).values()
    if apps[0].conf.postgres.dsn is not None:
        keys = {
            str(one.invocation_id): key for one, (key, _) in zip(invocations, calls, strict=True)
        }
        with psycopg.connect(apps[0].conf.postgres.dsn) as connection:
            most = most_at_once(connection, keys)
            assert most.keys() == {key for key, _ in calls}
            assert set(most.values()) == {2}
            everything = most_at_once(connection, dict.fromkeys(keys, "all"))
            assert 2 < everything["all"] <= 20


class _Counted:
    """Counts the statements that go to the database."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.calls = 0
        call = PgDatabase.call

        def counted(database: PgDatabase, *args: Any, **kwargs: Any) -> Any:
            self.calls += 1
            return call(database, *args, **kwargs)

        monkeypatch.setattr(PgDatabase, "call", counted)


def _changes(app: Pynenc, ids: Sequence[InvocationId]) -> int:
    """Count the status changes of these, from their registration on."""
    if app.conf.postgres.dsn is None:
        return sum(len(app.state_backend.get_history(one)) - 1 for one in ids)
    with psycopg.connect(app.conf.postgres.dsn) as connection:
        count = "select count(*) from pynenc.invocation_history where rev > 0"
        [[changes]] = connection.execute(count).fetchall()
        return int(changes)


def _begun(number: int) -> bool:
    return len(tasks.seen) == number


def test_ten_thousand_that_wait_cause_no_storm(
    app: Pynenc, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Status changes and statements are a few for each that runs, however many wait behind it."""
    calls = [{"number": n} for n in range(10_000)]
    registered = app.engine.submit(tasks.pass_one_by_one.definition, calls)
    ids = [one.invocation_id for one in registered]
    counted = _Counted(monkeypatch)
    with working(app.runner):
        wait_for(lambda: len(tasks.seen) == 1)
        before = counted.calls
        for n in range(50):
            tasks.passes.release()
            wait_for(partial(_begun, n + 2))
        ran = counted.calls - before
        assert tasks.seen == list(range(51))
        assert 3 * 50 <= _changes(app, ids) <= 6 * 51
        time.sleep(0.5)  # a runner that went to sleep looks again a few times
        before = counted.calls
        time.sleep(1)
        assert counted.calls - before <= 8
        tasks.passes.release()
    if app.conf.postgres.dsn is not None:
        assert 2 * 50 <= ran <= 6 * 50


@pytest.mark.parametrize("app", ["postgres"], indirect=True)
def test_the_queries_of_the_howto_show_who_waits_for_whom(app: Pynenc) -> None:
    """What holds a slot, what is parked, how many stand behind."""
    assert app.conf.postgres.dsn is not None
    page = Path(__file__).parents[2] / "docs/howto/concurrency.md"
    blocks = re.findall(r"```sql\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)
    queries = [query for block in blocks for query in block.split(";") if query.strip()]
    calls = [tasks.hold_by_key("a", n) for n in range(3)]
    with working(app.runner), psycopg.connect(app.conf.postgres.dsn, autocommit=True) as session:
        wait_for(lambda: calls[1].status is S.CONCURRENCY_CONTROLLED and bool(tasks.seen))
        depth, parked, slots = (
            session.execute(query.replace("'shop'", f"'{app.conf.app_id}'").encode()).fetchall()
            for query in queries
        )
        assert depth == [("default", 1, 1)]
        assert [str(row[0]) for row in parked] == [calls[1].invocation_id]
        [[task_id, limit, number, holder, arguments, status, _, waiting]] = slots
        assert (task_id, str(holder)) == (tasks.hold_by_key.task_id, calls[0].invocation_id)
        assert (limit, number, status, waiting) == (1, 1, "running", 2)
        assert arguments == {"key": "a", "number": 0}
        tasks.gate.set()
        assert [one.result_or_raise(20) for one in calls] == [0, 1, 2]
