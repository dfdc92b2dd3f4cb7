"""Partitions are there before they are needed, and go when nothing points at them any more."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from tests.support.plain_sql import status_of
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

BY_WEEK = (
    "invocation",
    "invocation_error",
    "invocation_outcome",
    "payload_ref",
    "workflow",
    "workflow_data",
    "workflow_step",
)
TABLES = (*BY_WEEK, "invocation_history")


@pytest.fixture
def connection(database_dsn: str) -> Iterator[Connection]:
    """A session on a migrated database."""
    with connect(database_dsn) as opened:
        yield opened


def partitions(connection: Connection, table: str) -> list[str]:
    """Return the days on which the partitions of a table begin, oldest first."""
    rows = connection.execute(
        """select right(inhrelid::regclass::text, 8) from pg_inherits
           where inhparent = ('pynenc.' || %s)::regclass order by 1""",
        (table,),
    ).fetchall()
    return [row[0] for row in rows]


def now(connection: Connection) -> datetime:
    """Return the database's time, in UTC."""
    return one(connection, "select clock_timestamp()").astimezone(UTC)  # type: ignore[no-any-return]


def monday(weeks_ago: int, connection: Connection) -> datetime:
    """Return the beginning of a week."""
    found = now(connection) - timedelta(weeks=weeks_ago)
    return (found - timedelta(days=found.weekday())).replace(
        hour=0, minute=0, second=0, microsecond=0
    )


def make(connection: Connection, table: str, begins: datetime) -> str:
    """Make the partition of a time long past; return its name."""
    name = f"{table}_{begins:%Y%m%d}"
    connection.execute("select pynenc.make_partition(%s, %s, %s)", (table, name, begins))
    return name


def make_old_call(connection: Connection, begins: datetime) -> str:
    """Write a call that ended in the week that begins then, as register would have; its id."""
    milliseconds = int((begins + timedelta(days=1)).timestamp() * 1000)
    invocation_id = str(uuid.UUID(int=(milliseconds << 80) | (7 << 76) | (2 << 62) | 1))
    connection.execute(
        """insert into invocation (invocation_id, app_id, task_id, call_id, arguments, options,
               queue, priority, depth, registered_at, registered_by)
           values (%(id)s, %(app)s, 't', 'c', '{}', '{}', 'default', 0, 0, %(at)s, 'test')""",
        {"id": invocation_id, "app": APP, "at": begins},
    )
    return invocation_id


def age_history(connection: Connection, days: int) -> None:
    """Make what has happened as if it had so many days before, which the guard would refuse."""
    for before in (days, days + 1):
        day = now(connection).replace(hour=0, minute=0, second=0, microsecond=0)
        make(connection, "invocation_history", day - timedelta(days=before))
    connection.execute("set session_replication_role = replica")
    connection.execute("update invocation_history set at = at - make_interval(days => %s)", (days,))
    connection.execute("set session_replication_role = origin")


def maintain(connection: Connection) -> list[str]:
    """Run the house-keeping until it has nothing left to drop; return what it did."""
    did: list[str] = []
    while found := one(connection, "select pynenc.maintain(%s)", (APP,)):
        did += found
    return did


def test_a_fresh_schema_has_them_for_two_weeks(connection: Connection) -> None:
    """Right after a migration every row of the next 14 days has its place, and of yesterday."""
    today = now(connection)
    days = partitions(connection, "invocation_history")
    for ahead in range(-1, 15):
        assert f"{today + timedelta(days=ahead):%Y%m%d}" in days
    for table in BY_WEEK:
        begins = [
            datetime.strptime(d, "%Y%m%d").replace(tzinfo=UTC)
            for d in partitions(connection, table)
        ]
        assert begins == [begins[0] + timedelta(weeks=n) for n in range(len(begins))]
        assert begins[0] <= today - timedelta(days=1)
        assert begins[-1] + timedelta(weeks=1) >= today + timedelta(days=14)


def test_maintain_keeps_them_ahead(connection: Connection) -> None:
    """Those that are missing ahead are made, with all their triggers; a second run does nothing."""
    before = {table: partitions(connection, table) for table in TABLES}
    triggers = """select count(*) from pg_trigger t join pg_inherits h on h.inhrelid = t.tgrelid"""
    guarded = one(connection, triggers)
    for table in TABLES:
        for day in before[table][-2:]:
            connection.execute(f"drop table pynenc.{table}_{day}".encode())
    made = maintain(connection)
    assert sorted(made) == sorted(
        f"made {table}_{day}" for table in TABLES for day in before[table][-2:]
    )
    assert {table: partitions(connection, table) for table in TABLES} == before
    assert one(connection, triggers) == guarded
    assert maintain(connection) == []


