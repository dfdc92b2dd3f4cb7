"""What stands beside a status, and changes with it or not at all; by plain SQL as the owner."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.pairs import LEGAL, a_reason, refused
from tests.support.plain_sql import (
    history,
    put_into,
    refusal,
    state,
    step,
    take_slot,
    write,
)
from tests.support.sql import Connection, register
from tests.support.states import AVAILABLE, FINAL, LIVE, OWNED


@pytest.mark.parametrize(("before", "after"), [(b, a) for b, a in LEGAL if a not in FINAL])
def test_what_goes_with_a_step_must_agree(connection: Connection, before: str, after: str) -> None:
    """A wrong revision, previous status, counter, time, id, app or lane is refused."""
    [laned] = register(connection, lanes=["k"], slots=1)
    lane = state(connection, laned)["lane"]
    invocation_id, *_ = put_into(connection, before)
    row = state(connection, invocation_id)
    right = step(row, after, a_reason(before, after))
    proof = {"proof": right["proof"] + 1} if "proof" in right else {}
    code = "PN003"
    for wrong in (
        {"rev": right["rev"] + 1} | proof,
        {"previous_status": None},
        {"previous_status": "killed" if before != "killed" else "retry"},
        {"retries": right["retries"] + 1},
        {"recoveries": right["recoveries"] + 1},
        {"app_id": "other"},
        {"lane": lane},
        {"invocation_id": "01890000-0000-7000-8000-000000000000"},
    ):
        error = refusal(connection, lambda w=wrong: write(connection, invocation_id, right | w))
        refused(
            error, before, after, "PN007" if {"lane"} == set(wrong) and after == "pending" else code
        )

    def back_in_time() -> None:
        connection.execute("set constraints all immediate")
        names = ", ".join(f"{name} = %({name})s" for name in right if name != "lease")
        lease = ", lease = nextval('lease_seq')" if "lease" in right else ""
        connection.execute(
            f"update invocation_state set {names}{lease}, "
            "status_at = status_at - interval '1 us' where invocation_id = %(id)s",
            {k: v for k, v in right.items() if k != "lease"} | {"id": invocation_id},
        )

    refused(refusal(connection, back_in_time), before, after, "PN003")


@pytest.mark.parametrize("before", LIVE)
def test_a_change_without_a_status_change_leaves_rev_and_history_alone(
    connection: Connection, before: str
) -> None:
    """Ranks, awaited, requests to cancel may change; owner, lease, rev, counters, times may not."""
    invocation_id, lease, rev = put_into(connection, before)
    told = history(connection, invocation_id)
    same = {"previous_status": before}

    def change(columns: dict[str, Any]) -> None:
        names = ", ".join(f"{name} = %({name})s" for name in columns)
        connection.execute(
            f"update invocation_state set {names} where invocation_id = %(this)s",
            columns | {"this": invocation_id},
        )

    change(same | {"awaited": 1, "rank": 3.0, "cancel_requested_at": "2030-01-01"})
    change(same | {"registration_key": None})
    after = state(connection, invocation_id)
    assert (after["rev"], after["lease"], after["awaited"]) == (rev, lease, 1)
    assert history(connection, invocation_id) == told
    for wrong in (
        {"rev": rev + 1},
        {"runner_id": "thief"},
        {"lease": 10**9},
        {"proof": 10**9},
        {"retries": 7},
        {"recoveries": 7},
        {"status_at": "2030-01-01"},
        {"app_id": "other"},
        {"registration_key": "late"},
        {"registration_key": ""},
        {"previous_status": None},
    ):
        refused(
            refusal(connection, lambda w=wrong: change(same | w)), before, before, "PN002", "PN003"
        )


@pytest.mark.parametrize("before", AVAILABLE)
def test_keyed_work_is_claimed_with_a_slot_of_its_own_lane_only(
    connection: Connection, before: str
) -> None:
    """Without a slot, or with one of another lane, the claim is refused."""
    invocation_id, *_ = put_into(connection, before, lane="k")
    connection.execute("delete from slot")
    right = step(state(connection, invocation_id), "pending")
    claim = lambda: write(connection, invocation_id, right)  # noqa: E731 - one expression, used thrice
    refused(refusal(connection, claim), before, "pending", "PN007")
    register(connection, lanes=["other"], slots=5)
    with connection.transaction(force_rollback=True):
        connection.execute(
            "insert into slot select lane_id, 1, %s from lane where key = 'other'", (invocation_id,)
        )
        refused(refusal(connection, claim), before, "pending", "PN007")
    take_slot(connection, invocation_id)
    assert refusal(connection, claim) is None


@pytest.mark.parametrize("before", OWNED)
def test_an_owned_invocation_keeps_its_slot(connection: Connection, before: str) -> None:
    """The slot of owned work cannot be deleted; that of others can."""
    invocation_id, *_ = put_into(connection, before, lane="k")
    error = refusal(connection, lambda: connection.execute("delete from slot"))
    assert error is not None
    assert error.sqlstate == "PN007"
    assert invocation_id in str(error)
