"""``invocation.retry()``: what has ended is run again, as a new invocation."""

from __future__ import annotations

import json
import pickle
from collections.abc import Callable

import pytest

from pynenc_pg import InvocationStatus, Pynenc
from pynenc_pg.exceptions import (
    DataRejectedError,
    InvocationNotFoundError,
    InvocationStatusError,
    TaskNotFoundError,
)
from pynenc_pg.invocation.handle import Invocation, ReusedInvocation
from pynenc_pg.invocation.status import FINAL
from pynenc_pg.testing import eager
from tests.app import concurrency_tasks, large_tasks, signed_tasks, tasks
from tests.app.conftest import Runner, working
from tests.app.test_thread_runner import wait_for
from tests.support.sql import connect, one

S = InvocationStatus


def ended(invocation: Invocation[object]) -> InvocationStatus:
    """Wait for its end, whichever it is."""
    wait_for(lambda: invocation.status in FINAL)
    return invocation.status


def test_what_has_ended_is_run_again(app: Pynenc, runner: Runner) -> None:
    """Succeeded, failed or cancelled; the old one stays as it was, and may be retried again."""
    cancelled = tasks.add(5)
    cancelled.cancel()
    with runner():
        for first in (tasks.add(1, 2), tasks.refuse(3), cancelled):
            status = ended(first)
            again = first.retry()
            assert ended(again) is (S.SUCCESS if first is cancelled else status)
            assert again != first
            assert again.arguments.kwargs == first.arguments.kwargs
            assert (first.retried_from, again.retried_from) == (None, first.invocation_id)
            assert (first.status, type(again)) == (status, Invocation)
            assert first.retry() not in {first, again}
            assert again.retry().retried_from == again.invocation_id
    assert cancelled.retry().status is S.REGISTERED


def test_it_is_called_as_it_was(app: Pynenc) -> None:
    """Its own queue, priority, timeout and retries; when it was to begin is over."""
    tuned = tasks.add.options(
        queue="side", priority=-4.5, timeout=7, max_retries=3, delay=50, expires=60, key="k"
    )
    for first in (tuned(1), tasks.on_the_side(), tasks.add(2)):
        first.cancel()
        again = first.retry()
        backend = app.state_backend
        one, two = (backend.get_call(i.invocation_id) for i in (first, again))
        assert one.priority == two.priority
        # That it was delayed is said of the first alone.
        assert json.loads(one.options) | {"delayed": True} == json.loads(two.options) | {
            "delayed": True
        }
        record = backend.get_invocation(again.invocation_id)
        assert record.queue == backend.get_invocation(first.invocation_id).queue
        assert record.due_at is None
    assert tuned(1).status is S.FAILED  # the key is that of the first


def test_what_has_not_ended_is_refused(app: Pynenc, runner: Runner) -> None:
    """Registered or running: nothing is registered."""
    waits = tasks.add(1)
    with pytest.raises(InvocationStatusError, match="registered and has not ended"):
        waits.retry()
    with runner():
        held = tasks.wait_at_the_gate(1)
        wait_for(lambda: held.status is S.RUNNING)
        with pytest.raises(InvocationStatusError, match="running"):
            held.retry()
        tasks.gate.set()
        for each in (waits, held):  # it may be claimed and not have a thread yet
            each.result_or_raise(20)
    assert app.state_backend.count_ready() == 0


def test_what_is_not_known(app: Pynenc) -> None:
    """Purged, or of a task that is not here: each error says so."""
    gone = tasks.add(1)
    gone.cancel()
    unknown: Invocation[object] = Invocation(
        gone.invocation_id, task_id="a.b", engine=lambda: app.engine, task=lambda: app.get_task("x")
    )
    with pytest.raises(TaskNotFoundError):
        unknown.retry()
    app.purge()
    with pytest.raises(InvocationNotFoundError):
        gone.retry()


@pytest.mark.parametrize("echo", [tasks.echo, tasks.echo_json, tasks.echo_pickle])
def test_arguments_arrive_again(
    app: Pynenc, runner: Runner, echo: Callable[..., Invocation[object]]
) -> None:
    """Small or large, plain or not."""
    values: list[object] = ["a\0$", {"$ref": 1.5}, "x" * 50_000]
    values += [] if echo is tasks.echo_json else [{1, 2}, (1, b"x")]
    with runner():
        for value in values:
            first = echo(value)
            assert first.result_or_raise(20) == value
            copy = pickle.loads(pickle.dumps(first))  # noqa: S301 - our own
            assert copy.retry().result_or_raise(20) == value
        starred = tasks.anything(1, 2, last=3, a=4)
        assert starred.result_or_raise(20) == starred.retry().result_or_raise(20)


def test_a_task_that_takes_others_now(app: Pynenc, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is refused at the retry, and not set aside later."""
    first = tasks.add(1, 2)
    first.cancel()

    def add(x: int) -> int:
        return x

    add.__module__, add.__qualname__ = "tests.app.tasks", "add"
    before = tasks.add.definition
    app.task(add)
    try:
        with pytest.raises(DataRejectedError, match="unknown y"):
            first.retry()
    finally:
        app.engine.registry.add(before)
        app._tasks[before.task_id] = tasks.add
    assert app.state_backend.count_ready() == 0


def test_in_synchronous_mode() -> None:
    """It is executed at once, like any other call."""
    with eager(tasks.app):
        first = tasks.add(1, 2)
        again = first.retry()
        assert (again.result, again.retried_from) == (3, first.invocation_id)
    tasks.app.close()


@pytest.fixture(params=["memory", "postgres"])
def on_a_store(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> object:
    """Put an app on a store."""

    def put(app: Pynenc) -> Pynenc:
        dsn = request.getfixturevalue("database_dsn") if request.param == "postgres" else None
        monkeypatch.setattr(app.conf.postgres, "dsn", dsn)
        monkeypatch.setattr(app.conf, "runner_cls", "ThreadRunner")
        request.addfinalizer(app.close)
        return app

    return put


def test_concurrency_keys_are_those_of_the_call(on_a_store: Callable[[Pynenc], Pynenc]) -> None:
    """It becomes one with an equal call that waits, of arguments of any kind."""
    on_a_store(concurrency_tasks.app)
    for value in ({"a": 1.0}, {1, 2}):
        first = concurrency_tasks.once_each(value)
        first.cancel()
        waits = concurrency_tasks.once_each(value)
        again = first.retry()
        assert again == waits
        assert isinstance(again, ReusedInvocation)
        waits.cancel()
        assert first.retry() not in {first, waits}


def test_it_is_signed_anew(on_a_store: Callable[[Pynenc], Pynenc]) -> None:
    """A signature is of one invocation: the new one has its own."""
    app = on_a_store(signed_tasks.app)
    with working(app.runner):
        first = signed_tasks.take({"a": {1, 2}, "b": "x" * 5000})
        value = first.result_or_raise(20)
        assert first.retry().result_or_raise(20) == value


def test_what_it_refers_to_is_kept(database_dsn: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first one may go: a large argument is needed by the new one, too."""
    monkeypatch.setattr(large_tasks.app.conf.postgres, "dsn", database_dsn)
    with large_tasks.app as app, connect(database_dsn) as connection:
        first = large_tasks.measure("x" * 50_000)
        first.cancel()
        again = first.retry()
        query = "select array_agg(invocation_id::text order by 1) from payload_ref"
        assert one(connection, query) == sorted([first.invocation_id, again.invocation_id])
        assert app.state_backend.count_ready() == 1