def test_maintain_drops_what_is_past_retention(connection: Connection) -> None:
    """Finished work goes after 7 days and history after 30, by whole partitions; the rest stays."""
    kept = {table: partitions(connection, table) for table in TABLES}
    for table in BY_WEEK:
        make(connection, table, monday(4, connection))
        make(connection, table, monday(9, connection))
    long_ago = now(connection).replace(hour=0, minute=0, second=0, microsecond=0)
    young = make(connection, "invocation_history", long_ago - timedelta(days=29))
    make(connection, "invocation_history", long_ago - timedelta(days=32))
    make(connection, "invocation_history", long_ago - timedelta(days=90))
    did = maintain(connection)
    assert len(did) == 2 * len(TABLES)
    assert all(line.startswith("dropped ") for line in did)
    kept["invocation_history"].insert(0, young[-8:])
    assert {table: partitions(connection, table) for table in TABLES} == kept


def test_keys_go_with_what_they_point_to(connection: Connection) -> None:
    """An idempotency key is free again when its invocation has gone by retention."""
    for table in BY_WEEK:
        make(connection, table, monday(6, connection))
    old = make_old_call(connection, monday(6, connection))
    connection.execute(
        "insert into call_key (app_id, task_id, key, invocation_id) values (%s, 't', 'k', %s)",
        (APP, old),
    )
    connection.execute(
        """insert into call_key (app_id, task_id, key, invocation_id)
           values (%s, 't', 'young', pynenc.first_id(now()))""",
        (APP,),
    )
    maintain(connection)
    assert one(connection, "select array_agg(key) from call_key") == ["young"]


def test_kept_results_go_with_what_they_point_to(connection: Connection) -> None:
    """What serves equal calls goes with its week, whose drop it does not stand in the way of."""
    for table in BY_WEEK:
        make(connection, table, monday(6, connection))
    old = make_old_call(connection, monday(6, connection))
    connection.execute(
        """insert into call_result (app_id, task_id, call_id, invocation_id)
           values (%(app)s, 't', 'c', %(old)s), (%(app)s, 't', 'c', pynenc.first_id(now()))""",
        {"app": APP, "old": old},
    )
    dropped = maintain(connection)
    assert len(dropped) == len(BY_WEEK)
    assert one(connection, "select count(*) from call_result where invocation_id = %s", (old,)) == 0
    assert one(connection, "select count(*) from call_result") == 1


def test_a_call_that_forgets_results_puts_the_drop_off(
    connection: Connection, database_dsn: str
) -> None:
    """A transaction that has not ended is not waited for: the week goes the next time."""
    for table in BY_WEEK:
        make(connection, table, monday(6, connection))
    old = make_old_call(connection, monday(6, connection))
    connection.execute("insert into call_result values (%s, 't', 'c', %s)", (APP, old))
    with connect(database_dsn) as caller:
        with caller.transaction(force_rollback=True):
            caller.execute("delete from call_result where invocation_id = %s", (old,))
            did = one(connection, "select pynenc.maintain(%s)", (APP,))
            assert f"busy, later: invocation_{monday(6, connection):%Y%m%d}" in did
            assert one(connection, "select count(*) from invocation") == 1
        maintain(connection)
    assert one(connection, "select count(*) from call_result") == 0
    assert one(connection, "select count(*) from invocation") == 0


@pytest.mark.parametrize("pointer", ["live row", "wait"])
def test_what_something_live_points_at_is_not_dropped(connection: Connection, pointer: str) -> None:
    """An old week stays while a live row or a waiter points at a call made in it."""
    begins = monday(6, connection)
    names = [make(connection, table, begins) for table in BY_WEEK]
    free = [make(connection, table, monday(8, connection)) for table in BY_WEEK]
    old = make_old_call(connection, begins)
    point, let_go = {
        "live row": (
            """insert into invocation_state (invocation_id, app_id, queue, status, status_at,
                                             changed_by, rank)
               values (%(id)s, %(app)s, 'default', 'registered', now(), 'test', 0)""",
            "select cancel(%(app)s, %(id)s, 'test')",
        ),
        "wait": (
            "insert into wait_edge (app_id, awaited_id, listener) values (%(app)s, %(id)s, 'ends')",
            "delete from wait_edge where awaited_id = %(id)s",
        ),
    }[pointer]
    connection.execute(point.encode(), {"id": old, "app": APP})
    assert sorted(maintain(connection)) == sorted(f"dropped {name}" for name in free)
    assert one(connection, "select count(*) from invocation where invocation_id = %s", (old,)) == 1
    connection.execute(let_go.encode(), {"id": old, "app": APP})
    if pointer == "live row":  # it has just ended: its own time begins now
        assert maintain(connection) == []
        age_history(connection, days=8)
    assert sorted(maintain(connection)) == sorted(f"dropped {name}" for name in names)
    assert one(connection, "select count(*) from invocation where invocation_id = %s", (old,)) == 0


