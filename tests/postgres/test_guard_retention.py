"""What has ended goes by the verb prune, and by nobody's own statement."""

from __future__ import annotations

import pytest

from tests.support.kept import ended, keep, prune
from tests.support.plain_sql import put_into, run, undone
from tests.support.sql import Connection, one, register_runner

KEPT = ("invocation_outcome", "invocation_error", "invocation", "invocation_history")
AS_PRUNE = "select set_config('pynenc.prune', pg_current_xact_id()::text, true)"


@pytest.fixture
def old(connection: Connection) -> str:
    """A call whose time is over."""
    register_runner(connection)
    keep(connection)
    return ended(connection)[0]


@pytest.mark.parametrize("table", KEPT)
def test_the_same_deletes_are_refused(connection: Connection, old: str, table: str) -> None:
    """From psql, also right before and after prune has done the same in this transaction."""
    if table == "invocation_error":
        connection.execute(
            "insert into invocation_error values (%s, 1, '1', clock_timestamp())", (old,)
        )
    delete = f"delete from {table} where invocation_id = '{old}'"
    assert run(connection, delete) == "PN004"
    with undone(connection):
        assert prune(connection) == 1
        assert one(connection, f"select count(*) from {table}") == 0
        other, *_ = put_into(connection, "success")
        if table != "invocation_error":
            assert run(connection, f"delete from {table} where invocation_id = '{other}'") == (
                "PN004"
            )
    assert run(connection, delete) == "PN004"


@pytest.mark.parametrize("table", [t for t in KEPT if t != "invocation_error"])
def test_what_has_not_ended_never_goes(connection: Connection, old: str, table: str) -> None:
    """Whoever says to be prune removes nothing of a live one, and changes nothing of any."""
    live, *_ = put_into(connection, "running")
    connection.execute(AS_PRUNE)
    if table != "invocation_outcome":
        assert run(connection, f"delete from {table} where invocation_id = '{live}'") == "PN004"
    for change in (
        f"update {table} set app_id = 'x' where invocation_id = '{old}'",
        f"truncate {table}",
    ):
        assert run(connection, change) == "PN004"
    assert run(connection, "delete from invocation_state") == "PN006"
