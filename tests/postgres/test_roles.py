"""Producers and workers call functions and touch no table; observers read views."""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from tests.support.plain_sql import gaps, history, put_into, refusal, status_of
from tests.support.sql import (
    RUNNER,
    Connection,
    cancel,
    claim,
    connect,
    finish,
    heartbeat,
    one,
    recover,
    register,
    register_runner,
    release,
    retry,
    start,
    temporary_database,
)
from tests.support.trigger_sql import STARTED, emit, fire, pair, settle, take, tell, watched
from tests.support.wait_sql import watch

_READ = {"outcomes", "get_invocation", "get_call", "history", "is_served", "fetch", "why"}
_PRODUCE = _READ | {
    "register",
    "register_2",
    "register_once",
    "register_cached",
    "watch",
    "cancel",
    "hold",
    "refer",
    "enqueue",
    "cancel(uuid)",
    "retry(uuid)",
    "emit",
    "emit_event",
    "workflow_info",
    "workflow_steps",
    "workflow_values",
    "workflow_runs",
    "pause_workflow",
    "pause_workflow(uuid)",
    "fork_steps",
}
_RUN = {
    "count_ready",
    "register_runner",
    "heartbeat",
    "asked_to_stop",
    "unregister_runner",
    "claim",
    "start",
    "finish",
    "retry",
    "set_aside",
    "register_tasks",
    "pause",
    "resume",
    "release",
    "release_strays",
    "crash",
    "recover",
    "promote",
    "expire",
    "maintain",
    "maintain_2",
    "prune",
    "collect",
    "register_triggers",
    "take_causes",
    "settle_causes",
    "waiting_causes",
    "pair_causes",
    "fire",
    "next_cause",
    "schedules",
    "tick",
    "record_step",
    "record_child",
    "await_event",
}
_RUNS = {"workflow_info", "workflow_steps", "workflow_values", "workflow_runs", "workflow_tree"} | {
    "list_invocations",
    "broken",
    "at_work",
}
#: What the monitor looks by.
_MONITOR = {
    "histories",
    "recent_history",
    "recent_ends",
    "queue_figures",
    "family",
    "waits_of",
    "held_by",
    "trigger_figures",
}
#: Exactly the functions each role may call.
VERBS = {
    "producer": _PRODUCE,
    "worker": _PRODUCE | _RUN,
    "observer": _READ
    | {"count_ready", "count_by_status", "queued_misfits", "triggers_of", "fired"}
    | _RUNS
    | _MONITOR,
    "operator": _READ
    | _MONITOR
    | {
        "record_audit",
        "retry_with",
        "count_ready",
        "cancel",
        "collect",
        "cancel(uuid)",
        "retry(uuid)",
        "queued_misfits",
        "recover",
        "promote",
        "expire",
        "maintain",
        "maintain_2",
        "prune",
        "count_by_status",
        "pause_queue",
        "purge",
        "emit",
        "emit_event",
        "triggers_of",
        "fired",
        "pause_trigger",
        "reschedule",
        "schedules",
        "retry_causes",
        "pause_workflow",
        "pause_workflow(uuid)",
    }
    | _RUNS,
}
#: Of two functions of one name, the one for people says what it takes.
NAMES = """proname || case when pronargs = 1 and proname in ('cancel', 'retry')
                              or pronargs = 3 and proname = 'pause_workflow' then '(uuid)'
           else '' end"""
READABLE = {"status", "status_transition"}  # the state machine as data
DENIED = "42501"


@pytest.fixture(scope="module")
def dsn(server_dsn: str, template: str) -> Iterator[str]:
    """One database whose invocations stand in every table."""
    with temporary_database(server_dsn, template) as dsn:
        with connect(dsn) as connection:
            for status in ("registered", "running", "success"):
                put_into(connection, status, lane=f"lane of {status}")
            register_runner(connection, "the runner of the fixture")
        yield dsn


@contextmanager
def acting_as(connection: Connection, role: str) -> Iterator[Connection]:
    """Be a role, undo everything."""
    with connection.transaction(force_rollback=True):
        connection.execute(sql.SQL("set local role {}").format(sql.Identifier(f"pynenc_{role}")))
        yield connection


