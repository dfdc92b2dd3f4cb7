"""The state machine of an invocation: statuses, legal transitions, who may make them.

Pure values. This table is the one source: the SQL function ``legal`` and the rows of
``status_transition`` are made from it by hand in a migration, and a test proves the three equal.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from pynenc_pg.exceptions import (
    InvocationStatusOwnershipError,
    InvocationStatusTransitionError,
)


class InvocationStatus(StrEnum):
    """Where an invocation stands. Values are the lower-case names, as the database shows them."""

    REGISTERED = "registered"  #: accepted, nobody has taken it
    CONCURRENCY_CONTROLLED = "concurrency_controlled"  #: parked: its concurrency key is full
    CONCURRENCY_CONTROLLED_FINAL = "concurrency_controlled_final"  #: key was full, must not wait
    REROUTED = "rerouted"  #: given back, ready for another runner
    PENDING = "pending"  #: claimed by a runner, not begun
    PENDING_RECOVERY = "pending_recovery"  #: its runner died, or did not begin it in time
    RUNNING = "running"  #: the function is being called
    RUNNING_RECOVERY = "running_recovery"  #: its runner died in the middle
    PAUSED = "paused"  #: waits in live code for other invocations
    RESUMED = "resumed"  #: goes on after a pause
    KILLED = "killed"  #: its runner stopped it
    SUCCESS = "success"  #: returned a value
    FAILED = "failed"  #: raised, was cancelled, expired or quarantined
    RETRY = "retry"  #: to be run again, now or when due

    def is_final(self) -> bool:
        """Nothing changes any more."""
        return self in FINAL

    def is_available_for_run(self) -> bool:
        """A runner may claim it (once it is due)."""
        return self in AVAILABLE

    def is_owned(self) -> bool:
        """Only the owning runner may change it."""
        return self in OWNED

    def can_transition_to(self, status: InvocationStatus) -> bool:
        """Whether the machine knows the step, whatever its reason."""
        return status in TRANSITIONS[self]

    @classmethod
    def get_final_statuses(cls) -> frozenset[InvocationStatus]:
        """Return the statuses that nothing leaves."""
        return FINAL


class Reason(StrEnum):
    """Why a status changed, where the machine wants to know."""

    ERROR = "error"  #: the attempt raised
    TIMEOUT = "timeout"  #: the attempt ran too long
    SNOOZED = "snoozed"  #: the task asked to be run later
    SLEEPING = "sleeping"  #: a workflow's durable sleep
    EVENT = "event"  #: a workflow waits for an event
    PAUSED = "paused"  #: a workflow was paused
    CANCELLED = "cancelled"  #: somebody asked for its end
    EXPIRED = "expired"  #: nobody began it in time
    RECOVERIES_EXHAUSTED = "recoveries_exhausted"  #: took its worker down too often


S = InvocationStatus
AVAILABLE: Final = frozenset({S.REGISTERED, S.REROUTED, S.RETRY})
OWNED: Final = frozenset({S.PENDING, S.RUNNING, S.PAUSED, S.RESUMED})
FINAL: Final = frozenset({S.SUCCESS, S.FAILED, S.CONCURRENCY_CONTROLLED_FINAL})
#: What becomes of what a dead runner owned: the steps that others take for it.
_TAKEN_AWAY: Final = frozenset({S.PENDING_RECOVERY, S.RUNNING_RECOVERY})
#: Reasons that spend one of ``max_retries``.
SPENDING: Final = frozenset({Reason.ERROR, Reason.TIMEOUT})

ANY: Final[frozenset[Reason]] = frozenset()
_NOT_BEGUN: Final = frozenset({Reason.CANCELLED, Reason.EXPIRED})
_AGAIN: Final = frozenset(
    {
        Reason.ERROR,
        Reason.TIMEOUT,
        Reason.SNOOZED,
        Reason.SLEEPING,
        Reason.EVENT,
        Reason.PAUSED,
    }
)
_GIVEN_UP: Final = frozenset({Reason.RECOVERIES_EXHAUSTED, Reason.CANCELLED})

_FROM_AVAILABLE: Final = {
    S.PENDING: ANY,
    S.CONCURRENCY_CONTROLLED: ANY,
    S.CONCURRENCY_CONTROLLED_FINAL: ANY,
    S.FAILED: _NOT_BEGUN,
}
_FROM_BEGUN: Final = {
    S.PAUSED: ANY,
    S.KILLED: ANY,
    S.RETRY: _AGAIN,
    S.SUCCESS: ANY,
    S.FAILED: ANY,
    S.RUNNING_RECOVERY: ANY,
}
_FROM_STOPPED: Final = {S.REROUTED: ANY, S.FAILED: _GIVEN_UP}

#: ``TRANSITIONS[a][b]`` holds the reasons ``a -> b`` demands; ``ANY`` (empty) means none is asked.
TRANSITIONS: Final[Mapping[InvocationStatus, Mapping[InvocationStatus, frozenset[Reason]]]] = (
    MappingProxyType(
        {
            S.REGISTERED: _FROM_AVAILABLE,
            S.REROUTED: _FROM_AVAILABLE,
            S.RETRY: _FROM_AVAILABLE,
            S.CONCURRENCY_CONTROLLED: {S.REROUTED: ANY, S.FAILED: _NOT_BEGUN},
            S.PENDING: {
                S.RUNNING: ANY,
                S.KILLED: ANY,
                S.REROUTED: ANY,
                S.CONCURRENCY_CONTROLLED: ANY,
                S.CONCURRENCY_CONTROLLED_FINAL: ANY,
                S.PENDING_RECOVERY: ANY,
            },
            S.RUNNING: _FROM_BEGUN,
            S.RESUMED: _FROM_BEGUN,
            S.PAUSED: {S.RESUMED: ANY, S.KILLED: ANY, S.RUNNING_RECOVERY: ANY},
            S.KILLED: _FROM_STOPPED,
            S.PENDING_RECOVERY: _FROM_STOPPED,
            S.RUNNING_RECOVERY: _FROM_STOPPED,
            S.SUCCESS: {},
            S.FAILED: {},
            S.CONCURRENCY_CONTROLLED_FINAL: {},
        }
    )
)


def is_legal(before: InvocationStatus, after: InvocationStatus, reason: str | None) -> bool:
    """Whether ``before -> after`` is in the table and, where a reason is asked for, it is given.

    >>> is_legal(InvocationStatus.RUNNING, InvocationStatus.RETRY, None)
    False
    """
    wanted = TRANSITIONS[before].get(after)
    return wanted is not None and (not wanted or reason in wanted)


@dataclass(frozen=True, slots=True)
class InvocationStatusRecord:
    """A status, who owns the invocation in it, and since when."""

    status: InvocationStatus  #: where it stands
    runner_id: str | None = None  #: the owner, where the status is owned
    timestamp: datetime = field(default_factory=lambda: datetime.now(UTC))  #: aware, in UTC


def status_record_transition(
    record: InvocationStatusRecord | None, status: InvocationStatus, runner_id: str | None = None
) -> InvocationStatusRecord:
    """Return the record after a step of the machine; ``None`` stands for what is not called yet.

    A pure function for tests and tools: the database decides for itself, by the same table.

    >>> taken = status_record_transition(
    ...     InvocationStatusRecord(InvocationStatus.REGISTERED), InvocationStatus.PENDING, "me"
    ... )
    >>> taken.runner_id
    'me'

    Raises:
        InvocationStatusTransitionError: the machine has no such step.
        InvocationStatusOwnershipError: somebody else owns it, or nobody would.
    """
    before = record.status if record else None
    begins = before is None and status is S.REGISTERED
    if not begins and (before is None or not before.can_transition_to(status)):
        message = f"there is no step from {before} to {status}"
        raise InvocationStatusTransitionError(message)
    owner = record.runner_id if record else None
    if before in OWNED and status not in _TAKEN_AWAY and runner_id != owner:
        message = f"{before} -> {status}: runner {owner} owns it, and not {runner_id}"
        raise InvocationStatusOwnershipError(message)
    if status in OWNED and not runner_id:
        message = f"{before} -> {status}: an owned status needs a runner, and none is named"
        raise InvocationStatusOwnershipError(message)
    return InvocationStatusRecord(status, runner_id if status in OWNED else None)
