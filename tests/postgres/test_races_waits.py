"""Waits that close a circle at the same moment, on real connections."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import psycopg
import pytest

from pynenc_pg.postgres.orchestrator import WATCH
from pynenc_pg.postgres.templates import render
from tests.support.plain_sql import state, status_of
from tests.support.races import PATIENCE, blocked, together, while_held
from tests.support.sql import (
    APP,
    Connection,
    claim,
    connect,
    finish,
    one,
    register,
    register_runner,
    start,
)
from tests.support.wait_sql import pause, resume

Held = tuple[str, int]
Edge = tuple[str, str]
SEED = 20_261_126

#: Whoever is PAUSED and reaches itself over what it needs.
_CIRCLES = """
with recursive needs as (
    select e.waiter_id as id, e.awaited_id as needed
    from wait_edge e join invocation_state s on s.invocation_id = e.waiter_id
    where s.status = 'paused' and e.needed > 0
), reached as (
    select id, needed from needs
    union
    select r.id, n.needed from reached r join needs n on n.id = r.needed
)
select count(*) from reached where id = needed"""


@pytest.fixture
def c(database_dsn: str) -> Iterator[Connection]:
    """Our own session, with one runner registered."""
    with connect(database_dsn) as connection:
        register_runner(connection)
        yield connection


@pytest.fixture
def sides(database_dsn: str) -> Iterator[list[Connection]]:
    """Six sessions, for waits that begin together."""
    with ExitStack() as stack:
        yield [stack.enter_context(connect(database_dsn)) for _ in range(6)]


@pytest.fixture
def other(sides: list[Connection]) -> Connection:
    """One of them, which may hold a transaction open."""
    return sides[0]


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    """Threads for what has to wait."""
    with ThreadPoolExecutor(6) as pool:
        yield pool


def begin(connection: Connection, ids: Sequence[str]) -> list[Held]:
    """Claim and start exactly these, in this order."""
    held = dict(claim(connection))
    assert held.keys() == set(ids)
    assert start(connection, list(held.items())) == {}
    return [(i, held[i]) for i in ids]


def family(connection: Connection, parents: Sequence[int | None]) -> list[Held]:
    """Begin as many as there are places; each is a child of the earlier one at that place."""
    ids: list[str] = []
    for parent in parents:
        ids += register(connection, parent=None if parent is None else ids[parent])
    return begin(connection, ids)


def refused(connection: Connection, waiter: Held, awaited: Held) -> bool:
    """Let one wait for another; whether the database has refused it as one without an end."""
    try:
        assert pause(connection, waiter, [awaited[0]]) == []
    except psycopg.Error as error:
        if error.sqlstate != "PN012":
            raise
        return True
    return False


def closed_together(
    pool: ThreadPoolExecutor, sides: Sequence[Connection], waits: Sequence[tuple[Held, Held]]
) -> list[bool]:
    """Begin all these waits at the same moment, each on its own session; which were refused."""

    def side(connection: Connection, waiter: Held, awaited: Held) -> Callable[[], bool]:
        return lambda: refused(connection, waiter, awaited)

    return together(pool, *[side(s, *w) for s, w in zip(sides, waits, strict=False)])


def edges(connection: Connection) -> set[Edge]:
    """Return who waits for whom."""
    return set(connection.execute("select waiter_id, awaited_id from wait_edge").fetchall())


def lie_down(connection: Connection, held: Sequence[Held]) -> None:
    """End them all, whatever they wait for; nothing is left of them."""
    resume(connection, held)
    assert finish(connection, held) == {}
    assert edges(connection) == set()


def test_two_that_wait_for_each_other_at_once(
    c: Connection, sides: list[Connection], pool: ThreadPoolExecutor
) -> None:
    """In each of 50 rounds exactly one of the two is refused, and the wait of the other stands."""
    for _ in range(50):
        a, b = begin(c, register(c, 2))
        first, second = closed_together(pool, sides, [(a, b), (b, a)])
        assert first != second
        waiter, loser = (b, a) if first else (a, b)
        assert edges(c) == {(waiter[0], loser[0])}
        assert (status_of(c, waiter[0]), status_of(c, loser[0])) == ("paused", "running")
        assert finish(c, [loser], status="failed") == {}
        assert pause(c, waiter, [loser[0]]) == [loser[0]]
        lie_down(c, [waiter])


def test_a_child_waits_for_its_parent_that_begins_to_wait_for_it(
    c: Connection, other: Connection, pool: ThreadPoolExecutor
) -> None:
    """The parent's lock is shared, the child's is not: it comes after it, and is refused."""
    parent, child = family(c, [None, 0])
    assert while_held(
        other, c, pool, lambda: refused(other, parent, child), lambda: refused(c, child, parent)
    )
    assert edges(c) == {(parent[0], child[0])}
    assert (status_of(c, parent[0]), status_of(c, child[0])) == ("paused", "running")


def test_a_child_waits_for_what_leads_to_its_parent(
    c: Connection, other: Connection, pool: ThreadPoolExecutor
) -> None:
    """Also over somebody else: the wait that closes the circle sees the one under way."""
    parent, child, friend = family(c, [None, 0, None])
    assert not refused(c, friend, parent)
    assert while_held(
        other, c, pool, lambda: refused(other, parent, child), lambda: refused(c, child, friend)
    )
    assert edges(c) == {(friend[0], parent[0]), (parent[0], child[0])}
    assert status_of(c, child[0]) == "running"


def test_a_parent_waits_for_its_child_that_begins_to_wait_for_it(
    c: Connection, other: Connection, pool: ThreadPoolExecutor
) -> None:
    """The other way round: what looked like the beginning of a wait is none, once it may look."""
    parent, child = family(c, [None, 0])
    assert while_held(
        other, c, pool, lambda: refused(other, child, parent), lambda: refused(c, parent, child)
    )
    assert edges(c) == {(child[0], parent[0])}
    assert (status_of(c, parent[0]), status_of(c, child[0])) == ("running", "paused")


def test_waits_for_own_children_do_not_wait_for_each_other(
    c: Connection, other: Connection
) -> None:
    """While one is uncommitted, another parent's goes through at once."""
    one_parent, one_child, other_parent, other_child = family(c, [None, 0, None, 2])
    c.execute("set lock_timeout = '5s'")
    with other.transaction():
        assert not refused(other, one_parent, one_child)
        assert not refused(c, other_parent, other_child)
        assert status_of(c, other_parent[0]) == "paused"
        assert status_of(c, one_parent[0]) == "running"
    assert len(edges(c)) == 2


