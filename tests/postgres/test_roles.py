"""Producers and workers call functions and touch no table; observers read views."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from tests.support.plain_sql import put_into, run, status_of
from tests.support.roles import DENIED, acting_as, logged_in
from tests.support.sql import (
    Connection,
    claim,
    connect,
    finish,
    one,
    register,
    register_runner,
    start,
    temporary_database,
)

_READ = {
    "outcomes", "get_invocation", "get_call", "history", "is_served", "fetch", "why",
    "schema_version",
}  # fmt: skip
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
    "state_at",
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


@pytest.fixture(scope="module")
def dsn(server_dsn: str, template: str) -> Iterator[str]:
    """One database whose invocations stand in every table."""
    with temporary_database(server_dsn, template) as dsn:
        with connect(dsn) as connection:
            for status in ("registered", "running", "success"):
                put_into(connection, status, lane=f"lane of {status}")
            register_runner(connection, "the runner of the fixture")
        yield dsn


def relations(connection: Connection, kinds: str) -> list[str]:
    """Name what lies in the schema, partitions included."""
    rows = connection.execute(
        """select relname from pg_class where relnamespace = 'pynenc'::regnamespace
           and relkind::text = any (%s) order by 1""",
        (list(kinds),),
    ).fetchall()
    return [row[0] for row in rows]


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
                    assert run(connection, statement) in expected, statement
            assert run(connection, "select nextval('lease_seq')") == DENIED
            assert run(connection, "create table pynenc.mine (i int)") == DENIED
            assert run(connection, "drop schema pynenc cascade") == DENIED


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
                assert (run(connection, f"select from {table}") is None) == allowed, table
            for view in views:
                assert (run(connection, f"select * from {view}") is None) == watches, view
                assert run(connection, f"delete from {view}") in {DENIED, "55000"}, view


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
