"""Reads. Through functions and a view: producers and workers have no rights on tables."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from pynenc_pg.domain.ids import InvocationId
from pynenc_pg.domain.records import (
    CallRecord,
    Cause,
    HistoryEntry,
    InvocationRecord,
    Outcome,
    QueueInfo,
    SetAside,
)
from pynenc_pg.domain.why import Why, why
from pynenc_pg.exceptions import DataRejectedError, InvocationNotFoundError
from pynenc_pg.invocation.status import InvocationStatus

if TYPE_CHECKING:
    from pynenc_pg.postgres.database import PgDatabase

OUTCOMES: Final = "select * from {schema}.outcomes(%s, %b::text[]::uuid[])"
_GET_INVOCATION: Final = "select * from {schema}.get_invocation(%s, %s::uuid)"
_GET_CALL: Final = "select * from {schema}.get_call(%s, %s::uuid)"
_HISTORY: Final = "select * from {schema}.history(%s, %s::uuid)"
_COUNT_READY: Final = "select {schema}.count_ready(%s, %s::text)"
QUEUES: Final = """
select queue, paused, ready, scheduled, parked, pending, running, waiting,
       extract(epoch from oldest_ready)::float8, exact
from {schema}.queue_figures(%s)
"""
_GET_SET_ASIDE: Final = """
select invocation_id::text, task_id, queue, cause, missing, unknown, refused_by
from {schema}.set_aside where app_id = %s order by since, invocation_id
"""
_IS_SERVED: Final = "select {schema}.is_served(%s, %s)"
_WHY: Final = "select code, message, facts from {schema}.why(%s, %s::uuid)"
_CLOCK: Final = "select extract(epoch from clock_timestamp())::float8"


def outcome(row: tuple[Any, ...]) -> Outcome:
    """Build an outcome from a row of the function ``outcomes``."""
    return Outcome(row[0], InvocationStatus(row[1]), *row[2:])


class PgStateBackend:
    """Reads. See ``pynenc_pg.ports.StateBackend``."""

    def __init__(self, database: PgDatabase) -> None:
        """Use the pool of ``database``."""
        self._database = database
        self._app = database.app_id

    def get_invocation(self, invocation_id: InvocationId) -> InvocationRecord:
        """Everything about one invocation but its value."""
        try:
            rows = self._database.call(_GET_INVOCATION, (self._app, invocation_id))
        except DataRejectedError:  # not an id at all
            rows = []
        if not rows:
            raise self._unknown(invocation_id)
        row = rows[0]
        return InvocationRecord(*(*row[:5], InvocationStatus(row[5]), *row[6:]))

    def get_call(self, invocation_id: InvocationId) -> CallRecord:
        """Return what it was called with beside its arguments."""
        try:
            rows = self._database.call(_GET_CALL, (self._app, invocation_id))
        except DataRejectedError:  # not an id at all
            rows = []
        if not rows:
            raise self._unknown(invocation_id)
        priority, options, before, lease = rows[0]
        return CallRecord(priority, options, before and InvocationId(str(before)), lease)

    def get_outcomes(self, ids: Sequence[InvocationId]) -> Mapping[InvocationId, Outcome]:
        """Return the outcomes of those that have ended."""
        rows = self._database.call(OUTCOMES, (self._app, list(ids)))
        return {found.invocation_id: found for found in map(outcome, rows)}

    def get_history(self, invocation_id: InvocationId) -> list[HistoryEntry]:
        """Every status change, oldest first."""
        try:
            rows = self._database.call(_HISTORY, (self._app, invocation_id))
        except DataRejectedError:  # not an id at all
            rows = []
        if not rows:
            raise self._unknown(invocation_id)
        return [
            HistoryEntry(
                rev=rev,
                previous_status=InvocationStatus(before) if before else None,
                status=InvocationStatus(status),
                reason=reason,
                runner_id=runner_id,
                changed_by=changed_by,
                at=at,
                error=error,
            )
            for rev, before, status, reason, runner_id, changed_by, at, error in rows
        ]

    def count_ready(self, queue: str | None = None) -> int:
        """How many a runner could claim now, in one queue or in all."""
        return int(self._database.call(_COUNT_READY, (self._app, queue))[0][0])

    def get_queues(self) -> list[QueueInfo]:
        """Every queue that a call or a pause has named so far, by name."""
        return [QueueInfo(*row) for row in self._database.call(QUEUES, (self._app,))]

    def get_set_aside(self) -> list[SetAside]:
        """Return what waits for a runner that can take it, oldest first."""
        rows = self._database.call(_GET_SET_ASIDE, (self._app,))
        return [
            SetAside(which, task, queue, Cause(cause), tuple(lacks), tuple(others), tuple(by))
            for which, task, queue, cause, lacks, others, by in rows
        ]

    def is_served(self, queue: str) -> bool:
        """Whether a runner that is believed alive takes work of that queue."""
        return bool(self._database.call(_IS_SERVED, (self._app, queue))[0][0])

    def why(self, invocation_id: InvocationId) -> list[Why]:
        """Return why it is not running, what matters most first."""
        try:
            rows = self._database.call(_WHY, (self._app, invocation_id))
        except DataRejectedError:  # not an id at all
            return [why("unknown")]
        return [Why(*row) for row in rows]

    def clock_offset(self) -> float:
        """Seconds the database's clock is ahead of this machine's; half a round trip is guessed."""
        before = time.time()
        theirs = self._database.call(_CLOCK)[0][0]
        return float(theirs) - (before + time.time()) / 2

    def _unknown(self, invocation_id: InvocationId) -> InvocationNotFoundError:
        return InvocationNotFoundError(
            f"no invocation {invocation_id} in app {self._app!r}: never registered there, "
            "purged, or past its retention"
        )
