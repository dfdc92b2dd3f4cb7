"""How far the guard reaches, whoever writes; the limits that are documented."""

from __future__ import annotations

from tests.support.plain_sql import (
    gaps,
    history,
    put_into,
    run,
    undone,
)
from tests.support.sql import (
    Connection,
    claim,
    connect,
    finish,
    one,
    register,
    register_runner,
    start,
)


def test_a_pass_of_another_transaction_opens_nothing(database_dsn: str) -> None:
    """The pass that purge writes for itself names its transaction and ends with it."""
    with connect(database_dsn) as connection:
        put_into(connection, "running")
        with connection.transaction():
            connection.execute("select purge('nobody')")
            mine = one(connection, "select pg_current_xact_id()::text")
            assert one(connection, "select current_setting('pynenc.purge', true)") == ""
            assert run(connection, "delete from invocation_history") == "PN004"
        connection.execute("select set_config('pynenc.purge', %s, false)", (mine,))
        assert run(connection, "delete from invocation_history") == "PN004"
        assert run(connection, "delete from invocation_state") == "PN006"
        assert run(connection, "truncate invocation_outcome") == "PN004"


def test_a_verb_writes_history_whatever_the_caller_has_set(database_dsn: str) -> None:
    """A caller who writes itself the pass of purge gets no way past the guard through a verb."""
    with connect(database_dsn) as connection:
        register_runner(connection)
        [invocation_id] = register(connection)
        with connection.transaction():
            connection.execute(
                "select set_config('pynenc.purge', pg_current_xact_id()::text, false)"
            )
            held = claim(connection)
            start(connection, held)
            finish(connection, held)
        assert [entry for _, entry in history(connection, invocation_id)] == [
            "registered",
            "pending",
            "running",
            "success",
        ]
        assert gaps(connection) == []


def test_the_documented_limit_is_the_superuser(database_dsn: str) -> None:
    """Triggers can be switched off for a session by a superuser alone; without, it is refused."""
    with connect(database_dsn) as connection:
        put_into(connection, "running")
        connection.execute("create role plain_owner_of_test")
        try:
            connection.execute("set role plain_owner_of_test")
            assert run(connection, "set session_replication_role = replica") == "42501"
            connection.execute("reset role")
        finally:
            connection.execute("drop role plain_owner_of_test")
        with undone(connection):
            connection.execute("set session_replication_role = replica")
            assert connection.execute("delete from invocation_state").rowcount == 1


def test_the_other_documented_limit_is_the_owners_own_trigger(connection: Connection) -> None:
    """History believes any trigger: an owner who makes one can write it (see Honest limit)."""
    [invocation_id] = register(connection)
    connection.execute(
        """create temporary table trick (i int);
           create function pg_temp.trick() returns trigger language plpgsql as $$
           begin
               insert into pynenc.invocation_history (invocation_id, app_id, rev, status,
                   changed_by, at)
               select invocation_id, app_id, 99, 'failed', 'me', clock_timestamp()
               from pynenc.invocation_state;
               return new;
           end $$;
           create trigger trick before insert on trick for each row
               execute function pg_temp.trick()"""
    )
    connection.execute("insert into trick values (1)")
    assert gaps(connection) == [(invocation_id, [0, 99])]
