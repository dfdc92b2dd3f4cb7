"""Calls that become equal ones which have succeeded, on both stores."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from datetime import timedelta
from types import ModuleType
from typing import Any

import psycopg
import pytest

from pynenc_pg import InvocationStatus, Pynenc
from pynenc_pg.exceptions import InvalidTaskOptionsError, SignatureError
from pynenc_pg.invocation.handle import Invocation, ReusedInvocation
from pynenc_pg.testing import in_memory
from tests.app import cached_tasks as tasks
from tests.app.conftest import Runner, working

S = InvocationStatus
T = 20


@pytest.fixture
def tasks_module() -> ModuleType:
    """The app is that of ``cached_tasks``."""
    return tasks


def test_a_call_is_run_once(app: Pynenc, runner: Runner) -> None:
    """Later equal calls return that invocation: its result and status are there at once."""
    with runner():
        first = tasks.square(7)
        assert first.result_or_raise(T) == 49
        again = tasks.square(7)
        assert again == first
        assert isinstance(again, ReusedInvocation)
        assert not isinstance(first, ReusedInvocation)
    assert (again.status, again.reused) == (S.SUCCESS, True)
    assert again.result == again.result_or_raise(0) == 49  # nobody runs any more
    assert tasks.square(8) != first
    assert tasks.seen == [7]


def test_equal_however_it_is_written(app: Pynenc, runner: Runner) -> None:
    """By position, by name, a default spelled out, dicts and sets in any order."""
    with runner():
        one = tasks.square(3)
        two = tasks.square({"a": 1, "b": {2, 3}}, 2, 5, k=1, l=2)
        assert one.result_or_raise(T) == 9
        two.result_or_raise(T)
    assert {tasks.square(x=3), tasks.square(3, 2), tasks.square(y=2, x=3)} == {one}
    assert tasks.square({"b": {3, 2}, "a": 1}, 2, 5, l=2, k=1) == two
    others = [tasks.square(3, 3), tasks.square(3.0), tasks.square("3"), tasks.square([3])]
    assert not any(isinstance(other, ReusedInvocation) for other in others)


def test_what_fails_is_run_again(app: Pynenc, runner: Runner) -> None:
    """An error is no result; the first success is."""
    with runner():
        with pytest.raises(ValueError, match="1"):
            tasks.fails_once(1).result_or_raise(T)
        second = tasks.fails_once(1)
        assert second.result_or_raise(T) == 1
        assert tasks.fails_once(1) == second
    assert tasks.seen == [1, 1]


def test_what_runs_is_not_joined(app: Pynenc, runner: Runner) -> None:
    """Equal calls that come before the first has ended are run, too."""
    with runner():
        first, second = tasks.wait_at_gate(1), tasks.wait_at_gate(1)
        assert first != second
        tasks.gate.set()
        assert (first.result_or_raise(T), second.result_or_raise(T)) == (1, 1)
        assert tasks.wait_at_gate(1) in {first, second}


def test_results_have_their_time(app: Pynenc, runner: Runner) -> None:
    """The task's, or that of one call: 0 has it run anew, and for the others, too."""
    with runner():
        first = tasks.price("tea")
        assert first.result_or_raise(T) == "tea 1"
        assert tasks.price("tea") == first
        assert tasks.price.options(call_result_cache_ttl=timedelta(minutes=1))("tea") == first
        time.sleep(0.02)
        second = tasks.price.options(call_result_cache_ttl=0.01)("tea")
        assert second.result_or_raise(T) == "tea 2"
        assert tasks.price("tea") == second
        third = tasks.price.options(call_result_cache_ttl=0)("tea")
        assert third.result_or_raise(T) == "tea 3"
        assert tasks.price("tea") == third


def test_a_call_for_itself_alone(app: Pynenc, runner: Runner) -> None:
    """Without the cache it neither gets a result nor leaves one; a plain task may have one."""
    with runner():
        alone = tasks.price.options(call_result_cache=False)("tea")
        assert alone.result_or_raise(T) == "tea 1"
        assert tasks.price("tea") != alone
        kept = tasks.plain.options(call_result_cache=True)
        first = kept(5)
        assert first.result_or_raise(T) == 5
        assert kept(5) == first
        assert tasks.plain(5) != first


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"call_result_cache_ttl": -1}, "greater than or equal to 0"),
        ({"call_result_cache_ttl": "soon"}, "must be a number"),
        ({"call_result_cache": "perhaps"}, "true or false"),
        ({"call_result_cache": False, "call_result_cache_ttl": 5}, "with call_result_cache"),
    ],
)
def test_options_that_cannot_be(app: Pynenc, options: dict[str, Any], said: str) -> None:
    """They are refused where they stand."""
    with pytest.raises(InvalidTaskOptionsError, match=said):
        tasks.price.options(**options)


