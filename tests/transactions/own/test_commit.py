"""A task's writes, its result and its SUCCESS are there together, or none of them."""

from __future__ import annotations

import threading
from contextlib import suppress
from typing import Any

import psycopg
import pytest

from pynenc_pg import InvocationStatus, Pynenc
from pynenc_pg.engine import execute
from pynenc_pg.exceptions import DataRejectedError, SerializationError, TransactionError
from pynenc_pg.task import Task
from tests.transactions.own import tasks
from tests.transactions.own.conftest import PATIENCE, ask, effects

WRITERS = (tasks.write, tasks.write_async, tasks.write_alchemy, tasks.write_alchemy_async)


@pytest.mark.parametrize("writer", WRITERS, ids=lambda task: task.func.__name__)
def test_all_of_it_is_there_at_once(both: Pynenc, writer: Task[[str], str]) -> None:
    """Before the task has returned nobody sees its writes; then they, and its end, are there."""
    seen: list[list[str]] = []
    tasks.hooks.update(dict.fromkeys(("written", "left"), lambda: seen.append(effects(both))))
    invocation = writer("a")
    assert invocation.result_or_raise(PATIENCE) == "A"
    assert effects(both) == ["a"]
    assert set(map(tuple, seen)) == {()}
    assert writer("b").result_or_raise(PATIENCE) == "B"
    assert effects(both) == ["a", "b"]
    statuses = [str(entry.status) for entry in invocation.history]
    assert statuses == ["registered", "pending", "running", "success"]


@pytest.mark.parametrize("where", ["block", "after"])
def test_an_exception_rolls_back(work: Pynenc, where: str) -> None:
    """Raised in the block or after it: nothing of it is written, and the task fails with it."""

    def fail(*_: object) -> None:
        raise LookupError(where)

    tasks.hooks[where] = fail
    with pytest.raises(LookupError, match=where):
        tasks.free("a").result_or_raise(PATIENCE)
    assert effects(work) == []


def test_an_exception_rolls_back_a_coroutine_s(both: Pynenc) -> None:
    """The same for one."""

    async def fail(_: object) -> None:
        message = "no"
        raise LookupError(message)

    tasks.hooks["block"] = fail
    with pytest.raises(LookupError, match="no"):
        tasks.free_async("a").result_or_raise(PATIENCE)
    assert effects(both) == []


def test_a_block_whose_exception_is_caught_is_as_if_it_had_not_been(work: Pynenc) -> None:
    """The task ends as any other, and may begin another block."""

    def whole(word: str) -> None:
        with suppress(LookupError), tasks.whole.invocation.transaction() as connection:
            connection.execute("insert into effect values ('lost')")
            raise LookupError
        if word == "again":
            with tasks.whole.invocation.transaction() as connection:
                connection.execute("insert into effect values ('kept')")

    tasks.hooks["whole"] = whole
    assert tasks.whole("once").result_or_raise(PATIENCE) == "ONCE"
    assert effects(work) == []
    assert tasks.whole("again").result_or_raise(PATIENCE) == "AGAIN"
    assert effects(work) == ["kept"]


def test_attempts_that_are_retried_leave_nothing(work: Pynenc) -> None:
    """Of three attempts the writes of the last one are there."""
    assert tasks.third_time("a").result_or_raise(PATIENCE) == 2
    assert effects(work) == ["a"]


def test_a_result_that_cannot_be_carried_rolls_back(work: Pynenc) -> None:
    """What is returned is encoded before anything is committed."""
    tasks.hooks["after"] = threading.Lock
    with pytest.raises(SerializationError):
        tasks.free("a").result_or_raise(PATIENCE)
    assert effects(work) == []


