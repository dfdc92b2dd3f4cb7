"""Calls from SQL with an idempotency key: one call, from whichever side the others come."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest

from pynenc_pg import Pynenc
from pynenc_pg.domain.records import CancelAnswer
from tests.app import concurrency_tasks, tasks
from tests.app.conftest import working
from tests.postgres.calls_from_sql import code, enqueue, on
from tests.support.roles import acting_as
from tests.support.sql import Connection, connect, one, temporary_database

ADD = "tests.app.tasks.add"


@pytest.fixture(scope="module")
def shared_dsn(server_dsn: str, template: str) -> Iterator[str]:
    """One database for all."""
    with temporary_database(server_dsn, template) as dsn:
        yield dsn


@pytest.fixture
def dsn(shared_dsn: str) -> Iterator[str]:
    """The database, with nothing in it."""
    yield shared_dsn
    with connect(shared_dsn) as connection:
        for (app_id,) in connection.execute("select distinct app_id from runner").fetchall():
            connection.execute("select purge(%s)", (app_id,))
        connection.execute("truncate task, runner_task, queue; delete from runner")


@pytest.fixture
def app(dsn: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Pynenc]:
    """The app of ``tests.app.tasks``."""
    yield from on(dsn, tasks.app, monkeypatch)


@pytest.fixture
def s(dsn: str) -> Iterator[Connection]:
    """A session that knows nothing of our schema but its name."""
    with connect(dsn) as connection:
        connection.execute("set search_path = public")
        yield connection


def test_the_first_call_with_a_key_counts(app: Pynenc, s: Connection) -> None:
    """From SQL and from Python, before it begins and after its end; keys are of a task."""
    first = enqueue(s, ADD, {"x": 1, "y": 2}, key="order-17")
    assert enqueue(s, ADD, {"x": 3}, key="order-17", delay="1 hour") == first
    ours = tasks.add.options(key="order-17")(5, 6)
    assert (ours.invocation_id, ours.reused) == (first, True)
    with working(app.runner):
        assert ours.result_or_raise(20) == 3
    assert enqueue(s, ADD, {"x": 3}, key="order-17") == first
    others = {
        enqueue(s, ADD, {"x": 3}, key="order-18"),
        enqueue(s, ADD, {"x": 3}),
        enqueue(s, "tests.app.tasks.echo", {"value": 3}, key="order-17"),
    }
    assert len({first, *others}) == 4


def test_a_key_of_python_holds_in_sql(app: Pynenc, s: Connection) -> None:
    """Also where the call was cancelled: it was made."""
    ours = tasks.add.options(key="k\u00fc")(1, 2)
    assert ours.cancel() is CancelAnswer.CANCELLED
    assert enqueue(s, ADD, {"x": 1}, key="k\u00fc") == ours.invocation_id


def test_a_refused_call_takes_no_key(app: Pynenc, s: Connection) -> None:
    """The next one, which is right, has it."""
    assert code(s, ADD, {"z": 1}, key="k") == "PN021"
    assert one(s, "select count(*) from pynenc.call_key") == 0
    assert enqueue(s, ADD, {"x": 1}, key="k") == enqueue(s, ADD, {"x": 2}, key="k")


def test_a_key_goes_with_its_transaction(app: Pynenc, dsn: str, s: Connection) -> None:
    """Rolled back, also to a savepoint, it is free; a session that is killed leaves it free."""
    with s.transaction():
        with s.transaction(force_rollback=True):
            gone = enqueue(s, ADD, {"x": 1}, key="k")
        kept = enqueue(s, ADD, {"x": 1}, key="k")
    assert enqueue(s, ADD, {"x": 1}, key="k") == kept != gone
    with connect(dsn) as victim:
        victim.autocommit = False
        lost = enqueue_in(victim, "l")
        one(s, "select pg_terminate_backend(%s)", (victim.info.backend_pid,))
        with pytest.raises(psycopg.OperationalError):
            victim.commit()
    again = enqueue(s, ADD, {"x": 1}, key="l")
    assert again != lost
    query = "select count(*) from pynenc.invocation where invocation_id = %s"
    assert one(s, query, (lost,)) == 0


def enqueue_in(connection: Connection, key: str) -> str:
    """Call under the search path that a connection of ours has."""
    return str(one(connection, "select enqueue(%s, %s, key => %s)", (ADD, '{"x": 1}', key)))


def test_two_sessions_make_one_call(app: Pynenc, dsn: str, s: Connection) -> None:
    """The second waits for the first one's transaction, and becomes its call or is the first."""
    for commit in (True, False):
        key = f"k-{commit}"
        with connect(dsn) as one_of_two, connect(dsn) as other, ThreadPoolExecutor(1) as pool:
            one_of_two.autocommit = False
            first = enqueue_in(one_of_two, key)
            waiting = pool.submit(enqueue_in, other, key)
            waits = "select exists (select from pg_locks where pid = %s and not granted)"
            while not one(s, waits, (other.info.backend_pid,)):
                assert not waiting.done()
            one_of_two.commit() if commit else one_of_two.rollback()
            assert (waiting.result(20) == first) is commit


