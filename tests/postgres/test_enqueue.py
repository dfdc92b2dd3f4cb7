"""Calls from SQL: from psql, from a user's trigger, from any language with a driver."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest
from psycopg import sql

from pynenc_pg import Pynenc
from pynenc_pg.domain.ids import InvocationId, id_time
from pynenc_pg.domain.records import CancelAnswer
from tests.app import concurrency_tasks, rate_tasks, tasks
from tests.app.conftest import working
from tests.postgres.calls_from_sql import code, code_of, enqueue, on, tell
from tests.support.plain_sql import gaps, history
from tests.support.roles import acting_as, logged_in
from tests.support.sql import Connection, connect, one, temporary_database


@pytest.fixture(scope="module")
def shared_dsn(server_dsn: str, template: str) -> Iterator[str]:
    """One database for all: each test finds it empty."""
    with temporary_database(server_dsn, template) as dsn:
        yield dsn


@pytest.fixture
def dsn(shared_dsn: str) -> Iterator[str]:
    """The database, in which nobody has told of any task."""
    yield shared_dsn
    with connect(shared_dsn) as connection:
        for (app_id,) in connection.execute("select distinct app_id from runner").fetchall():
            connection.execute("select purge(%s)", (app_id,))
        connection.execute("truncate task, runner_task, queue; delete from runner")
        connection.execute("drop table if exists public.orders")


@pytest.fixture
def app(dsn: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Pynenc]:
    """The app of ``tests.app.tasks``."""
    yield from on(dsn, tasks.app, monkeypatch)


@pytest.fixture
def keyed(dsn: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Pynenc]:
    """The app of ``tests.app.concurrency_tasks``."""
    yield from on(dsn, concurrency_tasks.app, monkeypatch)


@pytest.fixture
def s(dsn: str) -> Iterator[Connection]:
    """A session that knows nothing of our schema but its name."""
    with connect(dsn) as connection:
        connection.execute("set search_path = public")
        yield connection


def test_a_call_from_sql_is_run_like_any_other(app: Pynenc, s: Connection) -> None:
    """Arguments arrive by name with the task's defaults, results can be had, ids are of now."""
    first = enqueue(s, "tests.app.tasks.add", {"x": 1})
    second = enqueue(s, "tests.app.tasks.add", {"y": 2, "x": 1})
    third = enqueue(s, "tests.app.tasks.positional", {"a": 1, "b": 2, "c": 3})
    assert abs(id_time(InvocationId(first)) - datetime.now(UTC).timestamp()) < 60
    assert first < second < third
    with working(app.runner):
        assert [app.get_invocation(i).result_or_raise(20) for i in (first, second)] == [11, 3]
        assert app.get_invocation(third).result_or_raise(20) == [1, 2, 3]
    assert gaps(s) == []


@pytest.mark.parametrize("echo", ["echo", "echo_json", "echo_pickle"])
@pytest.mark.parametrize(
    "value",
    [
        {"$str": "x"},
        {"$ref": "0" * 64, "a": [{"$pickle": "gA=="}, {"$$": {}}]},
        {"py/object": "builtins.object", "$jsonpickle": "{}"},
        [1.5, "\u0024", "text \\u0024", None, True, {}, []],
        {"$dict": [["a", 1]], "$v": 2},
    ],
    ids=["str", "ref", "jsonpickle", "plain", "dict"],
)
def test_arguments_are_plain_json_to_every_serializer(
    app: Pynenc, s: Connection, echo: str, value: object
) -> None:
    """Whatever they look like, they are what they say; nothing in them is decoded otherwise."""
    which = enqueue(s, f"tests.app.tasks.{echo}", {"value": value})
    assert app.get_invocation(which).arguments.kwargs == {"value": value}
    with working(app.runner):
        assert app.get_invocation(which).result_or_raise(20) == value


def test_starred_parameters(app: Pynenc, s: Connection) -> None:
    """``*`` takes an array, ``**`` an object under its name, or what nobody else takes."""
    given = {"args": [1, 2], "kwargs": {"a": 3}, "b": 4}
    which = enqueue(s, "tests.app.tasks.anything", given)
    with working(app.runner):
        assert app.get_invocation(which).result_or_raise(20) == tasks.anything.func(1, 2, a=3, b=4)
    for wrong in ({"args": 1}, {"kwargs": [1]}, {"$v": 1}):
        assert code(s, "tests.app.tasks.anything", wrong) == "PN021"


