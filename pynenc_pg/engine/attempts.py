"""The attempts of an invocation, read out of its history."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime

from pynenc_pg.domain.records import HistoryEntry
from pynenc_pg.invocation.status import InvocationStatus


@dataclass(frozen=True, slots=True)
class Attempt:
    """One time that a task was begun. Times are the store's clock, aware and in UTC."""

    number: int  #: from 1
    runner_id: str | None  #: which runner executed it
    started_at: datetime  #: when the function was called
    ended_at: datetime | None  #: None: it is running
    status: InvocationStatus  #: what it ended in, or what it is in
    reason: str | None  #: why it ended so: ``error``, ``timeout``, ``sleeping`` and the like
    error: BaseException | None  #: what the task raised in this attempt


def attempts(
    history: Iterable[HistoryEntry], decode: Callable[[str], BaseException]
) -> list[Attempt]:
    """Return the attempts, oldest first; ``decode`` builds an exception from its wire JSON."""
    found: list[Attempt] = []
    began: HistoryEntry | None = None
    for entry in history:
        if began is None:
            if entry.status is not InvocationStatus.RUNNING:
                continue
            began = entry
            found.append(_attempt(len(found) + 1, began, entry, decode))
        else:
            found[-1] = _attempt(found[-1].number, began, entry, decode)
            if not entry.status.is_owned():
                began = None
    return found


def _attempt(
    number: int,
    began: HistoryEntry,
    last: HistoryEntry,
    decode: Callable[[str], BaseException],
) -> Attempt:
    return Attempt(
        number=number,
        runner_id=began.runner_id,
        started_at=began.at,
        ended_at=None if last.status.is_owned() else last.at,
        status=last.status,
        reason=last.reason,
        error=decode(last.error) if last.error is not None else None,
    )