def test_a_time_without_results(app: Pynenc) -> None:
    """It would say nothing; of a task, it must be more than nothing."""
    with pytest.raises(InvalidTaskOptionsError, match="with call_result_cache"):
        tasks.plain.options(call_result_cache_ttl=5)
    with pytest.raises(InvalidTaskOptionsError, match="call_result_cache_ttl"):
        app.task(call_result_cache=True, call_result_cache_ttl=0)


def test_groups(app: Pynenc, runner: Runner) -> None:
    """Hits and misses side by side, in order; results, waiting and progress as ever."""
    with runner():
        known = [tasks.square(n) for n in (2, 4)]
        assert [one.result_or_raise(T) for one in known] == [4, 16]
        group = tasks.square.parallelize([(1,), (2,), {"x": 3}, (4,), (2,)])
        assert [one.reused for one in group] == [False, True, False, True, True]
        assert list(group.results) == [1, 4, 9, 16, 4]
        done = list(tasks.square.parallelize([(n,) for n in (4, 3, 2, 1)]).as_completed(T))
        assert sorted(one.result for one in done) == [1, 4, 9, 16]
        common = tasks.square.parallelize([{"x": n} for n in (2, 9)], {"y": 2})
        assert [one.reused for one in common] == [True, False]
        assert list(common.results) == [4, 81]
    assert sorted(tasks.seen) == [1, 2, 3, 4, 9]


def test_from_a_coroutine(app: Pynenc, runner: Runner) -> None:
    """As from a thread."""

    async def call() -> None:
        first = await tasks.square.acall(6)
        assert await first.async_result(T) == 36
        again = await tasks.square.acall(6)
        assert again == first
        assert await again.async_result(T) == 36
        group = await tasks.square.aparallelize([(6,), (6,)])
        assert [result async for result in group.async_results()] == [36, 36]

    with runner():
        asyncio.run(call())
    assert tasks.seen == [6]


@pytest.mark.parametrize("task", [tasks.parent, tasks.async_parent])
def test_inside_a_task(app: Pynenc, runner: Runner, task: Any) -> None:
    """What has ended is not waited for; it stays the child of the first who called it."""
    with runner():
        first = tasks.square(5)
        assert first.result_or_raise(T) == 25
        if task is tasks.async_parent:
            calls = task(5)
            assert calls.result_or_raise(T) == 25
        else:
            calls = task([5, 5, 5])
            assert calls.result_or_raise(T) == [25, True, [25, 25, 25]]
    assert S.PAUSED not in {entry.status for entry in calls.history}
    assert app.state_backend.get_invocation(first.invocation_id).parent_id is None
    assert tasks.seen == [5]


def test_large_arguments_and_results(app: Pynenc, runner: Runner) -> None:
    """Stored beside the row or in it, they count as they are; a result is everybody's own."""
    data = list(range(5000))
    with runner():
        first, result = tasks.inline(data), tasks.large(5000)
        assert first.result_or_raise(T) == sum(data)
        assert result.result_or_raise(T) == data
        assert tasks.inline(list(data)) == first
        stored = tasks.square(data)
        stored.result_or_raise(T)
        assert tasks.square(list(data)) == stored
    changed = tasks.large(5000).result
    changed.clear()
    assert tasks.large(5000).result == data
    assert tasks.seen == [5000, 5000, data]


def test_with_registration_concurrency(app: Pynenc, runner: Runner) -> None:
    """Equal calls are one while the first waits, and once it has succeeded."""
    first = tasks.once(1)
    assert tasks.once(1) == first
    assert [one.invocation_id for one in tasks.once.parallelize([(1,), (2,), (2,)])].count(
        first.invocation_id
    ) == 1
    with runner():
        assert first.result_or_raise(T) == 1
        assert tasks.once(1) == first
        assert tasks.once(2).result_or_raise(T) == 2
    assert sorted(tasks.seen) == [1, 2]


def test_with_an_idempotency_key(app: Pynenc, runner: Runner) -> None:
    """The key comes first; the first call with it may be a result of another call."""
    keyed = tasks.square.options(key="monday")
    with runner():
        first = tasks.square(3)
        assert first.result_or_raise(T) == 9
        assert keyed(3) == first
        anew = tasks.square.options(call_result_cache_ttl=0)(3)
        assert anew.result_or_raise(T) == 9
        assert tasks.square(3) == anew
        assert keyed(3) == first
        assert keyed(4) == first


