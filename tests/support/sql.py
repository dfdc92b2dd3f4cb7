"""A bare psycopg connection and the verbs over it, for the tests of the SQL itself."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final

import psycopg
from psycopg import sql
from psycopg.conninfo import make_conninfo

from pynenc_pg.domain.ids import new_invocation_id

Connection = psycopg.Connection[tuple[Any, ...]]

APP: Final = "test"
RUNNER: Final = "runner-1"


def connect(dsn: str, *, autocommit: bool = True, **arguments: Any) -> Connection:
    """Open a session whose search path begins with the schema."""
    connection = psycopg.connect(dsn, autocommit=True, **arguments)
    connection.adapters.register_loader("uuid", psycopg.types.string.TextLoader)
    # Compiling the plan of a small look by hand takes longer than the look.
    connection.execute("set search_path = pynenc, public; set jit = off")
    connection.autocommit = autocommit
    return connection


@contextmanager
def temporary_database(server_dsn: str, template: str = "template1") -> Iterator[str]:
    """Make a database for a whole module, copied from a template, and drop it after."""
    name = f"test_{uuid.uuid4().hex[:16]}"
    with psycopg.connect(server_dsn, autocommit=True) as admin:
        admin.execute(
            sql.SQL("create database {} template {} strategy wal_log").format(
                sql.Identifier(name), sql.Identifier(template)
            )
        )
        try:
            yield make_conninfo(server_dsn, dbname=name)
        finally:
            admin.execute(
                sql.SQL("drop database if exists {} with (force)").format(sql.Identifier(name))
            )


def one(connection: Connection, query: str, parameters: Sequence[object] = ()) -> Any:
    """Return the single value of a query."""
    row = connection.execute(query, parameters or None).fetchone()
    assert row is not None
    return row[0]


# --- verbs ----------------------------------------------------------------------------------------


def register(
    connection: Connection,
    n: int = 1,
    *,
    app: str = APP,
    queue: str = "default",
    delay: float | None = None,
    expires_in: float | None = None,
    slots: int | None = None,
    must_not_wait: bool = False,
    own_connection: bool = True,
    ids: Sequence[str] | None = None,
    keys: Sequence[str | None] | None = None,
    lanes: Sequence[str | None] | None = None,
    refuse_different: bool = False,
    parent: str | None = None,
    rate: tuple[int, float] | None = None,
    once: str | None = None,
    calls: Sequence[str] | None = None,
    ttl: float | None = None,
    arguments: str = "{}",
) -> list[str]:
    """Register n calls, or one ``once`` under that idempotency key; what each became.

    ``lanes`` need ``slots``; ``calls`` may become equal ones that succeeded within ``ttl`` seconds.
    """
    ids = ids or [new_invocation_id() for _ in range(n)]
    verb = "pynenc.register_2(" if once is None else "pynenc.register_once(%s, "
    if calls is not None:
        verb = "pynenc.register_cached(%s, %s, "
    row = connection.execute(
        f"""select {verb}%s, 'tests.task', %s, 0, %s, %s, %s, %s, %s::uuid, 0, '{{}}',
                                    'test', %s, %s::uuid[], %s, %s, %s::text[], %s::text[], %s,
                                    60, %s, %s)""",
        (
            *(() if once is None and calls is None else (once,)),
            *(() if calls is None else (ttl,)),
            app,
            queue,
            delay,
            expires_in,
            slots,
            must_not_wait,
            parent,
            own_connection,
            list(ids),
            [f"call-{i}" for i in ids] if calls is None else list(calls),
            [arguments] * len(ids),
            keys and list(keys),
            lanes and list(lanes),
            refuse_different,
            *(rate or (None, None)),
        ),
        prepare=False,
    ).fetchone()
    assert row is not None
    return list(row[0])


def register_runner(
    connection: Connection,
    runner: str = RUNNER,
    *,
    app: str = APP,
    lease: float = 3600,
    lock: bool = False,
) -> str:
    """Announce a runner; with ``lock`` this session is its life."""
    connection.execute(
        "select pynenc.register_runner(%s, %s, 'Test', 'host', 1, '{}', 1, %s, %s)",
        (app, runner, lease, lock),
    )
    return runner


def claim(
    connection: Connection,
    runner: str = RUNNER,
    limit: int = 100,
    *,
    app: str = APP,
    queues: Sequence[str] = (),
    idle: bool = False,
) -> list[tuple[str, int]]:
    """Claim; answers (id, lease) in the order given out."""
    return connection.execute(
        "select invocation_id, lease from pynenc.claim(%s, %s, %s::text[], %s, %s)",
        (app, runner, list(queues), limit, idle),
    ).fetchall()


def start(
    connection: Connection,
    held: Sequence[tuple[str, int]],
    runner: str = RUNNER,
    *,
    app: str = APP,
) -> dict[str, str]:
    """Begin; answers only what was not done."""
    return _answers(connection, "start", app, runner, held)


def release(
    connection: Connection,
    held: Sequence[tuple[str, int]],
    runner: str = RUNNER,
    *,
    app: str = APP,
) -> dict[str, str]:
    """Give back; answers only what was not done."""
    return _answers(connection, "release", app, runner, held)


def crash(
    connection: Connection,
    held: Sequence[tuple[str, int]],
    runner: str = RUNNER,
    *,
    app: str = APP,
    max_recoveries: int = 3,
) -> dict[str, str]:
    """Give back what a process died of; answers only what was not done."""
    ids, leases = zip(*held, strict=True)
    query = "select * from pynenc.crash(%s, %s, %s::uuid[], %s::bigint[], %s)"
    parameters = (app, runner, list(ids), list(leases), max_recoveries)
    return {str(i): a for i, a in connection.execute(query, parameters).fetchall()}


def _answers(
    connection: Connection, verb: str, app: str, runner: str, held: Sequence[tuple[str, int]]
) -> dict[str, str]:
    query = sql.SQL("select * from pynenc.{}(%s, %s, %s::uuid[], %s::bigint[])").format(
        sql.Identifier(verb)
    )
    parameters = (app, runner, [i for i, _ in held], [lease for _, lease in held])
    return dict(connection.execute(query, parameters).fetchall())


def finish(
    connection: Connection,
    held: Sequence[tuple[str, int]],
    runner: str = RUNNER,
    *,
    app: str = APP,
    status: str = "success",
    value: str | None = "1",
) -> dict[str, str]:
    """End all alike; answers only what was not done."""
    n = len(held)
    return dict(
        connection.execute(
            "select * from pynenc.finish(%s, %s, %s::uuid[], %s::bigint[], %s, %s, %s::text[])",
            (
                app,
                runner,
                [i for i, _ in held],
                [lease for _, lease in held],
                [status] * n,
                [value] * n,
                [None] * n,
            ),
        ).fetchall()
    )


def retry(
    connection: Connection,
    held: Sequence[tuple[str, int]],
    runner: str = RUNNER,
    *,
    app: str = APP,
    reason: str = "error",
    delay: float = 0,
    error: str | None = None,
) -> dict[str, str]:
    """End the attempts; answers only what was not done."""
    n = len(held)
    return dict(
        connection.execute(
            """select * from pynenc.retry(%s, %s, %s::uuid[], %s::bigint[], %s, %s::float8[],
                                          %s::text[])""",
            (
                app,
                runner,
                [i for i, _ in held],
                [lease for _, lease in held],
                [reason] * n,
                [float(delay)] * n,
                [error] * n,
            ),
        ).fetchall()
    )


def recover(
    connection: Connection,
    *,
    app: str = APP,
    grace: float = 1.0,
    max_pending: float | None = 3600,
    max_recoveries: int = 3,
    limit: int = 500,
) -> tuple[int, int, list[str], float | None]:
    """Recover; answers (rerouted, quarantined, dead, next look)."""
    row = connection.execute(
        "select * from pynenc.recover(%s, %s, %s, %s, %s)",
        (app, grace, max_pending, max_recoveries, limit),
    ).fetchone()
    assert row is not None
    return row[0], row[1], row[2], None if row[3] is None else float(row[3])


def heartbeat(
    connection: Connection, runner: str = RUNNER, *, app: str = APP, lock: bool = False
) -> tuple[bool, int, bool]:
    """Renew the lease; answers (alive, position, others)."""
    row = connection.execute(
        "select * from pynenc.heartbeat(%s, %s, %s)", (app, runner, lock)
    ).fetchone()
    assert row is not None
    return row[0], row[1], row[2]


def cancel(connection: Connection, invocation_id: str, *, app: str = APP) -> str:
    """Cancel; answers cancelled | requested | final | unknown."""
    return str(one(connection, "select pynenc.cancel(%s, %s::uuid, 'test')", (app, invocation_id)))


def set_aside(
    connection: Connection, held: Sequence[tuple[str, int]], runner: str = RUNNER, app: str = APP
) -> dict[str, str]:
    """Say of these that the runner's code knows no such task; return what was not done."""
    said = '{"cause": "unknown_task", "missing": [], "unknown": []}'
    rows = connection.execute(
        "select * from set_aside(%s, %s, %s::uuid[], %s::bigint[], %s::text[])",
        (app, runner, [i for i, _ in held], [n for _, n in held], [said] * len(held)),
    )
    return {str(row[0]): row[1] for row in rows}


def register_tasks(
    connection: Connection, *tasks: str, runner: str = RUNNER, app: str = APP, kind: str = "named"
) -> int:
    """Tell that a runner knows these, each with one parameter; return how many calls it freed."""
    options = {
        "queue": "default", "priority": 0, "ageing": 60, "slots": 1, "must_not_wait": False,
        "counts": None,
    }  # fmt: skip
    parameters = [{"name": "x", "kind": kind, "required": kind == "named"}]
    told = [
        {"task_id": task, "fingerprint": kind, "parameters": parameters, "options": options}
        for task in tasks
    ]
    return int(
        one(connection, "select register_tasks(%s, %s, %s)", (app, runner, json.dumps(told)))
    )
