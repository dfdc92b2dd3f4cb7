"""The state machine, asked of the database: every pair of statuses by plain SQL as the owner."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest

from pynenc_pg.domain.ids import new_invocation_id
from pynenc_pg.invocation.status import TRANSITIONS, InvocationStatus
from tests.support.pairs import LEGAL, REASONS, a_reason, legal, refused
from tests.support.plain_sql import (
    end,
    history,
    put_into,
    refusal,
    state,
    step,
    write,
)
from tests.support.sql import APP, Connection, register
from tests.support.states import FINAL, LIVE, OWNED, STATUSES


@pytest.mark.parametrize("before", LIVE)
def test_with_the_right_proof_exactly_the_legal_updates_pass(
    connection: Connection, before: str
) -> None:
    """An UPDATE to a live status passes if and only if pair and reason stand in the table."""
    invocation_id, _, rev = put_into(connection, before)
    row = state(connection, invocation_id)
    for after in LIVE:
        for reason in REASONS:

            def attempt(after: str = after, reason: str | None = reason) -> None:
                write(connection, invocation_id, step(row, after, reason))
                assert history(connection, invocation_id)[-1] == (rev + 1, after)

            error = refusal(connection, attempt)
            if legal(before, after, reason):
                assert error is None, f"{before} -> {after} ({reason}): {error}"
            else:
                refused(
                    error, before, after, *(("PN002", "PN003") if before == after else ("PN001",))
                )


@pytest.mark.parametrize("before", LIVE)
def test_an_update_to_a_final_status_never_passes(connection: Connection, before: str) -> None:
    """No reason and no proof lets a final status stand in the hot table."""
    invocation_id, *_ = put_into(connection, before)
    row = state(connection, invocation_id)
    for after in FINAL:
        for reason in REASONS:
            error = refusal(
                connection,
                lambda a=after, r=reason: write(connection, invocation_id, step(row, a, r)),
            )
            code = "PN006" if legal(before, after, reason) else "PN001"
            refused(error, before, after, code)


@pytest.mark.parametrize("before", LIVE)
def test_exactly_the_legal_ends_pass(connection: Connection, before: str) -> None:
    """Outcome plus DELETE passes if and only if pair and reason stand in the table."""
    invocation_id, _, rev = put_into(connection, before)
    for after in FINAL:
        for reason in REASONS:

            def attempt(after: str = after, reason: str | None = reason) -> None:
                assert end(connection, invocation_id, after, reason) == 1
                assert history(connection, invocation_id)[-1] == (rev + 1, after)

            error = refusal(connection, attempt)
            if legal(before, after, reason):
                assert error is None, f"{before} -> {after} ({reason}): {error}"
            else:
                refused(error, before, after, "PN001")


@pytest.mark.parametrize("before", LIVE)
def test_an_outcome_can_only_be_final(connection: Connection, before: str) -> None:
    """Outcome plus DELETE with a status that is not final does not pass."""
    invocation_id, *_ = put_into(connection, before)
    for after in LIVE:
        error = refusal(
            connection,
            lambda a=after: end(
                connection,
                invocation_id,
                a,
                a_reason(before, a) if (before, a) in LEGAL else None,
            ),
        )
        assert isinstance(error, psycopg.errors.CheckViolation), f"{before} -> {after}: {error}"


@pytest.mark.parametrize("before", FINAL)
@pytest.mark.parametrize("after", STATUSES)
def test_nothing_leaves_a_final_status(connection: Connection, before: str, after: str) -> None:
    """What has ended is no longer in the hot table, and its outcome is not changed any more."""
    invocation_id, *_ = put_into(connection, before)
    gone = connection.execute(
        "update invocation_state set status = %s where invocation_id = %s", (after, invocation_id)
    )
    assert gone.rowcount == 0
    error = refusal(
        connection,
        lambda: connection.execute(
            "update invocation_outcome set status = %s where invocation_id = %s",
            (after, invocation_id),
        ),
    )
    assert error is not None
    assert error.sqlstate == "PN004"


@pytest.mark.parametrize("before", FINAL)
def test_what_has_ended_does_not_begin_again(connection: Connection, before: str) -> None:
    """A new hot row for an invocation that has an outcome is refused, alone and among others."""
    invocation_id, *_ = put_into(connection, before)
    fresh = str(new_invocation_id())

    def attempt() -> None:
        connection.execute(
            """insert into invocation_state (invocation_id, app_id, queue, status, status_at,
                   changed_by, rank)
               select id::uuid, %s, 'default', 'registered', clock_timestamp(), 'me', 0
               from unnest(%s::text[]) id""",
            (APP, [fresh, invocation_id]),
        )

    refused(refusal(connection, attempt), before, "registered", "PN001")


@pytest.mark.parametrize("after", STATUSES)
def test_an_invocation_begins_as_registered(connection: Connection, after: str) -> None:
    """An INSERT with any other status is refused."""
    [known] = register(connection)

    def attempt() -> None:
        connection.execute(
            """insert into invocation_state (invocation_id, app_id, queue, status, status_at,
                   runner_id, lease, changed_by, rank)
               select gen_random_uuid(), app_id, queue, %s, status_at, %s, %s, 'test', 0
               from invocation_state where invocation_id = %s""",
            (after, "r" if after in OWNED else None, 1 if after in OWNED else None, known),
        )

    error = refusal(connection, attempt)
    if after == "registered":
        assert error is None
    else:
        refused(error, "(new)", after, "PN005")


@pytest.mark.parametrize(
    "column",
    [
        {"rev": 1},
        {"previous_status": "registered"},
        {"runner_id": "r"},
        {"lease": 1},
        {"proof": 1},
        {"retries": 1},
        {"recoveries": 1},
    ],
    ids=lambda column: str(next(iter(column))),
)
def test_an_invocation_begins_untouched(connection: Connection, column: dict[str, Any]) -> None:
    """An INSERT as registered that has an owner, a past or a revision is refused."""
    [known] = register(connection)
    [(name, value)] = column.items()
    error = refusal(
        connection,
        lambda: connection.execute(
            f"""insert into invocation_state (invocation_id, app_id, queue, status, status_at,
                    changed_by, rank, {name})
                select gen_random_uuid(), app_id, queue, 'registered', status_at, 'test', 0, %s
                from invocation_state where invocation_id = %s""",
            (value, known),
        ),
    )
    refused(error, "(new)", "registered", "PN005")


@pytest.mark.parametrize(("before", "after"), [(b, a) for b, a in LEGAL if b in OWNED])
def test_without_the_right_proof_no_owned_status_is_left(
    connection: Connection, before: str, after: str
) -> None:
    """No proof, the one of the last change, another runner's, a stale lease: all are refused."""
    other, other_lease, _ = put_into(connection, before)
    invocation_id, lease, rev = put_into(connection, before)
    assert lease is not None
    assert other_lease is not None
    reason = a_reason(before, after)
    if after in FINAL:
        wrong_ends: list[dict[str, Any]] = [
            {"lease": None},
            {"lease": other_lease},
            {"lease": lease + 1},
            {"lease": 0},
            {"rev": rev},
            {"rev": rev + 2},
        ]
        for wrong in wrong_ends:
            error = refusal(
                connection, lambda w=wrong: end(connection, invocation_id, after, reason, **w)
            )
            refused(error, before, after, "PN002")
        return
    row = state(connection, invocation_id)
    right = step(row, after, reason)
    inherited = {name: value for name, value in right.items() if name != "proof"}
    wrong_proofs = [None, 0, lease, lease + rev, lease + rev + 2, other_lease + rev + 1]
    for columns in [inherited, *(right | {"proof": proof} for proof in wrong_proofs)]:
        error = refusal(connection, lambda c=columns: write(connection, invocation_id, c))
        refused(error, before, after, "PN002")
    assert refusal(connection, lambda: write(connection, other, right)) is not None
    assert refusal(connection, lambda: write(connection, invocation_id, right)) is None