def test_options_are_those_of_python(app: Pynenc, s: Connection) -> None:
    """Queue, priority, times and limits of the call, else the task's."""
    later = datetime.now(UTC) + timedelta(hours=2)
    which = [
        enqueue(s, "tests.app.tasks.on_the_side"),
        enqueue(
            s, "tests.app.tasks.on_the_side", queue="other", priority=-5, delay="1 hour",
            expires="10 minutes", max_retries=4, timeout="1.5 seconds", app="in-process",
        ),
        enqueue(s, "tests.app.tasks.add", {"x": 1}, at=later),
    ]  # fmt: skip
    rows = s.execute(
        """select s.queue, i.priority, extract(epoch from s.due_at - i.registered_at)::float8,
                  extract(epoch from s.expires_at - s.due_at)::float8, i.options, s.due_at
           from pynenc.invocation i join pynenc.invocation_state s using (invocation_id)
           where i.invocation_id = any (%s::uuid[]) order by i.invocation_id""",
        (which,),
    ).fetchall()
    assert rows[0][:5] == ("side", 5, None, None, {})
    said = {"max_retries": 4, "timeout": 1.5, "delayed": True}
    assert rows[1][:5] == ("other", -5, 3600, 600, said)
    assert rows[2][5] == later


@pytest.mark.parametrize(
    "options",
    [
        {"priority": 101},
        {"delay": "-1 second"},
        {"delay": "1 second", "at": datetime.now(UTC)},
        {"expires": "0"},
        {"timeout": "-1 second"},
        {"max_retries": -1},
        {"queue": "no queue"},
        {"key": ""},
        {"key": "k" * 256},
    ],
    ids="-".join,
)
def test_options_that_cannot_be_are_refused(
    app: Pynenc, s: Connection, options: dict[str, Any]
) -> None:
    """Python refuses the same ones."""
    assert code(s, "tests.app.tasks.add", {"x": 1}, **options) == "PN022"
    assert app.queues() == []


@pytest.mark.parametrize("arguments", [{}, {"x": 1, "z": 2}, {"y": 1}, {"X": 1}, [], 1, "x", True])
def test_arguments_that_do_not_fit_are_refused(
    app: Pynenc, s: Connection, arguments: object
) -> None:
    """Missing, unknown, or no object at all: at the call, as in Python."""
    assert code(s, "tests.app.tasks.add", arguments) == "PN021"


@pytest.mark.parametrize("text", ['{"x": "\\u0000"}', '{"x": "\\ud800"}', '{"\\u0000": 1}'])
def test_texts_that_postgresql_cannot_read_are_refused(
    app: Pynenc, s: Connection, text: str
) -> None:
    """By our own code, which says what it is about."""
    assert code_of(s, f"select pynenc.enqueue('tests.app.tasks.add', '{text}')") == "PN021"


def test_a_task_that_nobody_knows_is_refused(app: Pynenc, s: Connection) -> None:
    """The error names the task and says how it comes to be known."""
    assert code(s, "tests.app.tasks.gone", {"x": 1}) == "PN020"
    assert code(s, "tests.app.tasks.add", {"x": 1}, app="another") == "PN020"
    with pytest.raises(psycopg.Error, match="null"):
        s.execute("select pynenc.enqueue(null)")


def test_a_task_of_several_apps_needs_the_apps_name(app: Pynenc, dsn: str, s: Connection) -> None:
    """Nothing is guessed."""
    with tasks.app.__class__("twin") as other:
        other.conf.postgres.dsn = dsn
        other.task(tasks.add.func)
        tell(other)
        assert code(s, "tests.app.tasks.add", {"x": 1}) == "PN020"
        which = enqueue(s, "tests.app.tasks.add", {"x": 1}, app="twin")
        assert status_of_public(s, which) == ("twin", "registered")


def status_of_public(connection: Connection, which: str) -> tuple[str, str]:
    """Read the app and status of one."""
    query = "select app_id, status::text from pynenc.invocations where invocation_id = %s"
    row = connection.execute(query, (which,)).fetchone()
    assert row is not None
    return row[0], row[1]


