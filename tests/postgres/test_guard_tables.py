"""What was written stays written: history, outcomes, errors, calls, slots; SQL as owner."""

from __future__ import annotations

import pytest

from tests.support.plain_sql import (
    code,
    history,
    put_into,
    refusal,
    run,
    state,
    step,
    undone,
    write,
)
from tests.support.sql import (
    Connection,
    claim,
    finish,
    one,
    register,
    register_runner,
    retry,
    start,
)

KEPT = ("invocation", "invocation_outcome", "invocation_error", "invocation_history")


@pytest.fixture
def ended(connection: Connection) -> str:
    """An invocation with a row in each table: tried again once, then ended."""
    register_runner(connection)
    [invocation_id] = register(connection)
    for n in range(2):
        held = claim(connection)
        assert start(connection, held) == {}
        if n:
            assert finish(connection, held) == {}
        else:
            assert retry(connection, held, error='"oops"') == {}
    return invocation_id


def partition_of(connection: Connection, table: str) -> str:
    """Return the partition that holds a table's only rows."""
    return str(one(connection, f"select tableoid::regclass from {table} limit 1"))


@pytest.mark.parametrize("table", KEPT)
@pytest.mark.parametrize("where", ["parent", "partition"])
def test_kept_rows_are_not_changed(
    connection: Connection, ended: str, table: str, where: str
) -> None:
    """UPDATE, DELETE, MERGE and TRUNCATE are refused, on the table and straight on a partition."""
    name = table if where == "parent" else partition_of(connection, table)
    before = one(connection, f"select json_agg(t) from {table} t")
    same = "invocation_id = t.invocation_id"
    for statement in (
        f"update {name} set app_id = 'x'"
        if table != "invocation_error"
        else f"update {name} set rev = 9",
        f"update {name} set invocation_id = invocation_id",
        f"delete from {name}",
        f"delete from {name} where invocation_id = '{ended}'",
        f"merge into {name} t using (select 1) s on true when matched then delete",
        f"merge into {name} t using (select 1) s on true when matched then update set {same}",
        f"update {name} t set {same} from invocation i where i.invocation_id = t.invocation_id",
        f"truncate {name}",
        f"truncate {name} cascade",
    ):
        assert run(connection, statement) == "PN004", statement
    assert one(connection, f"select json_agg(t) from {table} t") == before


@pytest.mark.parametrize("table", ["invocation_state", "slot"])
def test_live_tables_are_not_emptied(connection: Connection, table: str) -> None:
    """TRUNCATE of the hot table and of the slots is refused."""
    put_into(connection, "running", lane="k")
    for statement in (f"truncate {table}", f"truncate {table} cascade", "truncate lane cascade"):
        assert run(connection, statement) == "PN004", statement


@pytest.mark.parametrize("table", KEPT)
def test_partitions_made_later_are_guarded_too(
    connection: Connection, ended: str, table: str
) -> None:
    """A partition that ensure_partitions makes has all the guards of the first ones."""
    first = partition_of(connection, table)
    newest = str(
        one(
            connection,
            "select max(inhrelid::regclass::text) from pg_inherits where inhparent = %s::regclass",
            (table,),
        )
    )
    connection.execute(f"drop table {newest}".encode())
    assert newest in one(connection, "select ensure_partitions()")
    query = """select tgname, tgtype, tgfoid::regproc::text, tgqual is null from pg_trigger
               where tgrelid = %s::regclass order by 1"""
    triggers = connection.execute(query, (newest,)).fetchall()
    assert triggers == connection.execute(query, (first,)).fetchall()
    assert {"guard_change", "guard_truncate"} <= {row[0] for row in triggers}
    assert run(connection, f"truncate {newest}") == "PN004"


@pytest.mark.parametrize("where", ["parent", "partition"])
def test_history_is_not_written_by_hand(connection: Connection, ended: str, where: str) -> None:
    """INSERT, COPY and MERGE into history are refused: rows come from status changes alone."""
    table = "invocation_history"
    name = table if where == "parent" else partition_of(connection, table)
    columns = "invocation_id, app_id, rev, status, changed_by, at"
    values = f"'{ended}', 'test', 99, 'failed', 'me', clock_timestamp()"
    assert run(connection, f"insert into {name} ({columns}) values ({values})") == "PN004"
    assert (
        run(
            connection,
            f"insert into {name} ({columns}) values ({values}) on conflict do nothing",
        )
        == "PN004"
    )
    assert (
        run(
            connection,
            f"merge into {name} t using (select 1) s on false "
            f"when not matched then insert ({columns}) values ({values})",
        )
        == "PN004"
    )

    def copy() -> None:
        at = one(connection, "select clock_timestamp()::text")
        statement = f"copy {name} ({columns}) from stdin"
        with connection.cursor() as cursor, cursor.copy(statement.encode()) as target:
            target.write_row((ended, "test", 99, "failed", "me", at))

    assert code(refusal(connection, copy)) == "PN004"