def test_a_result_that_the_database_cannot_hold_rolls_back(
    work: Pynenc, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Refused by the database, the result is not there and neither is the row."""
    monkeypatch.setattr(execute, "_encoded", lambda *_: ("no JSON", ()))
    with pytest.raises(DataRejectedError):
        tasks.free("a").result_or_raise(PATIENCE)
    assert effects(work) == []


def test_a_deferred_constraint_fails_the_task(work: Pynenc) -> None:
    """Checked at the commit: the task fails with it, and its result is not there."""
    tasks.hooks["block"] = lambda connection: connection.execute("insert into word values ('a')")
    assert tasks.free("a").result_or_raise(PATIENCE) == "A"
    second = tasks.free("b")
    with pytest.raises(psycopg.errors.UniqueViolation):
        second.result_or_raise(PATIENCE)
    assert (second.status, effects(work)) == (InvocationStatus.FAILED, ["a"])


def test_a_large_result_goes_with_it(both: Pynenc) -> None:
    """It is stored by itself, and the reference to it is part of the commit; undone it is not."""
    tasks.hooks["after"] = lambda: "x" * 100_000
    assert tasks.free("a").result_or_raise(PATIENCE) == "x" * 100_000
    refs = "select count(*)::int from pynenc.payload_ref"
    assert ask(both, refs) == [1]

    def fail() -> str:
        raise LookupError

    tasks.hooks["after"] = fail
    with pytest.raises(LookupError):
        tasks.free("b").result_or_raise(PATIENCE)
    assert ask(both, refs) == [1]
    assert effects(both) == ["a"]


# --- calls of other tasks ---------------------------------------------------------------------


def test_calls_in_the_block(work: Pynenc) -> None:
    """One that uses the connection is there if the task ends well; any other is there anyhow."""
    made: list[Any] = []

    def call(connection: psycopg.Connection[Any]) -> None:
        made.append(tasks.write.using(connection)("with it"))
        made.append(tasks.write("by itself"))
        query = "select invocation_id::text from pynenc.invocation where parent_id is not null"
        assert str(made[0].invocation_id) not in ask(work, query)
        assert str(made[1].invocation_id) in ask(work, query)

    def fail(connection: psycopg.Connection[Any]) -> None:
        call(connection)
        raise LookupError

    tasks.hooks["block"] = call
    parent = tasks.free("a")
    assert parent.result_or_raise(PATIENCE) == "A"
    assert [one.result_or_raise(PATIENCE) for one in made] == ["WITH IT", "BY ITSELF"]
    assert effects(work) == ["a", "by itself", "with it"]
    parents = ask(work, "select distinct parent_id::text from pynenc.invocation")
    assert {*parents} == {None, str(parent.invocation_id)}

    made.clear()
    tasks.hooks["block"] = fail
    with pytest.raises(LookupError):
        tasks.free("b").result_or_raise(PATIENCE)
    assert made[1].result_or_raise(PATIENCE) == "BY ITSELF"
    assert ask(work, "select count(*) from pynenc.invocation") == [5]
    assert effects(work) == ["a", "by itself", "by itself", "with it"]


def test_waiting_parents_and_slots(both: Pynenc) -> None:
    """The commit wakes who waits, and gives the concurrency slot to the next."""
    words = [f"w{n}" for n in range(8)]
    assert tasks.parent(words).result_or_raise(PATIENCE) == words
    assert effects(both) == words


@pytest.mark.parametrize("where", ["block", "after"])
def test_waiting_with_an_open_transaction_is_refused(work: Pynenc, where: str) -> None:
    """It would keep what it has locked from who is waited for."""
    tasks.hooks[where] = lambda *_: tasks.write("b").result
    with pytest.raises(TransactionError, match="before the block"):
        tasks.free("a").result_or_raise(PATIENCE)
    tasks.hooks[where] = lambda *_: list(tasks.write.parallelize([("c",)]).results)
    with pytest.raises(TransactionError, match="before the block"):
        tasks.free("a").result_or_raise(PATIENCE)


def test_waiting_with_an_open_transaction_is_refused_to_a_coroutine(both: Pynenc) -> None:
    """As above; waiting before the block is what it should do."""

    async def wait(*_: object) -> str:
        return await (await tasks.write.acall("b")).async_result(PATIENCE)

    async def whole(_: str) -> str:
        word = await wait()
        async with tasks.whole_async.invocation.transaction() as connection:
            await connection.execute("insert into effect values (%s)", (word,))
        return word

    tasks.hooks.update(block=wait, whole=whole)
    with pytest.raises(TransactionError, match="before the block"):
        tasks.free_async("a").result_or_raise(PATIENCE)
    assert tasks.whole_async("a").result_or_raise(PATIENCE) == "B"
