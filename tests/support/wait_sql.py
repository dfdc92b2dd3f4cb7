"""The verbs of who waits for an end, over a bare psycopg connection."""

from __future__ import annotations

from collections.abc import Sequence

from tests.support.sql import APP, RUNNER, Connection, one


def watch(
    connection: Connection, ids: Sequence[str], listener: str = "ends", *, app: str = APP
) -> list[str]:
    """Ask to be told; answers those that are not live."""
    return list(
        one(connection, "select pynenc.watch(%s, %s::uuid[], %s)", (app, list(ids), listener))
    )


def pause(
    connection: Connection,
    held: tuple[str, int],
    awaited: Sequence[str],
    runner: str = RUNNER,
    *,
    app: str = APP,
    any_of: bool = False,
    listener: str = "ear",
) -> list[str]:
    """Let one wait for others; answers those that have ended."""
    rows = connection.execute(
        "select invocation_id from pynenc.pause(%s, %s, %s::uuid, %s, %s::uuid[], %s, %s)",
        (app, runner, *held, list(awaited), any_of, listener),
    ).fetchall()
    return [row[0] for row in rows]


def resume(
    connection: Connection,
    held: Sequence[tuple[str, int]],
    runner: str = RUNNER,
    *,
    app: str = APP,
    forget: Sequence[str] = (),
) -> dict[str, str]:
    """Let these go on; answers only what was not done."""
    return dict(
        connection.execute(
            "select * from pynenc.resume(%s, %s, %s::uuid[], %s::bigint[], %s::uuid[])",
            (app, runner, [i for i, _ in held], [lease for _, lease in held], list(forget)),
        ).fetchall()
    )