def outcome_of(invocation_id: str, table: str = "invocation_outcome") -> str:
    """Word an INSERT of an outcome that fits the hot row in everything."""
    return f"""insert into {table} (invocation_id, app_id, status, queue, runner_id, lease, rev,
                   changed_by, retries, recoveries, finished_at)
               select invocation_id, app_id, 'success', queue, runner_id, lease, rev + 1, 'me',
                      retries, recoveries, clock_timestamp()
               from invocation_state where invocation_id = '{invocation_id}'"""


@pytest.mark.parametrize("where", ["parent", "partition"])
def test_an_outcome_goes_with_the_delete(connection: Connection, ended: str, where: str) -> None:
    """An outcome whose hot row stays is refused, also straight into a partition and by COPY."""
    name = (
        "invocation_outcome"
        if where == "parent"
        else partition_of(connection, "invocation_outcome")
    )
    invocation_id, lease, rev = put_into(connection, "running")
    assert run(connection, outcome_of(invocation_id, name)) == "PN006"
    assert run(connection, outcome_of(invocation_id, name) + " on conflict do nothing") == "PN006"
    both = f"with kept as ({outcome_of(invocation_id, name)}) update invocation_state set rank = 1"
    assert run(connection, f"{both}, previous_status = status") == "PN006"

    def copy() -> None:
        at = one(connection, "select clock_timestamp()::text")
        statement = (
            f"copy {name} (invocation_id, app_id, status, queue, lease, rev, changed_by, retries, "
            "recoveries, finished_at) from stdin"
        )
        with connection.cursor() as cursor, cursor.copy(statement.encode()) as target:
            target.write_row(
                (invocation_id, "test", "success", "default", lease, rev + 1, "me", 0, 0, at)
            )

    assert code(refusal(connection, copy)) == "PN006"
    with undone(connection):
        connection.execute(
            f"with gone as (delete from invocation_state where invocation_id = '{invocation_id}') "
            f"{outcome_of(invocation_id, name)}".encode()
        )
        assert history(connection, invocation_id)[-1] == (rev + 1, "success")


def test_a_delete_needs_its_outcome(connection: Connection, ended: str) -> None:
    """A DELETE without outcome is refused, alone, by MERGE, and for the lot if one row lacks it."""
    one_id, *_ = put_into(connection, "running")
    two_id, *_ = put_into(connection, "running")
    assert run(connection, "delete from invocation_state") == "PN006"
    assert (
        run(
            connection,
            "merge into invocation_state s using (select 1) x on true when matched then delete",
        )
        == "PN006"
    )
    half = f"with kept as ({outcome_of(one_id)}) delete from invocation_state"
    refused = refusal(connection, lambda: connection.execute(half.encode()))
    assert code(refused) == "PN006"
    assert two_id in str(refused)
    assert run(connection, f"delete from invocation_state where invocation_id = '{ended}'") is None
    assert run(connection, "delete from invocation_state where false") is None


def test_an_end_cannot_be_given_twice(connection: Connection, ended: str) -> None:
    """A second outcome for the same invocation is refused, whatever its status."""
    assert (
        run(
            connection,
            f"""insert into invocation_outcome
                select invocation_id, app_id, 'failed', null, null, queue, runner_id, lease,
                       rev + 1, 'me', retries, recoveries, clock_timestamp()
                from invocation_outcome where invocation_id = '{ended}'""",
        )
        == "23505"
    )
    assert (
        run(
            connection,
            f"""insert into invocation_outcome
                select * from invocation_outcome where invocation_id = '{ended}'
                on conflict (invocation_id) do update set value = '2'""",
        )
        == "PN004"
    )


