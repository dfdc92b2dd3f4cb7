"""Tasks that wait for others, under a runner in the test's process, on both stores."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import pytest

from pynenc_pg import InvocationStatus, Pynenc
from pynenc_pg.exceptions import InvocationCycleError, TooManyWaitingError
from tests.app import waiting_tasks as tasks
from tests.app.conftest import working
from tests.app.test_thread_runner import wait_for

S = InvocationStatus
Run = Callable[..., AbstractContextManager[None]]


@pytest.fixture(params=["memory", "postgres"])
def app(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Pynenc]:
    """The app of ``waiting_tasks`` on an empty store."""
    dsn = request.getfixturevalue("database_dsn") if request.param == "postgres" else None
    monkeypatch.setattr(tasks.app.conf.postgres, "dsn", dsn)
    monkeypatch.setattr(tasks.app.conf, "runner_cls", "ThreadRunner")
    tasks.threads[0] = 0
    tasks.ids.clear()
    tasks.seen.clear()
    tasks.gate.clear()
    yield tasks.app
    tasks.gate.set()
    tasks.app.close()


@pytest.fixture
def run(app: Pynenc, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Return what makes a runner work for the length of a block."""

    @contextmanager
    def running(runner_cls: str = "ThreadRunner", **conf: Any) -> Iterator[None]:
        monkeypatch.setattr(app.conf, "runner_cls", runner_cls)
        for name, value in conf.items():
            monkeypatch.setattr(app.conf.runner, name, value)
        with working(app.runner):
            yield

    return running


def statuses(invocation: Any) -> list[InvocationStatus]:
    """Where it has been."""
    return [entry.status for entry in invocation.history]


@pytest.mark.parametrize(("n", "result"), [(9, 34), pytest.param(15, 610, marks=pytest.mark.long)])
def test_fibonacci_with_two_slots(run: Run, n: int, result: int) -> None:
    """The guide's example: each call waits for two others, and two slots are enough."""
    with run(concurrency=2):
        assert tasks.fibonacci(n).result_or_raise(120) == result
    assert tasks.threads[0] < 80


def test_eager_fibonacci_with_two_slots(run: Run) -> None:
    """Also where both are called before the first is waited for."""
    with run(concurrency=2):
        assert tasks.eager_fibonacci(7).result_or_raise(120) == 13


@pytest.mark.parametrize("depth", [80, pytest.param(200, marks=pytest.mark.long)])
def test_a_deep_chain(run: Run, depth: int) -> None:
    """One slot is enough for many calls that wait for each other in a row."""
    with run(concurrency=1):
        assert tasks.chain(depth).result_or_raise(60) == depth


@pytest.mark.parametrize("count", [150, pytest.param(2000, marks=pytest.mark.long)])
def test_a_fan_out(run: Run, count: int) -> None:
    """One parent waits for so many children."""
    with run():
        assert tasks.fan_out(count).result_or_raise(120) == sum(range(count))


def test_it_is_paused_meanwhile(run: Run) -> None:
    """RUNNING, PAUSED while the child runs, RESUMED, SUCCESS: in the history and for who looks."""
    with run(concurrency=1):
        call = tasks.behind_the_gate(1)
        wait_for(lambda: tasks.seen == ["parent 1", 1])
        assert call.status is S.PAUSED
        tasks.gate.set()
        assert call.result_or_raise(20) == 1
    path = [S.REGISTERED, S.PENDING, S.RUNNING, S.PAUSED, S.RESUMED, S.SUCCESS]
    assert statuses(call) == path


def test_a_childs_failure_is_its_parents_to_catch(run: Run) -> None:
    """At ``.result`` the child's own exception comes, with its type; uncaught it goes on up."""
    with run():
        assert tasks.ask_divide(1, 0).result_or_raise(20) == "caught division by zero"
        with pytest.raises(ZeroDivisionError):
            tasks.pass_on(1, 0).result_or_raise(20)


def test_a_wait_with_a_timeout(run: Run) -> None:
    """It goes on without the result, RESUMED, and ends well; the child goes on, too."""
    with run():
        call = tasks.impatient(1)
        assert call.result_or_raise(20) == "went on without 1"
        tasks.gate.set()
        assert statuses(call)[-3:] == [S.PAUSED, S.RESUMED, S.SUCCESS]


def test_waiting_for_oneself(run: Run) -> None:
    """It is an error, not a hang."""
    with run(), pytest.raises(InvocationCycleError, match="wait_for_myself") as refused:
        tasks.wait_for_myself().result_or_raise(20)
    assert len(refused.value.path) == 2