@pytest.mark.parametrize(
    ("before", "after"),
    [(b, a) for b, a in LEGAL if a not in FINAL],
)
def test_owner_and_lease_change_with_a_claim_or_an_end_alone(
    connection: Connection, before: str, after: str
) -> None:
    """A step with the right proof cannot swap owner or lease on the way."""
    invocation_id, lease, _ = put_into(connection, before)
    row = state(connection, invocation_id)
    right = step(row, after, a_reason(before, after))
    if after == "pending":
        wrong: list[dict[str, Any]] = [{"lease": lease}, {"lease": (lease or 0) - 1}]
        wrong = [w for w in wrong if lease is not None] + [{"lease": None}, {"runner_id": None}]
    elif after in OWNED:
        wrong = [
            {"runner_id": "thief"},
            {"lease": (lease or 0) + 1},
            {"lease": None},
            {"runner_id": None},
        ]
    else:
        wrong = [{"runner_id": "thief", "lease": 10**9}, {"lease": (lease or 0) + 1}]
        wrong += [{"lease": None}] if lease is not None else []
    for columns in wrong:
        error = refusal(connection, lambda c=columns: write(connection, invocation_id, right | c))
        refused(error, before, after, "PN002", "PN003")


def test_python_sql_and_rows_say_the_same(connection: Connection) -> None:
    """TRANSITIONS, legal() and status_transition agree on all pairs with every reason and none."""
    rows = connection.execute(
        """select f, t, r, legal(f, t, r) from unnest(enum_range(null::invocation_status)) f,
               unnest(enum_range(null::invocation_status)) t, unnest(%s::text[]) r""",
        (list(REASONS),),
    ).fetchall()
    assert len(rows) == 14 * 14 * len(REASONS)
    wrong = [row for row in rows if (row[3] is True) != legal(row[0], row[1], row[2])]
    assert wrong == []
    table = {
        (str(before), str(after), None if not reasons else str(reason))
        for before, ends in TRANSITIONS.items()
        for after, reasons in ends.items()
        for reason in (reasons or [None])
    }
    stored = connection.execute(
        "select from_status::text, to_status::text, reason from status_transition"
    ).fetchall()
    assert len(stored) == len(table)
    assert set(stored) == table


def test_statuses_are_described_as_in_python(connection: Connection) -> None:
    """The enum and the table `status` list Python's statuses with the same traits."""
    rows = connection.execute(
        "select status::text, available, owned, final from status order by status.status"
    ).fetchall()
    assert [row[0] for row in rows] == [str(status) for status in InvocationStatus]
    for name, available, owned, final in rows:
        status = InvocationStatus(name)
        assert available == status.is_available_for_run()
        assert owned == status.is_owned()
        assert final == status.is_final()


@pytest.mark.parametrize("status", LIVE)
def test_what_claims_ask_for_follows_the_status(connection: Connection, status: str) -> None:
    """The generated columns that the indexes stand on agree with Python's statuses."""
    row = state(connection, put_into(connection, status).id)
    assert row["available"] is InvocationStatus(status).is_available_for_run()
    assert row["parked"] is (status == "concurrency_controlled")