def test_keys_of_a_whole_task_are_those_of_python(keyed: Pynenc, s: Connection) -> None:
    """A call from SQL becomes the one from Python, waits for its slot, and the other way round."""
    ours = concurrency_tasks.once(1)
    assert enqueue(s, "tests.app.concurrency_tasks.once", {"number": 2}) == ours.invocation_id
    concurrency_tasks.hold_alone("a", 1)
    enqueue(s, "tests.app.concurrency_tasks.hold_alone", {"key": "b", "number": 2})
    query = """select count(*), count(distinct s.lane), max(l.slots) from pynenc.invocation_state s
               join pynenc.lane l on l.lane_id = s.lane"""
    assert s.execute(query).fetchone() == (2, 1, 1)
    last = enqueue(s, "tests.app.concurrency_tasks.run_now_or_never", {"number": 1})
    query = "select must_not_wait from pynenc.invocation_state where invocation_id = %s"
    assert one(s, query, (last,)) is True


def test_rate_limits_are_those_of_python(
    dsn: str, monkeypatch: pytest.MonkeyPatch, s: Connection
) -> None:
    """A task's rate limit holds for calls from both sides."""
    for _ in on(dsn, rate_tasks.app, monkeypatch):
        rate_tasks.call_out(1)
        enqueue(s, "tests.app.rate_tasks.call_out", {"number": 2})
        query = "select count(*), max(rate), max(rate_period) from pynenc.lane"
        assert s.execute(query).fetchone() == (1, 5, pytest.approx(0.4))


TRIGGER = """
create table orders (id int primary key);
create or replace function ship() returns trigger language plpgsql as $$
begin
    perform pynenc.enqueue('tests.app.tasks.add', json_build_object('x', new.id));
    return new;
end $$;
create trigger ship after insert on orders for each row execute function ship();
grant all on orders to public;
"""


def test_from_a_trigger_of_a_users_table(app: Pynenc, dsn: str, s: Connection) -> None:
    """As a plain user with the producer role, under any search path: with the row, or not."""
    s.execute(TRIGGER)
    with logged_in(dsn, "producer") as user:
        s.execute("listen pynenc")
        list(s.notifies(timeout=0.1))
        for path in ("public", "pg_catalog, public", "pynenc, public"):
            user.execute(sql.SQL("set search_path = {}").format(sql.SQL(path)))
            with user.transaction(force_rollback=True):
                user.execute("insert into public.orders values (0)")
            with user.transaction():
                user.execute(
                    "insert into public.orders select coalesce(max(id), 0) + 1 from public.orders"
                )
                with user.transaction(force_rollback=True):
                    user.execute("insert into public.orders values (99)")
                assert list(s.notifies(timeout=0.1)) == []  # nothing before the commit
            [told] = s.notifies(timeout=5, stop_after=1)
            assert json.loads(told.payload)["kind"] == "work"
    query = """select (i.arguments->>'x')::int from pynenc.invocations i
               where task_id = 'tests.app.tasks.add' order by invocation_id"""
    assert [row[0] for row in s.execute(query)] == [1, 2, 3]
    with working(app.runner):
        query = "select invocation_id::text from pynenc.invocations"
        found = [row[0] for row in s.execute(query)]
        assert [app.get_invocation(i).result_or_raise(20) for i in found] == [11, 12, 13]


def test_a_temporary_table_cannot_stand_in_for_ours(app: Pynenc, dsn: str, s: Connection) -> None:
    """What a user puts into the search path is not asked."""
    with logged_in(dsn, "producer") as user:
        user.execute("create temp table task as select 1 as app_id")
        user.execute("set search_path = pg_temp, public")
        which = enqueue(user, "tests.app.tasks.add", {"x": 1})
    assert status_of_public(s, which) == ("in-process", "registered")


def test_snapshots_of_long_ago_are_refused(app: Pynenc, s: Connection) -> None:
    """As for every verb."""
    with s.transaction(force_rollback=True):
        s.execute("set transaction isolation level repeatable read")
        assert code(s, "tests.app.tasks.add", {"x": 1}) == "PN008"


def test_cancel(app: Pynenc, s: Connection) -> None:
    """By its id alone; it says what became of it."""
    which = enqueue(s, "tests.app.tasks.add", {"x": 1})
    assert one(s, "select pynenc.cancel(%s)", (which,)) == "cancelled"
    assert one(s, "select pynenc.cancel(%s)", (which,)) == "final"
    assert one(s, "select pynenc.cancel(gen_random_uuid())") == "unknown"
    with s.transaction():
        s.execute("set local search_path = pynenc")
        assert history(s, which) == [(0, "registered"), (1, "failed")]


