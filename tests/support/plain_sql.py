"""What tests read and write past the verbs: plain SQL over a bare psycopg connection."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
from psycopg import sql
from psycopg.rows import dict_row

from tests.support.sql import APP, RUNNER, Connection, one, register
from tests.support.states import FINAL, OWNED, PATHS, Place


def state(connection: Connection, invocation_id: str) -> dict[str, Any]:
    """Return the hot row."""
    with connection.cursor(row_factory=dict_row) as cursor:
        row = cursor.execute(
            "select * from pynenc.invocation_state where invocation_id = %s", (invocation_id,)
        ).fetchone()
    assert row is not None, f"{invocation_id} is not live"
    return row


def status_of(connection: Connection, invocation_id: str, app: str = APP) -> str:
    """Return the status, live or final."""
    return str(
        one(
            connection,
            "select status from pynenc.get_invocation(%s, %s)",
            (app, invocation_id),
        )
    )


def history(connection: Connection, invocation_id: str) -> list[tuple[int, str]]:
    """Return (rev, status) of each change."""
    return connection.execute(
        """select rev, status::text from pynenc.invocation_history
           where invocation_id = %s order by rev""",
        (invocation_id,),
    ).fetchall()


def step(
    before: dict[str, Any], to: str, reason: str | None = None, runner: str = RUNNER
) -> dict[str, Any]:
    """Return the columns a lawful client would set to bring a hot row into another live status."""
    rev = before["rev"] + 1
    owned = to in OWNED
    claims = to == "pending"
    columns: dict[str, Any] = {
        "status": to,
        "previous_status": before["status"],
        "reason": reason,
        "rev": rev,
        "changed_by": "test",
        "runner_id": (runner if before["runner_id"] is None else before["runner_id"])
        if owned
        else None,
        "retries": before["retries"] + (to == "retry" and reason in {"error", "timeout"}),
        "recoveries": before["recoveries"] + (to == "running_recovery"),
    }
    if claims or (owned and before["lease"] is None):
        columns["lease"] = sql.SQL("nextval('pynenc.lease_seq')")
    if before["runner_id"] is not None:
        columns["proof"] = before["lease"] + rev
    return columns


def write(connection: Connection, invocation_id: str, columns: dict[str, Any]) -> int:
    """UPDATE these columns of a hot row; answers how many rows."""
    sets = sql.SQL(", ").join(
        sql.SQL("{} = {}").format(
            sql.Identifier(name), value if isinstance(value, sql.SQL) else sql.Literal(value)
        )
        for name, value in columns.items()
    )
    return connection.execute(
        sql.SQL(
            "update pynenc.invocation_state set {}, status_at = clock_timestamp() "
            "where invocation_id = {}"
        ).format(sets, sql.Literal(invocation_id))
    ).rowcount


def end(
    connection: Connection,
    invocation_id: str,
    to: str,
    reason: str | None = None,
    **wrong: Any,
) -> int:
    """Write the outcome and DELETE the hot row in one statement; ``wrong`` replaces columns."""
    before = state(connection, invocation_id)
    values = {"lease": before["lease"], "rev": before["rev"] + 1} | wrong
    return connection.execute(
        """with gone as (
               delete from pynenc.invocation_state where invocation_id = %s returning *
           )
           insert into pynenc.invocation_outcome (
               invocation_id, app_id, status, reason, queue, runner_id, lease, rev, changed_by,
               retries, recoveries, finished_at)
           select invocation_id, app_id, %s::pynenc.invocation_status, %s, queue, runner_id,
                  %s::bigint, %s, 'test', retries, recoveries, clock_timestamp() from gone""",
        (invocation_id, to, reason, values["lease"], values["rev"]),
    ).rowcount


def put_into(
    connection: Connection,
    status: str,
    *,
    app: str = APP,
    lane: str | None = None,
    invocation_id: str | None = None,
) -> Place:
    """Register an invocation and bring it into a status, by lawful steps only.

    One with a ``lane`` (of one slot) takes the slot where it claims, and keeps it.
    """
    if invocation_id is None:
        lanes, slots = ([lane], 1) if lane else (None, None)
        [invocation_id] = register(connection, app=app, lanes=lanes, slots=slots)
    before = state(connection, invocation_id)
    for to, reason in PATHS[status]:
        if to in FINAL:
            end(connection, invocation_id, to, reason)
            return Place(invocation_id, before["lease"], before["rev"] + 1)
        if lane and to == "pending":
            take_slot(connection, invocation_id)
        write(connection, invocation_id, step(before, to, reason))
        before = state(connection, invocation_id)
    return Place(invocation_id, before["lease"], before["rev"])


def take_slot(connection: Connection, invocation_id: str, n: int = 1) -> None:
    """Put an invocation into slot n of its lane."""
    connection.execute(
        """insert into pynenc.slot (lane, n, invocation_id)
           select lane, %s, invocation_id from pynenc.invocation_state where invocation_id = %s""",
        (n, invocation_id),
    )


@contextmanager
def undone(connection: Connection) -> Iterator[None]:
    """Whatever happens in the block leaves no trace; its error comes out."""
    with connection.transaction(force_rollback=True):
        yield


def refusal(connection: Connection, action: Any) -> psycopg.Error | None:
    """Run an action in a savepoint that is undone; return what the database refused it with."""
    try:
        with undone(connection):
            action()
    except psycopg.Error as error:
        return error
    return None


def gaps(connection: Connection) -> list[tuple[str, list[int]]]:
    """Return the invocations whose history is not 0, 1, 2 .. up to where they stand (I6)."""
    return connection.execute(
        """select h.invocation_id, h.revs from (
               select invocation_id, array_agg(rev order by rev) as revs
               from pynenc.invocation_history group by invocation_id) h
           left join pynenc.invocation_state s using (invocation_id)
           left join pynenc.invocation_outcome o using (invocation_id)
           where h.revs <> array(select generate_series(0, coalesce(o.rev, s.rev, -1)))"""
    ).fetchall()


def code(error: psycopg.Error | None) -> str | None:
    """Return the SQLSTATE of a refusal; None if there was none."""
    return error.sqlstate if error else None


def run(connection: Connection, statement: str) -> str | None:
    """Return the SQLSTATE a statement is refused with; None if it passes. It is undone."""
    return code(refusal(connection, lambda: connection.execute(statement.encode())))
