"""The machine without a store: a record, a step, the record after it."""

from __future__ import annotations

import itertools

import pytest

from pynenc_pg.exceptions import (
    InvocationStatusError,
    InvocationStatusOwnershipError,
    InvocationStatusTransitionError,
)
from pynenc_pg.invocation.status import (
    InvocationStatus,
    InvocationStatusRecord,
    status_record_transition,
)

S = InvocationStatus


def test_a_life() -> None:
    """Called, taken, begun, paused, resumed, ended: owned in between by one alone."""
    record = None
    owners = []
    for step in (S.REGISTERED, S.PENDING, S.RUNNING, S.PAUSED, S.RESUMED, S.SUCCESS):
        record = status_record_transition(record, step, "me")
        owners.append(record.runner_id)
        assert record.timestamp.tzinfo is not None
    assert owners == [None, "me", "me", "me", "me", None]


@pytest.mark.parametrize(
    ("record", "status", "runner_id", "error", "says"),
    [
        (None, S.RUNNING, "me", InvocationStatusTransitionError, "from None to running"),
        (InvocationStatusRecord(S.SUCCESS), S.RETRY, "me", InvocationStatusTransitionError, "no"),
        (InvocationStatusRecord(S.RETRY), S.PENDING, None, InvocationStatusOwnershipError, "needs"),
        (
            InvocationStatusRecord(S.RUNNING, "me"), S.SUCCESS, "you",
            InvocationStatusOwnershipError, "runner me owns it",
        ),
    ],
)  # fmt: skip
def test_what_is_refused(
    record: InvocationStatusRecord | None,
    status: InvocationStatus,
    runner_id: str | None,
    error: type[InvocationStatusError],
    says: str,
) -> None:
    """Says both statuses, and who owns it."""
    with pytest.raises(error, match=says):
        status_record_transition(record, status, runner_id)


def test_it_is_the_same_machine() -> None:
    """A step of the owner is possible exactly where the table has one."""
    for before, after in itertools.product(S, S):
        owner = "me" if before.is_owned() else None
        try:
            status_record_transition(InvocationStatusRecord(before, owner), after, "me")
        except InvocationStatusTransitionError:
            assert not before.can_transition_to(after)
        else:
            assert before.can_transition_to(after)


def test_a_dead_owner_is_not_asked() -> None:
    """What it owned is taken away by somebody else."""
    running = InvocationStatusRecord(S.RUNNING, "dead")
    taken = status_record_transition(running, S.RUNNING_RECOVERY, "me")
    assert (taken.status, taken.runner_id) == (S.RUNNING_RECOVERY, None)
