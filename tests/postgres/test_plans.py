"""The plans of the hot verbs: which indexes they read, and that a full table costs no more.

A queue's tables start empty and change faster than statistics follow, so the same plans are asked
for without statistics, with old ones, with fresh ones, and in a session that made its plans while
the tables were small. What is counted is rows and pages, never time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Final

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict

from tests.support.filled import (
    FEW,
    Sample,
    empty_out,
    fill,
    forget_statistics,
    migrate,
    sample,
    server_of_version,
)
from tests.support.plan_cases import CASES
from tests.support.plans import Watched, watched
from tests.support.sql import (
    APP,
    RUNNER,
    Connection,
    connect,
    finish,
    one,
    register,
    start,
    temporary_database,
)

pytestmark = pytest.mark.timeout(600)

SMALL: Final = 10
LARGE: Final = 4_000
LONG: Final = (10_000, 100_000, 1_000_000)
#: How far the tables grow under a session that keeps its plans.
KEPT: Final = 2_000
Claimed = tuple[str, int, float]


@dataclass(frozen=True, slots=True)
class Place:
    """A session in a filled database, and some of what stands there."""

    connection: Connection
    sample: Sample

    def plans(self, name: str) -> Watched:
        """Run a verb, undo it, and answer its plans: of a second run, when all is in caches."""
        case = CASES[name]
        for _ in range(2):
            with self.connection.transaction(force_rollback=True):
                held = case.prepare(self.connection, self.sample)
                with watched(self.connection) as seen:
                    case.act(self.connection, self.sample, held)
        return seen


# For the session, so that pytest runs all tests of one server before those of the other.
@pytest.fixture(scope="session", params=["usual", pytest.param("15", marks=pytest.mark.long)])
def server(request: pytest.FixtureRequest, server_dsn: str) -> Iterator[str]:
    """The server of all tests, and one of the oldest version."""
    with ExitStack() as stack:
        usual = request.param == "usual"
        dsn = server_dsn if usual else stack.enter_context(server_of_version(int(request.param)))
        with connect(dsn) as connection:
            try:
                connection.execute("load 'auto_explain'")
            except (psycopg.errors.UndefinedFile, psycopg.errors.InsufficientPrivilege) as error:
                pytest.skip(f"plans cannot be seen here: {error}")
        yield dsn


Copy = Callable[..., str]


@pytest.fixture(scope="module")
def copy(server: str) -> Iterator[Copy]:
    """Make a database for this module: empty, or a copy of another."""
    with ExitStack() as stack:

        def make(of: str | None = None) -> str:
            template = "template1" if of is None else str(conninfo_to_dict(of)["dbname"])
            return stack.enter_context(temporary_database(server, template))

        yield make


@pytest.fixture(scope="module")
def empty(copy: Copy) -> str:
    """A migrated database with nothing in it, to be copied."""
    dsn = copy()
    migrate(dsn)
    return dsn


@pytest.fixture(scope="module")
def small(empty: str, copy: Copy) -> dict[str, str]:
    """A database with few rows, by what is known about it."""
    none, stale = copy(empty), copy(empty)
    analyze(stale)
    fill(none, SMALL)
    fill(stale, SMALL)
    fresh = copy(none)
    analyze(fresh)
    return {"none": none, "stale": stale, "fresh": fresh, "emptied": copy(fresh)}


@pytest.fixture(
    scope="session",
    params=[
        LARGE,
        *(pytest.param(n, marks=[pytest.mark.long, pytest.mark.timeout(3600)]) for n in LONG),
    ],
)
def size(request: pytest.FixtureRequest) -> int:
    """How many rows are many."""
    return int(request.param)


@pytest.fixture(scope="module")
def large(size: int, small: dict[str, str], copy: Copy) -> dict[str, str]:
    """A database with many rows, by what is known about it."""
    stale = copy(small["fresh"])
    fill(stale, size)
    none, fresh = copy(stale), copy(stale)
    forget_statistics(none)
    analyze(fresh)
    # Analysed at a moment when nothing was left: no row is expected, on however many pages.
    emptied = copy(none)
    empty_out(emptied)
    fill(emptied, SMALL)
    fill(emptied, size)
    return {"none": none, "stale": stale, "fresh": fresh, "emptied": emptied}


Places = dict[str, Place]


def places(databases: dict[str, str]) -> Iterator[Places]:
    """Open a session in each."""
    with ExitStack() as stack:
        opened = {known: stack.enter_context(connect(dsn)) for known, dsn in databases.items()}
        yield {known: Place(session, sample(session)) for known, session in opened.items()}


@pytest.fixture(scope="module")
def few(small: dict[str, str], large: dict[str, str], kept: Place) -> Iterator[Places]:
    """Sessions where there are few rows; opened last, as nobody may be in what is copied."""
    yield from places(small)


@pytest.fixture(scope="module")
def many(large: dict[str, str]) -> Iterator[Places]:
    """Sessions where there are many."""
    yield from places(large)


@pytest.fixture(scope="module")
def kept(small: dict[str, str], copy: Copy) -> Iterator[Place]:
    """A session that made its plans before the tables grew under it."""
    dsn = copy(small["fresh"])
    with connect(dsn) as connection:
        before = Place(connection, sample(connection))
        for name in CASES:
            before.plans(name)
        fill(dsn, KEPT)
        yield Place(connection, sample(connection))


def analyze(dsn: str) -> None:
    """Make the statistics of everything."""
    with connect(dsn) as connection:
        connection.execute("analyze")


def misread(name: str, seen: Watched) -> str:
    """Tell which functions read other indexes than they are meant to; empty if none does."""
    reads, meant = seen.indexes(), CASES[name].indexes()
    return "".join(
        f"{function} reads {reads.get(function)}, meant {meant.get(function)}\n"
        for function in sorted({*reads, *meant})
        if reads.get(function) != meant.get(function)
    )


def grown(few: Watched, many: Watched) -> str:
    """Tell what grew with the table; empty if nothing did."""
    low, high = sorted([few.rows, many.rows])
    told = f"{few.rows:.0f} rows, then {many.rows:.0f}\n" if high > 2 * low + 4 * FEW else ""
    # Trees are a level or two deeper, and hold entries that nobody has vacuumed away.
    if many.buffers > 4 * few.buffers + 10 * FEW:
        told += f"{few.buffers} pages, then {many.buffers}\n"
    return told


@pytest.mark.parametrize("name", CASES)
def test_verb(few: Places, many: Places, kept: Place, name: str) -> None:
    """A verb reads the indexes made for it, as many rows of a full table as of a small one."""
    wrong = {}
    for statistics, place in few.items():
        low, high = place.plans(name), many[statistics].plans(name)
        wrong[f"{statistics}, few rows"] = misread(name, low)
        wrong[f"{statistics}, many rows"] = misread(name, high) + grown(low, high)
    then, now = few["fresh"].plans(name), kept.plans(name)
    wrong["plans from before it grew"] = misread(name, now) + grown(then, now)
    assert not any(wrong.values()), "\n".join(f"{k}: {v}" for k, v in wrong.items() if v)


def test_jit(many: Places) -> None:
    """No function has its plans compiled, however eager the session is."""
    place = many["fresh"]
    place.connection.execute(
        "set jit = on; set jit_above_cost = 0; set jit_inline_above_cost = -1;"
        "set jit_optimize_above_cost = -1"
    )
    try:
        for name in CASES:
            compiled = [p for p in place.plans(name).plans if p.compiled and p.function]
            assert not compiled, str(compiled[0])
    finally:
        place.connection.execute("set jit = off")


@pytest.mark.parametrize("name", ["claim", "start", "finish", "register_bulk", "emit", "cancel"])
def test_watches(many: Places, name: str) -> None:
    """Five hundred triggers on something else: each change of a status looks for its own alone."""
    for statistics, place in many.items():
        looks = [s for plan in place.plans(name).plans for s in plan.scans]
        read = sum(look.rows for look in looks if look.table == "trigger_watch")
        assert read <= 4 * FEW, f"{statistics}: {read} rows"


def test_maintain(few: Places) -> None:
    """Idle lanes are removed without reading all that is live, once a lane."""
    connection = few["none"].connection
    with connection.transaction(force_rollback=True):
        connection.execute(
            "insert into lane (app_id, queue, key, slots) values (%s, 'laned', 'idle', 1)", (APP,)
        )
        with watched(connection) as seen:
            assert "removed" in str(one(connection, "select maintain(%s)", (APP,)))
    whole = [str(plan) for plan in seen.plans if any(s.grows and not s.index for s in plan.scans)]
    assert not whole, "\n".join(whole)


def look(connection: Connection, queue: str, floor: float | None = None) -> int:
    """Claim, undo it, and answer how many pages the look for work without a key touched."""
    with connection.transaction(force_rollback=True), watched(connection) as seen:
        claim_above(connection, queue, floor)
    looks = [p for p in seen.plans if any(s.index == "state_ready_idx" for s in p.scans)]
    return sum(plan.buffers for plan in looks)


def claim_above(connection: Connection, queue: str, floor: float | None) -> list[Claimed]:
    """Claim a few from a rank on; answers (id, lease, rank)."""
    floors = ([], []) if floor is None else ([queue], [floor])
    return connection.execute(
        """select invocation_id, lease, rank
           from claim(%s, %s, %s::text[], %s, false, %s::text[], %s::float8[])""",
        (APP, RUNNER, [queue], 10 * FEW, *floors),
    ).fetchall()


def test_dead_rows(many: Places, size: int) -> None:
    """A claim behind as many dead rows steps over them by the page, fifty to one at least."""
    connection = many["fresh"].connection
    look(connection, "ended")
    assert look(connection, "ended") <= size // 50


def test_old_snapshot(empty: str, copy: Copy) -> None:
    """While an old snapshot keeps all dead rows, a claim from where the last one ended is cheap."""
    dsn = copy(empty)
    with connect(dsn) as connection, connect(dsn, autocommit=False) as holder:
        for _ in range(60):
            register(connection, 10 * FEW)
        holder.execute("set transaction isolation level repeatable read")
        assert one(holder, "select count(*) from invocation_state") == 600 * FEW
        before, floor = look(connection, "default"), None
        for _ in range(50):
            claimed = claim_above(connection, "default", floor)
            held = [(invocation_id, lease) for invocation_id, lease, _ in claimed]
            assert start(connection, held) == finish(connection, held) == {}
            floor = max(rank for *_, rank in claimed)
        assert look(connection, "default", floor) <= 2 * before
