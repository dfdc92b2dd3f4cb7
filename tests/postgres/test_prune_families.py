"""Prune looks at each of a family once, however it is shaped, and goes past what is not its own."""

from __future__ import annotations

import pytest

from tests.support.kept import age, keep, prune
from tests.support.plans import watched
from tests.support.sql import Connection, claim, finish, one, register, register_runner, start

MANY = 300
#: Rows that each one may have prune look at, in all tables and indexes.
EACH = 40


def family(connection: Connection, shape: str) -> list[str]:
    """Run a call and all that it has called, in a chain or a fan, to their ends, an hour ago."""
    register_runner(connection)
    ids = register(connection)
    while len(ids) < MANY:
        if shape == "fan":
            ids += register(connection, MANY - 1, parent=ids[0])
        else:
            ids += register(connection, parent=ids[-1])
    held = claim(connection, limit=MANY)
    assert start(connection, held) == finish(connection, held) == {}
    age(connection)
    return ids


@pytest.mark.parametrize("shape", ["chain", "fan"])
def test_each_is_looked_at_once(connection: Connection, shape: str) -> None:
    """The links of a chain do not each go down to its end."""
    family(connection, shape)
    keep(connection)
    with watched(connection) as seen:
        assert prune(connection) == MANY
    assert seen.rows < EACH * MANY
    assert one(connection, "select count(*) from invocation_history") == 0


def test_what_is_live_far_below_holds_all_above(connection: Connection) -> None:
    """Of a chain none goes while its last link is live, of what hangs beside it all do."""
    ids = family(connection, "chain")
    beside = register(connection, 3, parent=ids[MANY // 2])
    held = claim(connection)
    assert start(connection, held) == finish(connection, held) == {}
    age(connection)
    [last] = register(connection, parent=ids[-1])
    keep(connection)
    assert prune(connection) == len(beside)
    connection.execute("select cancel('test', %s, 'somebody')", (last,))
    assert prune(connection) == MANY


def test_the_ends_of_others_are_passed_over(connection: Connection) -> None:
    """A step goes past many that are another app's, or too young, and says where it stopped."""
    register_runner(connection)
    register_runner(connection, "theirs", app="other")
    register(connection, 150, app="other")
    held = claim(connection, "theirs", 150, app="other")
    start(connection, held, "theirs", app="other")
    finish(connection, held, "theirs", app="other")
    age(connection)
    [mine] = register(connection)
    held = claim(connection)
    assert start(connection, held) == finish(connection, held) == {}
    keep(connection)
    step = "select removed, next_after::text from prune('test', %s::uuid, 5)"
    [(removed, after)] = connection.execute(step, ("0" * 32,)).fetchall()
    assert removed == 0
    assert after is not None
    [(removed, end)] = connection.execute(step, (after,)).fetchall()
    assert (removed, end) == (0, None)
    age(connection)
    [(removed, end)] = connection.execute(step, (after,)).fetchall()
    assert (removed, end) == (1, None)
    assert one(connection, "select count(*) from invocation where invocation_id = %s", (mine,)) == 0