@contextmanager
def logged_in(dsn: str, role: str) -> Iterator[Connection]:
    """Connect as a user of its own who has been granted a role."""
    name = f"test_{role}_{secrets.token_hex(4)}"
    password = secrets.token_hex(16)
    with psycopg.connect(dsn, autocommit=True) as admin:
        admin.execute(
            sql.SQL("create role {} login password {} in role {}").format(
                sql.Identifier(name), sql.Literal(password), sql.Identifier(f"pynenc_{role}")
            )
        )
        try:
            given = {
                k: v for k, v in conninfo_to_dict(dsn).items() if k not in {"user", "password"}
            }
            with connect(make_conninfo("", **given, user=name, password=password)) as connection:
                yield connection
        finally:
            admin.execute(sql.SQL("drop owned by {}").format(sql.Identifier(name)))
            admin.execute(sql.SQL("drop role {}").format(sql.Identifier(name)))


def relations(connection: Connection, kinds: str) -> list[str]:
    """Name what lies in the schema, partitions included."""
    rows = connection.execute(
        """select relname from pg_class where relnamespace = 'pynenc'::regnamespace
           and relkind::text = any (%s) order by 1""",
        (list(kinds),),
    ).fetchall()
    return [row[0] for row in rows]


def code(connection: Connection, statement: str) -> str | None:
    """Return the SQLSTATE a statement is refused with; None if it passes. It is undone."""
    error = refusal(connection, lambda: connection.execute(statement.encode()))
    return error.sqlstate if error else None


@pytest.mark.parametrize("role", VERBS)
def test_every_direct_write_is_denied(dsn: str, role: str) -> None:
    """INSERT, UPDATE, DELETE, MERGE, TRUNCATE, LOCK, COPY: permission denied on every table."""
    with connect(dsn) as connection:
        tables = relations(connection, "rp")
        assert len(tables) > 30
        with acting_as(connection, role):
            for table in tables:
                for statement in (
                    f"insert into {table} default values",
                    f"update {table} set tableoid = tableoid",
                    f"delete from {table}",
                    f"truncate {table}",
                    f"lock {table}",
                    f"copy {table} from stdin",
                    f"merge into {table} using (select 1) x on true when matched then delete",
                    f"drop table {table}",
                    f"alter table {table} disable trigger all",
                    (
                        f"create trigger t before insert on {table} for each row "
                        "execute function refuse_change()"
                    ),
                ):
                    expected = {DENIED} | ({"0A000"} if statement.startswith("update") else set())
                    assert code(connection, statement) in expected, statement
            assert code(connection, "select nextval('lease_seq')") == DENIED
            assert code(connection, "create table pynenc.mine (i int)") == DENIED
            assert code(connection, "drop schema pynenc cascade") == DENIED


@pytest.mark.parametrize("role", VERBS)
def test_an_update_of_each_column_is_denied(dsn: str, role: str) -> None:
    """There is no right on a single column either."""
    with connect(dsn) as connection:
        rows = connection.execute(
            """select c.relname, a.attname, p.right
               from pg_class c join pg_attribute a on a.attrelid = c.oid and a.attnum > 0,
                    unnest(array['SELECT', 'INSERT', 'UPDATE', 'REFERENCES']) p ("right")
               where c.relnamespace = 'pynenc'::regnamespace and c.relkind in ('r', 'p')
                 and not a.attisdropped
                 and has_column_privilege(%s, c.oid, a.attnum, p.right)""",
            (f"pynenc_{role}",),
        ).fetchall()
    readable = READABLE if role in {"observer", "operator"} else set()
    assert {(t, r) for t, _, r in rows} == {(table, "SELECT") for table in readable}


@pytest.mark.parametrize("role", VERBS)
def test_tables_are_not_read_and_views_by_observers_alone(dsn: str, role: str) -> None:
    """SELECT is denied on every table but the state machine's; views are the observers'."""
    watches = role in {"observer", "operator"}
    with connect(dsn) as connection:
        tables, views = relations(connection, "rpS"), relations(connection, "v")
        assert {"invocations", "queue_depth", "runner_health", "task_stats"} <= set(views)
        assert {"set_aside", "tasks", "triggers", "trigger_runs", "events"} <= set(views)
        with acting_as(connection, role):
            for table in tables:
                allowed = watches and table in READABLE
                assert (code(connection, f"select from {table}") is None) == allowed, table
            for view in views:
                assert (code(connection, f"select * from {view}") is None) == watches, view
                assert code(connection, f"delete from {view}") in {DENIED, "55000"}, view


