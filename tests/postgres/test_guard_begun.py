"""A claim begins what it takes in one version of the row: the one step that is two."""

from __future__ import annotations

from typing import Any

import pytest
from psycopg import sql

from tests.support.plain_sql import code, history, put_into, refusal, state, step, write
from tests.support.sql import Connection
from tests.support.states import LIVE

READY = ("registered", "rerouted", "retry")
NEW_LEASE = sql.SQL("nextval('pynenc.lease_seq')")


def begun(row: dict[str, Any], **other: Any) -> dict[str, Any]:
    """Return what a claim sets of a row that is ready, but for some."""
    return step(row, "running") | {"rev": row["rev"] + 2, "lease": NEW_LEASE} | other


@pytest.mark.parametrize("before", READY)
def test_both_steps_stand_in_the_history(connection: Connection, before: str) -> None:
    """By way of PENDING, each with a revision."""
    invocation_id, _, rev = put_into(connection, before)
    assert write(connection, invocation_id, begun(state(connection, invocation_id))) == 1
    assert history(connection, invocation_id)[-2:] == [(rev + 1, "pending"), (rev + 2, "running")]
    assert state(connection, invocation_id)["status"] == "running"


@pytest.mark.parametrize("before", [status for status in LIVE if status not in READY])
def test_no_other_status_is_left_so(connection: Connection, before: str) -> None:
    """Two revisions at once are refused everywhere else."""
    invocation_id, *_ = put_into(connection, before)
    row = state(connection, invocation_id)
    error = refusal(connection, lambda: write(connection, invocation_id, begun(row)))
    assert code(error) in {"PN001", "PN002", "PN003"}


@pytest.mark.parametrize(
    ("other", "refused"),
    [
        ({"rev": sql.SQL("rev + 1")}, "PN001"),
        ({"rev": sql.SQL("rev + 3")}, "PN001"),
        ({"runner_id": None}, "PN001"),
        ({"lease": sql.SQL("lease")}, "PN001"),
        ({"previous_status": "pending"}, "PN001"),
        ({"retries": 7}, "PN001"),
        ({"recoveries": 7}, "PN001"),
    ],
)
def test_what_does_not_agree_is_refused(
    connection: Connection, other: dict[str, Any], refused: str
) -> None:
    """Revision, owner, a lease that is new, where it came from, and the counters."""
    invocation_id, *_ = put_into(connection, "retry")
    columns = begun(state(connection, invocation_id), **other)
    error = refusal(connection, lambda: write(connection, invocation_id, columns))
    assert code(error) == refused


def test_it_needs_a_slot_of_its_key(connection: Connection) -> None:
    """As the step to PENDING does."""
    invocation_id, *_ = put_into(connection, "registered", lane="k")
    columns = begun(state(connection, invocation_id))
    error = refusal(connection, lambda: write(connection, invocation_id, columns))
    assert code(error) == "PN007"
