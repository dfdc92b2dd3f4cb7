"""What to raise for an invocation that did not succeed."""

from __future__ import annotations

from pynenc_pg.domain.records import Outcome
from pynenc_pg.exceptions import (
    ConcurrencyControlledError,
    InvocationCancelledError,
    InvocationExpiredError,
    RecoveriesExhaustedError,
)
from pynenc_pg.invocation.status import InvocationStatus, Reason
from pynenc_pg.serializer.base import BaseSerializer
from pynenc_pg.serializer.failure import decode_exception
from pynenc_pg.serializer.wire import Follow


def failure_of(
    outcome: Outcome, serializer: BaseSerializer, follow: Follow | None = None
) -> BaseException:
    """Return the task's own exception, or why it was never run to its end."""
    which = f"invocation {outcome.invocation_id}"
    if outcome.status is InvocationStatus.CONCURRENCY_CONTROLLED_FINAL:
        return ConcurrencyControlledError(
            f"{which} was not run: its concurrency limit was reached and it must not wait; "
            "call it again when the others have ended"
        )
    if outcome.reason == Reason.CANCELLED:
        return InvocationCancelledError(f"{which} was cancelled")
    if outcome.reason == Reason.EXPIRED:
        return InvocationExpiredError(
            f"{which} expired before anybody began it: start more runners, or let it wait longer"
        )
    if outcome.reason == Reason.RECOVERIES_EXHAUSTED:
        return RecoveriesExhaustedError(
            f"{which} was given up: it was running each time its worker died, more often than "
            "runner.max_recoveries allows; look at what kills them (memory, a crash, os._exit)"
        )
    return decode_exception(outcome.value or "{}", serializer, follow)