@pytest.mark.parametrize("role", VERBS)
def test_a_role_may_call_exactly_its_verbs(dsn: str, role: str) -> None:
    """EXECUTE stands on the listed functions and on no other."""
    with connect(dsn) as connection:
        rows = connection.execute(
            f"""select {NAMES} from pg_proc where pronamespace = 'pynenc'::regnamespace
               and has_function_privilege(%s, oid, 'execute')""".encode(),
            (f"pynenc_{role}",),
        ).fetchall()
    assert sorted(row[0] for row in rows) == sorted(VERBS[role])


def test_nothing_is_open_to_public(dsn: str) -> None:
    """PUBLIC has no right on any function, table, view, sequence or on the schema itself."""
    with connect(dsn) as connection:
        for catalog, acl, owner, kind, where in (
            ("pg_proc", "proacl", "proowner", "f", "pronamespace = 'pynenc'::regnamespace"),
            ("pg_class", "relacl", "relowner", "r", "relnamespace = 'pynenc'::regnamespace"),
            ("pg_namespace", "nspacl", "nspowner", "n", "nspname = 'pynenc'"),
        ):
            found = connection.execute(
                f"""select c.oid, a.privilege_type from {catalog} c,
                       aclexplode(coalesce({acl}, acldefault('{kind}', {owner}))) a
                    where a.grantee = 0 and {where}""".encode()
            ).fetchall()
            assert found == [], catalog


def test_definers_cannot_be_captured(dsn: str) -> None:
    """Every function a role may call is SECURITY DEFINER; its search path ends in pg_temp."""
    with connect(dsn) as connection:
        functions = connection.execute(
            f"""select {NAMES}, prosecdef, proconfig, pg_get_userbyid(proowner) = current_user
               from pg_proc where pronamespace = 'pynenc'::regnamespace""".encode()
        ).fetchall()
    granted = set().union(*VERBS.values())
    at_commit = {"add_queues", "wake_waiting"}  # triggers that are run by whoever commits
    assert {name for name, definer, *_ in functions if definer} == granted | at_commit
    for name, definer, config, owned in functions:
        assert owned
        paths = [setting for setting in config or () if setting.startswith("search_path=")]
        if definer or paths:
            [path] = paths
            assert re.fullmatch(r'search_path="?pynenc"?, pg_catalog, pg_temp', path), name


def test_a_temporary_table_captures_nothing(dsn: str) -> None:
    """Tables, functions and operators of the caller's own are not found by a verb (F49)."""
    with logged_in(dsn, "worker") as attacker:
        attacker.execute(
            """create temporary table invocation_state (like_nothing int);
               create temporary table runner (runner_id text, app_id text, idle boolean,
                                              dead_at timestamptz);
               create temporary table invocation_outcome (invocation_id uuid);
               create temporary table seen (what text);
               grant all on seen, runner, invocation_state, invocation_outcome to public;
               create function pg_temp.nothing(uuid, uuid) returns boolean language plpgsql as $$
                   begin insert into seen values (current_user); return true; end $$;
               create operator pg_temp.= (leftarg = uuid, rightarg = uuid,
                                          procedure = pg_temp.nothing);
               create function pg_temp.clock_timestamp() returns timestamptz language plpgsql as $$
                   begin insert into seen values (current_user); return '2000-01-01'; end $$;
               create function pg_temp.check_isolation() returns void language plpgsql as $$
                   begin insert into seen values (current_user); end $$"""
        )
        attacker.execute("set search_path = pg_temp, pynenc, pg_catalog")
        register_runner(attacker, "attacker", app="capture")
        [invocation_id] = register(attacker, app="capture")
        held = claim(attacker, "attacker", app="capture")
        assert start(attacker, held, "attacker", app="capture") == {}
        assert finish(attacker, held, "attacker", app="capture") == {}
        assert status_of(attacker, invocation_id, "capture") == "success"
        assert one(attacker, "select count(*) from pg_temp.seen") == 0
        assert one(attacker, "select count(*) from pg_temp.runner") == 0