def test_a_scheduled_call(app: Pynenc, runner: Runner) -> None:
    """It is served if the result is still good when it would begin."""
    with runner():
        first = tasks.price("tea")
        first.result_or_raise(T)
    assert tasks.price.options(delay=3000)("tea") == first
    later = tasks.price.options(delay=4000)("tea")
    assert (later == first, later.status) == (False, S.REGISTERED)


def test_synchronous_calls_are_run(app: Pynenc, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever looks for a mistake wants to see the function run, each time."""
    monkeypatch.setattr(app.conf, "dev_mode_force_sync_tasks", True)
    assert tasks.square(3).result == tasks.square(3).result == 9
    assert tasks.square(3) != tasks.square(3)
    assert tasks.seen == [3] * 4


def test_results_grow_old_in_tests() -> None:
    """The clock of a test is theirs, too."""
    tasks.seen.clear()
    with in_memory(tasks.app) as world:
        first = tasks.price("tea")
        world.run_until_idle()
        world.advance(3599)
        assert tasks.price("tea") == first
        world.advance(1)
        assert tasks.price("tea") != first


def test_it_is_configured(app: Pynenc, monkeypatch: pytest.MonkeyPatch) -> None:
    """From outside, for one task or all of them, as any option."""
    one = Pynenc("configured", config_values={"task": {"call_result_cache": True}})
    conf = one.task(call_result_cache_ttl=timedelta(hours=1))(tasks.plain.func).conf
    assert (conf.call_result_cache, conf.call_result_cache_ttl) == (True, 3600)
    monkeypatch.setenv(f"PYNENC__CONFIGTASK__{tasks.__name__}#PLAIN__CALL_RESULT_CACHE", "true")
    assert Pynenc("again").task(tasks.plain.func).conf.call_result_cache


# --- where everything is signed ---------------------------------------------------------------


@pytest.fixture(params=["memory", "postgres"])
def signed(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Pynenc]:
    """The app that signs, on each store."""
    dsn = request.getfixturevalue("database_dsn") if request.param == "postgres" else None
    monkeypatch.setattr(tasks.signed.conf.postgres, "dsn", dsn)
    monkeypatch.setattr(tasks.signed.conf, "runner_cls", "ThreadRunner")
    tasks.seen.clear()
    yield tasks.signed
    tasks.signed.close()


def test_signed_results_are_reused(signed: Pynenc) -> None:
    """The signature is that of the invocation which was run, however the call is written."""
    with working(signed.runner):
        first = tasks.signed_square(5)
        assert first.result_or_raise(T) == 25
        for again in (tasks.signed_square(5), tasks.signed_square(y=2, x=5)):
            assert again == first
            assert again.result_or_raise(T) == 25
        large = tasks.signed_square("x" * 5000)
        large.result_or_raise(T)
        assert tasks.signed_square("x" * 5000, 2) == large
        group = tasks.signed_square.parallelize([(5,), (6,), (5,)])
        assert list(group.results) == [25, 36, 25]
    assert tasks.seen == [5, "x" * 5000, 6]


@pytest.mark.parametrize("signed", ["postgres"], indirect=True)
def test_a_result_of_another_call_is_refused(signed: Pynenc) -> None:
    """Whoever may write rows cannot give one call out for another."""
    with working(signed.runner):
        five, six = tasks.signed_square(5), tasks.signed_square(6)
        assert (five.result_or_raise(T), six.result_or_raise(T)) == (25, 36)
        _attack(signed, "update pynenc.call_result set invocation_id = %s", five)
        assert tasks.signed_square(5) == five
        with pytest.raises(SignatureError, match="another call") as refused:
            tasks.signed_square(6)
        assert "call_result_cache_ttl=0" in str(refused.value)
        assert tasks.signed_square.options(call_result_cache_ttl=0)(6).result_or_raise(T) == 36


@pytest.mark.parametrize("signed", ["postgres"], indirect=True)
def test_a_changed_result_is_refused(signed: Pynenc) -> None:
    """As it is for the one who called first."""
    with working(signed.runner):
        first = tasks.signed_square(5)
        assert first.result_or_raise(T) == 25
    _attack(
        signed, "update pynenc.invocation_outcome set value = '7' where invocation_id = %s", first
    )
    again = tasks.signed_square(5)
    assert again == first
    with pytest.raises(SignatureError):
        _ = again.result


def _attack(app: Pynenc, statement: str, invocation: Invocation[Any]) -> None:
    dsn = app.conf.postgres.dsn
    assert dsn is not None
    with psycopg.connect(dsn) as connection:
        connection.execute("set session_replication_role = replica")
        connection.execute(statement.encode(), (invocation.invocation_id,))