def test_many_at_once_make_one_call(app: Pynenc, dsn: str, s: Connection) -> None:
    """Eight sessions and Python, all at the same moment: one row."""
    gate = threading.Barrier(9)

    def from_sql(_n: int) -> str:
        with connect(dsn) as connection:
            gate.wait(20)
            return enqueue_in(connection, "k0")

    with ThreadPoolExecutor(8) as pool:
        found = pool.map(from_sql, range(8))
        gate.wait(20)
        ours = tasks.add.options(key="k0")(1, 2)
        assert {ours.invocation_id, *found} == {ours.invocation_id}
    assert one(s, "select count(*) from pynenc.invocation") == 1


def test_who_waits_too_long_for_a_key_is_told(app: Pynenc, dsn: str) -> None:
    """Its own lock_timeout holds, and the error says that nothing was written."""
    with connect(dsn) as holder, connect(dsn) as other:
        holder.autocommit = False
        enqueue_in(holder, "k")
        other.execute("set lock_timeout = '50ms'")
        assert code(other, ADD, {"x": 1}, key="k") == "PN015"
        holder.rollback()
        assert enqueue_in(other, "k")
        assert one(other, "show lock_timeout") == "50ms"


def test_a_key_beside_a_registration_key(
    dsn: str, monkeypatch: pytest.MonkeyPatch, s: Connection
) -> None:
    """A call that becomes another by its task's options has that one as its own from then on."""
    for _ in on(dsn, concurrency_tasks.app, monkeypatch):
        ours = concurrency_tasks.once(1)
        name = "tests.app.concurrency_tasks.once"
        assert enqueue(s, name, {"number": 2}, key="k") == ours.invocation_id
        ours.cancel()
        assert enqueue(s, name, {"number": 3}, key="k") == ours.invocation_id
        assert enqueue(s, name, {"number": 3}) != ours.invocation_id


def test_a_producer_may(app: Pynenc, dsn: str) -> None:
    """Nobody needs rights on the table of keys."""
    with connect(dsn) as c, acting_as(c, "producer"):
        assert enqueue(c, ADD, {"x": 1}, key="k") == enqueue(c, ADD, {"x": 1}, key="k")


def test_a_retry_is_not_the_call_with_the_key(app: Pynenc, s: Connection) -> None:
    """The new one has none; the key stays with the first."""
    first = enqueue(s, ADD, {"x": 1}, key="k")
    one(s, "select pynenc.cancel(%s)", (first,))
    again = str(one(s, "select pynenc.retry(%s)", (first,)))
    assert enqueue(s, ADD, {"x": 1}, key="k") == first != again