def test_every_verb_works_for_a_worker_without_table_rights(database_dsn: str) -> None:
    """A real login role with nothing but `worker` goes through every verb it is granted."""
    with logged_in(database_dsn, "worker") as c:
        app = "worker's"
        assert code(c, "select from invocation_state") == DENIED
        register_runner(c, app=app, lock=True)
        assert heartbeat(c, app=app) == (True, 0, False)
        ids = register(c, 4, app=app, lanes=["a", "a", None, "b"], slots=1, expires_in=60)
        [keyed] = register(c, app=app, keys=["k"])
        assert register(c, app=app, keys=["k"]) == [keyed]
        assert one(c, "select count_ready(%s, null)", (app,)) == 5
        held = claim(c, app=app)
        assert {i for i, _ in held} == {ids[0], ids[2], ids[3], keyed}
        assert status_of(c, ids[1], app) == "concurrency_controlled"
        assert start(c, held, app=app) == {}
        assert watch(c, ids, app=app) == []
        assert finish(c, held[:1], app=app) == {}
        assert release(c, held[1:2], app=app) == {}
        assert retry(c, held[2:3], app=app, error='"oops"', delay=0.0001) == {}
        assert cancel(c, held[3][0], app=app) == "requested"
        assert retry(c, held[3:], app=app) == {}
        assert one(c, "select promoted from promote(%s, 10)", (app,)) == 1
        assert one(c, "select expire(%s, 10)", (app,)) == 0
        assert recover(c, app=app)[:3] == (0, 0, [])
        assert one(c, "select cardinality(maintain(%s)) >= 0", (app,))
        rows = c.execute("select status from outcomes(%s, %s::uuid[])", (app, [*ids, keyed]))
        assert sorted(row[0] for row in rows) == ["failed", "success"]
        entries = c.execute("select status from history(%s, %s)", (app, ids[0])).fetchall()
        assert entries[0] == ("registered",)
        c.execute("select unregister_runner(%s, %s)", (app, RUNNER))
    with connect(database_dsn) as owner:
        assert gaps(owner) == []


def test_triggers_work_for_roles_without_table_rights(database_dsn: str) -> None:
    """A producer emits, a worker does all that a trigger needs, an operator looks after it."""
    app = "reacting"
    with logged_in(database_dsn, "worker") as worker:
        tell(worker, watched(), watched("ends", what="registered", about=STARTED), app=app)
        with logged_in(database_dsn, "producer") as producer:
            emit(producer, app=app)
            producer.execute("select emit_event('paid', '{}', %s)", (app,))
            assert code(producer, "select take_causes('a', 'r', '{}', '{}', 1, 1)") == DENIED
            assert code(producer, f"select pause_trigger('{app}', 't', true)") == DENIED
        causes = take(worker, app=app)
        assert one(worker, "select next_cause(%s)", (app,)) > 0
        assert settle(worker, causes[:1], "park", app=app) == 1
        assert len(fire(worker, causes[1:], app=app)) == 1
        assert settle(worker, take(worker, "ends", app=app), "yes", app=app) == 1
        waiting = one(worker, "select cause_id from waiting_causes(%s, 'ends', 10)", (app,))
        assert pair(worker, [[waiting]], "ends", app=app)
        assert worker.execute("select * from schedules(%s)", (app,)).fetchall() == []
        assert not one(worker, "select tick(%s, 't', 'c', now(), '{}', now(), now())", (app,))
    with logged_in(database_dsn, "operator") as operator:
        assert one(operator, "select error is null from parked_causes where app_id = %s", (app,))
        assert one(operator, "select retry_causes(%s, 't')", (app,)) == 1
        assert one(operator, "select pause_trigger(%s, 't', true)", (app,))
    with logged_in(database_dsn, "observer") as observer:
        assert one(observer, "select paused from triggers_of(%s) where trigger_id = 't'", (app,))
        assert one(observer, "select trigger_id from fired(%s, null, 10)", (app,)) == "t"
        assert (
            one(observer, "select status from trigger_runs where app_id = %s", (app,))
            == "registered"
        )
        assert one(observer, "select count(*) from events where app_id = %s", (app,)) == 2
        assert code(observer, "select emit_event('paid')") == DENIED