def test_references_go_with_the_last_of_their_week(
    connection: Connection, database_dsn: str
) -> None:
    """What old calls refer to stays as long as anything of them, and can be collected after."""
    begins = monday(6, connection)
    for table in BY_WEEK:
        make(connection, table, begins)
    old = make_old_call(connection, begins)
    connection.execute(
        """with p as (insert into payload (app_id, sha256, bytes, created_at)
                      values (%s, sha256('x'), 'x', now() - interval '40 days') returning *)
           insert into payload_ref (app_id, sha256, invocation_id)
           select app_id, sha256, %s from p""",
        (APP, old),
    )
    collect = "select removed from pynenc.collect(%s, '', 86400, 100)"
    with connect(database_dsn, autocommit=False) as reader:
        reader.execute(f"select from pynenc.invocation_error_{begins:%Y%m%d}".encode())
        assert f"dropped payload_ref_{begins:%Y%m%d}" not in one(
            connection, "select pynenc.maintain(%s)", (APP,)
        )
        assert one(connection, collect, (APP,)) == 0
        reader.rollback()
    assert f"dropped payload_ref_{begins:%Y%m%d}" in maintain(connection)
    assert one(connection, collect, (APP,)) == 1


def test_a_partition_in_use_is_passed_over(connection: Connection, database_dsn: str) -> None:
    """Where a long read holds a partition, maintain gives up on it soon, and gets it next time."""
    name = make(connection, "invocation_error", monday(6, connection))
    with connect(database_dsn, autocommit=False) as reader:
        reader.execute(f"select from pynenc.{name}".encode())
        assert one(connection, "select pynenc.maintain(%s)", (APP,)) == [f"busy, later: {name}"]
        reader.rollback()
    assert maintain(connection) == [f"dropped {name}"]


def test_register_repairs_what_is_missing(connection: Connection) -> None:
    """After a long standstill without house-keeping the first call makes the partitions itself."""
    before = {table: partitions(connection, table) for table in TABLES}
    for table in TABLES:
        for day in before[table]:
            connection.execute(f"drop table pynenc.{table}_{day}".encode())
    [invocation_id] = register(connection)
    assert status_of(connection, invocation_id) == "registered"
    assert {table: partitions(connection, table) for table in TABLES} == before


def keep(connection: Connection, app: str, finished_days: float, history_days: float) -> list[str]:
    """Run the house-keeping of an app that keeps what it has for so long."""
    periods = (app, finished_days * 86_400, history_days * 86_400)
    did: list[str] = []
    while found := one(connection, "select pynenc.maintain_2(%s, %s, %s)", periods):
        did += found
    return did


def test_the_longest_period_counts(connection: Connection) -> None:
    """Partitions have the work of all apps: whoever keeps longest says when they go."""
    for table in BY_WEEK:
        make(connection, table, monday(4, connection))
    today = now(connection).replace(hour=0, minute=0, second=0, microsecond=0)
    make(connection, "invocation_history", today - timedelta(days=25))
    keep(connection, "archive", 40, 50)
    assert keep(connection, APP, 1, 20) == []
    assert keep(connection, "archive", 2, 30) == [
        f"dropped {table}_{monday(4, connection):%Y%m%d}" for table in BY_WEEK
    ]
    [dropped] = keep(connection, "archive", 2, 20)
    assert dropped.startswith("dropped invocation_history_")


def test_an_app_that_is_gone_holds_nothing_back(connection: Connection) -> None:
    """What it told counts until all that it had is past that, and then no more."""
    for table in BY_WEEK:
        make(connection, table, monday(4, connection))
    keep(connection, "gone", 40, 50)
    assert maintain(connection) == []
    connection.execute("update retention set told_at = now() - interval '51 days'")
    assert len(maintain(connection)) == len(BY_WEEK)


def test_the_calls_of_what_runs_stay(connection: Connection) -> None:
    """A week stays while the caller of one made in it runs: it may ask for the result."""
    begins = monday(6, connection)
    names = [make(connection, table, begins) for table in BY_WEEK]
    old = make_old_call(connection, begins)
    register_runner(connection)
    [caller] = register(connection)
    held = claim(connection)
    assert start(connection, held) == {}
    connection.execute("set session_replication_role = replica")
    connection.execute(
        "update invocation set parent_id = %s where invocation_id = %s", (caller, old)
    )
    connection.execute("set session_replication_role = origin")
    assert maintain(connection) == []
    assert finish(connection, held) == {}
    assert sorted(maintain(connection)) == sorted(f"dropped {name}" for name in names)