def test_tricks_with_the_hot_row_are_refused(connection: Connection) -> None:
    """MERGE, ON CONFLICT DO UPDATE, UPDATE .. FROM and COPY meet the same guard."""
    invocation_id, lease, rev = put_into(connection, "pending")
    for statement, expected in (
        (
            (
                "merge into invocation_state s using (select 1) x on true when matched then "
                "update set status = 'running', previous_status = s.status, rev = s.rev + 1"
            ),
            "PN002",
        ),
        (
            (
                "merge into invocation_state s using (select 1) x on true when matched then "
                "update set status = 'success', previous_status = s.status, rev = s.rev + 1, "
                "runner_id = null"
            ),
            "PN001",
        ),
        (
            """insert into invocation_state (invocation_id, app_id, queue, status, status_at,
                   changed_by, rank)
               select invocation_id, app_id, queue, 'registered', status_at, 'me', 0
               from invocation_state s
               on conflict (invocation_id) do update set status = 'running',
                   previous_status = 'pending', rev = invocation_state.rev + 1""",
            "PN002",
        ),
        (
            (
                "update invocation_state s set status = 'rerouted', previous_status = s.status, "
                "rev = s.rev + 1, runner_id = null from (select 1) x"
            ),
            "PN002",
        ),
        ("update invocation_state set runner_id = 'thief', previous_status = status", "PN002"),
        ("update invocation_state set rev = rev + 1, previous_status = status", "PN003"),
    ):
        assert run(connection, statement) == expected, statement

    def copy() -> None:
        at = one(connection, "select clock_timestamp()::text")
        statement = (
            "copy invocation_state (invocation_id, app_id, queue, status, status_at, changed_by, "
            "rank, runner_id, lease) from stdin"
        )
        with connection.cursor() as cursor, cursor.copy(statement.encode()) as target:
            target.write_row(
                (
                    "01890000-0000-7000-8000-000000000000",
                    "test",
                    "default",
                    "running",
                    at,
                    "me",
                    0,
                    "r",
                    1,
                )
            )

    assert code(refusal(connection, copy)) == "PN005"
    row = state(connection, invocation_id)
    assert (row["status"], row["lease"], row["rev"]) == ("pending", lease, rev)


def test_slots_obey_their_lane(connection: Connection) -> None:
    """No slot beyond the lane's, none for two, none changed, none taken from an owned one."""
    first, *_ = put_into(connection, "running", lane="k")
    second, *_ = put_into(connection, "registered", lane="k")
    lane = state(connection, first)["lane"]
    insert = "insert into slot (lane, n, invocation_id) values ({}, {}, '{}')"
    assert run(connection, insert.format(lane, 2, second)) == "PN007"
    assert run(connection, insert.format(lane, 0, second)) == "23514"
    assert run(connection, insert.format(lane, 1, second)) == "23505"
    assert run(connection, insert.format(lane + 1, 1, second)) == "23503"
    assert run(connection, f"update slot set invocation_id = '{second}'") == "PN007"
    assert run(connection, "update slot set n = n") == "PN007"
    assert run(connection, "delete from slot") == "PN007"
    assert run(connection, "delete from lane") in {"23503", "23001"}
    write(connection, first, step(state(connection, first), "killed"))
    assert connection.execute("delete from slot").rowcount == 1


def test_purge_leaves_nothing_of_the_app_and_all_of_the_others(connection: Connection) -> None:
    """After purge no table has a row of its invocations; another app's rows are as before."""
    for app in ("test", "other"):
        for status in ("registered", "running", "retry", "killed", "success", "failed"):
            put_into(connection, status, app=app)
        put_into(connection, "running", app=app, lane="k")
        register_runner(connection, f"runner-of-{app}", app=app)
        held = claim(connection, f"runner-of-{app}", app=app)
        start(connection, held, f"runner-of-{app}", app=app)
        retry(connection, held, f"runner-of-{app}", app=app, error='"oops"')
        connection.execute("select watch(%s, %s::uuid[], 'l')", (app, [held[0][0]]))
    tables = [*KEPT, "invocation_state", "slot", "lane", "wait_edge"]

    def content(app: str) -> dict[str, list[tuple[object, ...]]]:
        mine = {
            "slot": "lane in (select lane_id from lane where app_id = %s)",
            "invocation_error": "invocation_id in "
            "(select invocation_id from invocation_history where app_id = %s)",
        }
        return {
            table: connection.execute(
                f"select t::text from {table} t where {mine.get(table, 'app_id = %s')} order by 1",
                (app,),
            ).fetchall()
            for table in tables
        }

    other = content("other")
    errors = one(connection, "select count(*) from invocation_error")
    assert all(other.values())
    assert all(content("test").values())
    assert one(connection, "select purge('test')") == 7
    assert not any(content("test").values())
    assert one(connection, "select count(*) from invocation_error") == errors / 2
    assert content("other") == other
    assert one(connection, "select purge('test')") == 0
    assert run(connection, "delete from invocation_history") == "PN004"
    assert run(connection, "delete from invocation_state") == "PN006"


def test_ends_of_many_are_judged_row_by_row(connection: Connection) -> None:
    """One wrong lease among many ends refuses the statement and says whose it was."""
    places = [put_into(connection, "running") for _ in range(5)]
    bad = places[3]

    def attempt() -> None:
        connection.execute(
            """with gone as (delete from pynenc.invocation_state returning *)
               insert into pynenc.invocation_outcome (
                   invocation_id, app_id, status, queue, runner_id, lease, rev, changed_by,
                   retries, recoveries, finished_at)
               select invocation_id, app_id, 'success', queue, runner_id,
                      case when invocation_id = %s then 1 else lease end, rev + 1, 'test',
                      retries, recoveries, clock_timestamp() from gone""",
            (bad.id,),
        )

    error = refusal(connection, attempt)
    assert code(error) == "PN002"
    assert bad.id in str(error)