def test_producer_and_operator_can_do_their_work(database_dsn: str) -> None:
    """A producer registers, waits and reads; an operator pauses, cancels and purges."""
    app = "shop"
    with logged_in(database_dsn, "producer") as producer:
        ids = register(producer, 2, app=app, lanes=["a", "b"], slots=1)
        assert watch(producer, ids, app=app) == []
        assert status_of(producer, ids[0], app) == "registered"
        assert code(producer, f"select * from claim('{app}', 'x', '{{}}', 1, false)") == DENIED
        assert code(producer, f"select purge('{app}')") == DENIED
    with logged_in(database_dsn, "operator") as operator:
        operator.execute("select pause_queue(%s, 'default', true)", (app,))
        assert cancel(operator, ids[0], app=app) == "cancelled"
        assert one(operator, "select ready from queue_depth where app_id = %s", (app,)) == 1
        assert one(operator, "select purge(%s)", (app,)) == 2


@pytest.mark.parametrize("role", ["producer", "worker"])
def test_no_verb_can_be_talked_past_the_guard(database_dsn: str, role: str) -> None:
    """A role that writes itself the pass of purge still leaves a history without gaps."""
    app = f"pass of {role}"
    with connect(database_dsn) as c:
        register_runner(c, app=app)
        with c.transaction():
            c.execute(sql.SQL("set local role {}").format(sql.Identifier(f"pynenc_{role}")))
            c.execute("select set_config('pynenc.purge', pg_current_xact_id()::text, false)")
            [invocation_id] = register(c, app=app)
            assert cancel(c, invocation_id, app=app) == "cancelled"
        assert history(c, invocation_id) == [(0, "registered"), (1, "failed")]


def test_hints_cannot_do_harm(database_dsn: str) -> None:
    """Anybody may send hints: junk on the channel leaves every verb and row as it was."""
    with logged_in(database_dsn, "observer") as stranger, connect(database_dsn) as c:
        app = "hints"
        register_runner(c, app=app)
        c.execute("listen pynenc")
        [invocation_id] = register(c, app=app)
        for junk in ("", "{", '{"app": null}', '{"app": "hints", "kind": "cancel", "more": 1}'):
            stranger.execute("select pg_notify('pynenc', %s)", (junk,))
        held = claim(c, app=app)
        assert start(c, held, app=app) == {}
        assert finish(c, held, app=app) == {}
        assert status_of(c, invocation_id, app) == "success"


def test_a_listener_that_cannot_be_notified_is_refused(database_dsn: str) -> None:
    """A channel name PostgreSQL would not take never stands in the way of somebody's end."""
    app = "listeners"
    with connect(database_dsn) as c:
        register_runner(c, app=app)
        ids = register(c, app=app)
        with acting_as(c, "producer"):
            for listener in ("", "x" * 64):
                error = refusal(c, lambda name=listener: watch(c, ids, name, app=app))
                assert isinstance(error, psycopg.errors.CheckViolation)
        watch(c, ids, "x" * 63, app=app)
        held = claim(c, app=app)
        start(c, held, app=app)
        assert finish(c, held, app=app) == {}


def test_notifications_carry_only_ids(database_dsn: str) -> None:
    """What goes over a channel that anybody may hear is ids, kinds and times, never a value."""
    app = "ears"
    with connect(database_dsn) as c, connect(database_dsn) as ear:
        ear.execute("listen pynenc; listen ends")
        register_runner(c, app=app)
        ids = register(c, app=app, own_connection=False)
        watch(c, ids, app=app)
        held = claim(c, app=app)
        start(c, held, app=app)
        cancel(c, ids[0], app=app)
        finish(c, held, app=app, value='"secret"')
        heard = [(n.channel, json.loads(n.payload)) for n in ear.notifies(timeout=0.5)]
    kinds = [said["kind"] for channel, said in heard if channel == "pynenc"]
    assert {"runner", "work", "cancel"} <= set(kinds)
    assert ("ends", ids) in heard
    assert "secret" not in str(heard)
