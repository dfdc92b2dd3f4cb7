"""Pairs of statuses: which are legal, with which reason, and how the others are refused."""

from __future__ import annotations

import psycopg

from pynenc_pg.invocation.status import TRANSITIONS, InvocationStatus, Reason, is_legal
from tests.support.states import LIVE, STATUSES

REASONS = (None, "nonsense", *(str(reason) for reason in Reason))


def legal(before: str, after: str, reason: str | None) -> bool:
    """Ask the Python table."""
    return is_legal(InvocationStatus(before), InvocationStatus(after), reason)


def a_reason(before: str, after: str) -> str | None:
    """Return a reason that makes a legal pair legal."""
    wanted = TRANSITIONS[InvocationStatus(before)][InvocationStatus(after)]
    return str(min(wanted)) if wanted else None


LEGAL = [
    (b, a)
    for b in LIVE
    for a in STATUSES
    if InvocationStatus(b).can_transition_to(InvocationStatus(a))
]


def refused(error: psycopg.Error | None, before: str, after: str, *codes: str) -> None:
    """Assert a refusal with one of these SQLSTATEs (any PN if none is given), naming both."""
    said = f"{before} -> {after}"
    assert error is not None, f"{said} passed"
    assert error.sqlstate is not None
    assert error.sqlstate.startswith("PN"), f"{said}: {error.sqlstate} {error}"
    assert not codes or error.sqlstate in codes, f"{said}: {error.sqlstate} {error}"
    assert said in str(error), f"{said}: {error}"