def test_retry_makes_a_new_one(app: Pynenc, s: Connection) -> None:
    """Same task, arguments and options, and it says what it was made from."""
    which = enqueue(s, "tests.app.tasks.add", {"x": 5}, queue="other", priority=3, max_retries=2)
    with pytest.raises(psycopg.Error) as caught:
        s.execute("select pynenc.retry(%s)", (which,))
    assert caught.value.sqlstate == "PN024"
    with working(app.runner):
        assert app.get_invocation(which).result_or_raise(20) == 15
        again = str(one(s, "select pynenc.retry(%s)", (which,)))
        assert again != which
        assert app.get_invocation(again).result_or_raise(20) == 15
    query = """select task_id, call_id = (select call_id from pynenc.invocation
                                         where invocation_id = %s),
                      arguments::text, queue, priority, options::text, retried_from::text
               from pynenc.invocation where invocation_id = %s"""
    assert s.execute(query, (which, again)).fetchone() == (
        "tests.app.tasks.add", True, '{"x": 5}', "other", 3, '{"max_retries":2}', which,
    )  # fmt: skip
    with pytest.raises(psycopg.Error) as caught:
        s.execute("select pynenc.retry(gen_random_uuid())")
    assert caught.value.sqlstate == "PN014"


def test_what_python_has_called_can_be_retried(app: Pynenc, s: Connection) -> None:
    """Values that are not JSON come along as they were written."""
    ours = tasks.echo_pickle({1, 2})
    with working(app.runner):
        assert ours.result_or_raise(20) == {1, 2}
        again = str(one(s, "select pynenc.retry(%s)", (ours.invocation_id,)))
        assert app.get_invocation(again).result_or_raise(20) == {1, 2}


def test_a_large_argument_is_kept_for_the_retry(app: Pynenc, s: Connection) -> None:
    """The new invocation refers to it, too: it stays when the old one has gone."""
    ours = tasks.echo_pickle("x" * 10_000)
    assert ours.cancel() is CancelAnswer.CANCELLED
    again = one(s, "select pynenc.retry(%s)", (ours.invocation_id,))
    refs = "select count(*)::int from pynenc.payload_ref where invocation_id = %s"
    assert one(s, refs, (again,)) == one(s, refs, (ours.invocation_id,)) == 1
    with working(app.runner):
        assert app.get_invocation(str(again)).result_or_raise(20) == "x" * 10_000


@pytest.mark.parametrize("role", ["producer", "worker"])
def test_who_may(app: Pynenc, dsn: str, s: Connection, role: str) -> None:
    """Producers and workers may call, cancel and retry; a worker's retry is not for producers."""
    with connect(dsn) as c, acting_as(c, role):
        which = enqueue(c, "tests.app.tasks.add", {"x": 1})
        assert one(c, "select pynenc.cancel(%s)", (which,)) == "cancelled"
        assert one(c, "select pynenc.retry(%s)", (which,)) is not None
    query = "select has_function_privilege(%s, oid::regprocedure::text, 'execute') from pg_proc"
    query += " where pronamespace = 'pynenc'::regnamespace and proname = 'retry' and pronargs = 7"
    assert one(s, query, (f"pynenc_{role}",)) is (role == "worker")
    with connect(dsn) as c, acting_as(c, "observer"):
        assert one(c, "select signature from pynenc.tasks where task_id = 'tests.app.tasks.add'")
        assert code_of(c, "select pynenc.enqueue('tests.app.tasks.add')") == "42501"


def test_the_newest_word_counts(app: Pynenc, dsn: str, s: Connection) -> None:
    """A deploy that gives a task another parameter is heard of when its runner comes."""

    def add(x: int, z: int) -> int:
        return x + z

    add.__module__, add.__qualname__ = "tests.app.tasks", "add"
    with tasks.app.__class__("in-process") as newer:
        newer.conf.postgres.dsn = dsn
        newer.task(add)
        tell(newer)
        assert code(s, "tests.app.tasks.add", {"x": 1}) == "PN021"
        enqueue(s, "tests.app.tasks.add", {"x": 1, "z": 1})
        tell(app, "a rollback")
        enqueue(s, "tests.app.tasks.add", {"x": 1})
    query = "select signature, runners from pynenc.tasks where task_id = 'tests.app.tasks.add'"
    assert s.execute(query).fetchone() == ("(x, y=...)", 3)