def test_waiting_for_each_other(run: Run) -> None:
    """Of two that wait for each other at the same moment one is refused, and so both end."""
    with run():
        for n in range(5):
            a, b = tasks.wait_for(f"a{n}"), tasks.wait_for(f"b{n}")
            tasks.ids[f"a{n}"], tasks.ids[f"b{n}"] = b.invocation_id, a.invocation_id
            ends: list[object] = []
            for call in (a, b):
                try:
                    ends.append(call.result_or_raise(20))
                except InvocationCycleError as error:
                    ends.append(error.path)
            # Whoever was refused ends with the error, and the other one gets that as its result.
            assert len({e for e in ends if isinstance(e, tuple)}) == 1


def test_too_many_that_wait(run: Run) -> None:
    """Beyond ``max_waiting_threads`` the error names it, and the others end well."""
    with (
        run(concurrency=1, max_waiting_threads=5),
        pytest.raises(TooManyWaitingError, match=r"runner\.max_waiting_threads"),
    ):
        tasks.chain(20).result_or_raise(20)


def test_a_runner_that_stops_gives_back_what_waits(run: Run, app: Pynenc) -> None:
    """Alone it does not wait for what nobody could end; the next runner runs it anew."""
    with run(concurrency=1, queues=("default",)):
        call = tasks.behind_the_gate(1)
        wait_for(lambda: tasks.seen == ["parent 1", 1])
        began = time.monotonic()
        tasks.gate.set()
        assert call.result_or_raise(20) == 1
    tasks.gate.clear()
    tasks.seen.clear()
    with run(concurrency=1, shutdown_timeout=0.2):
        call = tasks.behind_the_gate(2)
        wait_for(lambda: tasks.seen == ["parent 2", 2])
    assert time.monotonic() - began < 15
    assert call.status is S.REROUTED
    wait_for(lambda: "left 2" in tasks.seen)  # its thread was let go
    tasks.gate.set()
    with run():
        assert call.result_or_raise(20) == 2


def _listeners() -> int:
    return [thread.name for thread in threading.enumerate()].count("pynenc-results")


def test_many_outside_share_one_listener(run: Run, app: Pynenc) -> None:
    """A hundred threads wait for results with one listening thread."""
    results: list[int] = []
    calls = [tasks.at_the_gate(n) for n in range(100)]
    threads = [
        threading.Thread(target=lambda c=call: results.append(c.result_or_raise(30)))
        for call in calls
    ]
    before = _listeners()
    with run(concurrency=8):
        for thread in threads:
            thread.start()
        time.sleep(0.2)
        assert _listeners() - before <= 1  # other tests may have left one of another app
        tasks.gate.set()
        for thread in threads:
            thread.join(30)
    assert sorted(results) == list(range(100))


# --- async ------------------------------------------------------------------------------------


@pytest.mark.parametrize(("n", "result"), [(8, 21), pytest.param(11, 89, marks=pytest.mark.long)])
def test_async_fibonacci_in_one_loop(run: Run, n: int, result: int) -> None:
    """Waits keep neither a thread nor a slot: two slots, and no more threads than before."""
    with run("AsyncRunner", concurrency=2):
        assert tasks.async_fibonacci(n).result_or_raise(120) == result
    assert tasks.threads[0] < 80


@pytest.mark.parametrize("runner_cls", ["AsyncRunner", "ThreadRunner"])
def test_coroutines_under_each_runner(run: Run, runner_cls: str) -> None:
    """``async def`` tasks run under both, chains of them with one slot."""
    with run(runner_cls, concurrency=1):
        assert tasks.async_chain(30).result_or_raise(60) == 30
        assert tasks.of_both_kinds().result_or_raise(60) == [3, 3]


def test_coroutines_run_at_once(run: Run) -> None:
    """As many at once as ``concurrency`` says, in one thread."""
    with run("AsyncRunner", concurrency=50):
        began = time.monotonic()
        calls = [tasks.nap(0.5) for _ in range(50)]
        assert [call.result_or_raise(20) for call in calls] == [0.5] * 50
        assert time.monotonic() - began < 10  # one after the other it would be 25


def test_blocking_the_loop_is_refused(run: Run) -> None:
    """``.result`` in a coroutine of the shared loop is an error that says what to do."""
    with run("AsyncRunner"), pytest.raises(RuntimeError, match=r"await invocation\.async_result"):
        tasks.blocking().result_or_raise(20)


def test_plain_functions_beside_the_loop(run: Run) -> None:
    """The AsyncRunner executes plain functions, too, and they may wait."""
    with run("AsyncRunner", concurrency=2):
        assert tasks.fibonacci(7).result_or_raise(60) == 13


def test_an_async_runner_that_stops(run: Run, app: Pynenc) -> None:
    """What it cannot finish in its time is given back."""
    with run("AsyncRunner", shutdown_timeout=0.1):
        call = tasks.nap(30)
        wait_for(lambda: call.status is S.RUNNING)
    assert call.status is S.REROUTED