def test_two_that_give_their_shared_lock_back(
    c: Connection, sides: list[Connection], pool: ThreadPoolExecutor
) -> None:
    """Two parents that find, once they may look, that their children wait: one after the other."""
    first, first_child, second, second_child, end = family(c, [None, 0, None, 2, None])
    with c.transaction():
        for child in (first_child, second_child):
            assert not refused(c, child, end)
        answers = [
            pool.submit(refused, sides[0], first, first_child),
            pool.submit(refused, sides[1], second, second_child),
        ]
        blocked(c, sides[0])
        blocked(c, sides[1])
    assert [answer.result(PATIENCE) for answer in answers] == [False, False]
    assert len(edges(c)) == 4
    for held in (first, second, first_child, second_child):
        assert state(c, held[0])["status"] == "paused"
    assert refused(c, end, first)


@pytest.mark.parametrize("of", ["strangers", "a family"])
def test_a_circle_of_three_closed_at_once(
    c: Connection, sides: list[Connection], pool: ThreadPoolExecutor, of: str
) -> None:
    """In each of 30 rounds one is refused, two stand, and there is no circle at any time."""
    parents = [None, None, None] if of == "strangers" else [None, 0, 1]
    for turn in range(30):
        three = family(c, parents)
        waits = [(three[n], three[(n + 1) % 3]) for n in range(3)]
        order = waits[turn % 3 :] + waits[: turn % 3]
        assert sum(closed_together(pool, sides, order)) == 1
        assert one(c, _CIRCLES) == 0
        assert len(edges(c)) == 2
        lie_down(c, three)


def test_any_waits_at_once(
    c: Connection, sides: list[Connection], pool: ThreadPoolExecutor
) -> None:
    """In 60 rounds of six waits at random a wait is refused exactly if it would close a circle."""
    chance = random.Random(SEED)
    closed = 0
    for _ in range(60):
        parents = [None, *(chance.choice([None, *range(n)]) for n in range(1, 6))]
        held = family(c, parents)
        waits = [_some_wait(held, parents, n, chance) for n in range(6)]
        chance.shuffle(waits)
        answers = closed_together(pool, sides, waits)
        stand = edges(c)
        assert one(c, _CIRCLES) == 0
        for (waiter, awaited), was_refused in zip(waits, answers, strict=True):
            assert was_refused == ((waiter[0], awaited[0]) not in stand)
            assert not was_refused or _reaches(stand, awaited[0], waiter[0])
        closed += sum(answers)
        lie_down(c, held)
    assert closed > 60


def _some_wait(
    held: Sequence[Held], parents: Sequence[int | None], n: int, chance: random.Random
) -> tuple[Held, Held]:
    """Return a wait of the one at place n: for a child of its own or, as often, for anybody."""
    children = [held[m] for m, parent in enumerate(parents) if parent == n]
    others = [held[m] for m in range(len(held)) if m != n]
    return held[n], chance.choice(children if children and chance.random() < 0.5 else others)


def _reaches(stand: set[Edge], here: str, goal: str) -> bool:
    """Whether one comes from here to the goal; each waits for one at most."""
    further = dict(stand)
    seen = {here}
    while here != goal:
        if (here := further.get(here, "")) in seen or not here:
            return False
        seen.add(here)
    return True


def test_whoever_asks_for_an_end_does_not_wait_for_the_disk(c: Connection) -> None:
    """What a crash of the server loses of it looks make up for; what comes after is durable."""
    c.execute("set synchronous_commit = on")
    [which] = register(c)
    with c.transaction():
        c.execute(render(WATCH, "pynenc").encode(), (APP, [which], "somebody"))
        assert one(c, "show synchronous_commit") == "off"
    assert one(c, "show synchronous_commit") == "on"
    assert one(c, "select listener from wait_edge where awaited_id = %s", (which,)) == "somebody"
