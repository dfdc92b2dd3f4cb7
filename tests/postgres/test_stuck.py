"""Views of trouble: what stands where nothing should, who is in whose way, what stood then."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Final

import pytest

from tests.postgres.test_broken import some_of_each
from tests.support.plain_sql import undone
from tests.support.sql import (
    APP,
    Connection,
    claim,
    connect,
    finish,
    one,
    register,
    start,
    temporary_database,
)

_OLD: Final = "update pynenc.invocation_state set status_at = status_at - interval '1 hour'"
#: What is made older or taken away: which of them is stuck then, and why.
CASES: Final = {
    "runner dead": (
        f"""{_OLD} where invocation_id = :keyed;
            update pynenc.runner set dead_at = now() where runner_id = 'runner-1'""",
        {("keyed", "its runner is gone")},
    ),
    "runner unknown": (
        f"{_OLD}, runner_id = 'nobody' where invocation_id = :keyed",
        {("keyed", "its runner is gone")},
    ),
    "not begun": (
        f"{_OLD}, status = 'pending' where invocation_id = :keyed",
        {("keyed", "claimed, and not begun")},
    ),
    "long runs are not stuck": (f"{_OLD} where runner_id is not null", set[tuple[str, str]]()),
    "was due": (
        """update pynenc.invocation_state set due_at = now() - interval '1 hour'
           where invocation_id = :later""",
        {("later", "due, and nobody has made it ready")},
    ),
    "nobody serves": (
        f"""{_OLD}, rank = rank - 3600 where invocation_id = :ready;
            update pynenc.runner set queues = '{{mail}}'""",
        {("ready", "no live runner serves its queue")},
    ),
    "set aside": (
        """insert into pynenc.aside (invocation_id, app_id, task_id, queue, names, cause, missing,
                                     unknown, refused_by, refusals, since)
           select invocation_id, app_id, 'gone', 'default', '{}', 'unknown_task', '{}', '{}', '{a}',
                  1, now() - interval '1 hour'
           from pynenc.invocation_state where invocation_id = :later""",
        {("later", "no runner that met it can take it")},
    ),
    "a paused queue is not stuck": (
        f"""{_OLD}, rank = rank - 3600 where available and due_at is null;
            update pynenc.runner set queues = '{{mail}}'; update pynenc.queue set paused = true""",
        set[tuple[str, str]](),
    ),
}


@pytest.fixture(scope="module")
def filled(server_dsn: str, template: str) -> Iterator[tuple[Connection, dict[str, str]]]:
    """A database with some of each, in order."""
    with temporary_database(server_dsn, template) as dsn, connect(dsn) as connection:
        yield connection, some_of_each(connection)


@pytest.mark.parametrize("case", CASES)
def test_what_is_stuck(filled: tuple[Connection, dict[str, str]], case: str) -> None:
    """After a minute, with its reason; and nothing else."""
    c, ids = filled
    statements, expected = CASES[case]
    for name, which in ids.items():
        statements = statements.replace(f":{name}", f"'{which}'")
    names = {which: name for name, which in ids.items()}
    assert one(c, "select count(*) from pynenc.stuck") == 0
    with undone(c):
        c.execute("set local session_replication_role = replica")
        c.execute(statements.encode())
        rows = c.execute(
            "select invocation_id::text, why, since < now() - interval '1 minute' from pynenc.stuck"
        ).fetchall()
    assert {(names.get(which, which), why) for which, why, _ in rows} == expected
    assert all(old for *_, old in rows)


def test_who_is_in_the_way(filled: tuple[Connection, dict[str, str]]) -> None:
    """A parent of its child, and what is parked of who has the key."""
    c, ids = filled
    rows = c.execute(
        "select invocation_id::text, blocked_by::text, waits_for, key from pynenc.blocked_by"
    ).fetchall()
    [awaited] = [row[1] for row in rows if row[0] == ids["parent"]]
    assert sorted(rows) == sorted(
        [
            (ids["parent"], awaited, "result", None),
            (ids["parked"], ids["keyed"], "concurrency key", "k"),
        ]
    )


def test_what_stood_then(c: Connection) -> None:
    """Each moment of a life, by the history; nothing of what was not called yet, or had ended."""
    moments: list[datetime] = [one(c, "select clock_timestamp()")]
    [which] = register(c)
    moments.append(one(c, "select clock_timestamp()"))
    held = claim(c)
    start(c, held)
    moments.append(one(c, "select clock_timestamp()"))
    finish(c, held)
    moments.append(one(c, "select clock_timestamp()"))
    seen = []
    for moment in moments:
        query = "select invocation_id::text, status, runner_id, since from pynenc.state_at(%s, %s)"
        rows = c.execute(query, (APP, moment)).fetchall()
        assert all(row[0] == which and row[3] <= moment for row in rows)
        seen.append([row[1:3] for row in rows])
    assert seen == [[], [("registered", None)], [("running", "runner-1")], []]
    earlier = moments[0] - timedelta(days=1)
    assert c.execute("select * from pynenc.state_at('other', %s)", (earlier,)).fetchall() == []


def test_observers_may_look(c: Connection) -> None:
    """At all three."""
    with c.transaction(force_rollback=True):
        c.execute("set local role pynenc_observer")
        for query in (
            "select count(*) from pynenc.stuck",
            "select count(*) from pynenc.blocked_by",
            "select count(*) from pynenc.state_at('any', now())",
        ):
            assert one(c, query) == 0
