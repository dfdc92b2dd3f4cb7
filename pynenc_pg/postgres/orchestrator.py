"""Writes: each method calls the SQL function of its name, in one transaction."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pynenc_pg.domain.ids import InvocationId, RunnerId
from pynenc_pg.domain.known import KnownTask
from pynenc_pg.domain.records import (
    Again,
    Answer,
    Aside,
    CancelAnswer,
    Claimed,
    Ending,
    Heartbeat,
    Hold,
    Outcome,
    Promoted,
    Recovered,
    RecoveryPolicy,
    RunnerSpec,
    Waiting,
)
from pynenc_pg.domain.retention import Periods, Pruned
from pynenc_pg.exceptions import StoreUnavailableError
from pynenc_pg.invocation.status import InvocationStatus
from pynenc_pg.postgres import holding
from pynenc_pg.postgres.bisection import bisected
from pynenc_pg.postgres.client_data_store import PgClientDataStore
from pynenc_pg.postgres.floor import RankFloor
from pynenc_pg.postgres.known import reasons, told
from pynenc_pg.postgres.registering import Registering
from pynenc_pg.postgres.state_backend import OUTCOMES, outcome
from pynenc_pg.postgres.versions import check_schema

if TYPE_CHECKING:
    from pynenc_pg.postgres.database import PgDatabase

_CLAIM = "select * from {schema}.claim(%s, %s, %b::text[], %s, true, %b::text[], %b::float8[], %s)"
_START = "select * from {schema}.start(%s, %s, %b::text[]::uuid[], %b::bigint[])"
FINISH = """select * from {schema}.finish(
    %s, %s, %b::text[]::uuid[], %b::bigint[], %b::text[], %b::text[], %b::text[])"""
_RETRY = """select * from {schema}.retry(
    %s, %s, %b::text[]::uuid[], %b::bigint[], %b::text[], %b::float8[], %b::text[])"""
_SET_ASIDE = """select * from {schema}.set_aside(
    %s, %s, %b::text[]::uuid[], %b::bigint[], %b::text[])"""
_RELEASE = "select * from {schema}.release(%s, %s, %b::text[]::uuid[], %b::bigint[])"
_CRASH = "select * from {schema}.crash(%s, %s, %b::text[]::uuid[], %b::bigint[], %s)"
_RELEASE_STRAYS = "select {schema}.release_strays(%s, %s, %b::text[]::uuid[])"
_PAUSE = "select * from {schema}.pause(%s, %s, %s::uuid, %s, %b::text[]::uuid[], %s, %s)"
_RESUME = """select * from {schema}.resume(
    %s, %s, %b::text[]::uuid[], %b::bigint[], %b::text[]::uuid[])"""
_RECOVER = "select * from {schema}.recover(%s, %s, %s, %s, %s)"
_PROMOTE = "select * from {schema}.promote(%s, %s)"
_EXPIRE = "select {schema}.expire(%s, %s)"
_CANCEL = "select {schema}.cancel(%s, %s::uuid, %s)"
_REGISTER_RUNNER = """select {schema}.register_runner(
    %s, %s, %s, %s, %s, %b::text[], %s, %s, %s)"""
_REGISTER_TASKS = "select {schema}.register_tasks(%s, %s, %s::json)"
_ASKED_TO_STOP = "select {schema}.asked_to_stop(%s, %s)"
_HEARTBEAT = "select * from {schema}.heartbeat(%s, %s, %s)"
_UNREGISTER_RUNNER = "select {schema}.unregister_runner(%s, %s)"
_PAUSE_QUEUE = "select {schema}.pause_queue(%s, %s, %s)"
# Not worth waiting for the disk: what a crash of the server loses of it, looks make up for.
WATCH = """select unnest({schema}.watch(%s, %b::text[]::uuid[], %s))
    from (select set_config('synchronous_commit', 'off', true) offset 0) hint"""
_MAINTAIN = "select unnest({schema}.maintain_2(%s, %s, %s))"
_PRUNE = "select * from {schema}.prune(%s, %s::uuid, %s)"
_FIRST = "00000000-0000-0000-0000-000000000000"
_PURGE = "select {schema}.purge(%s)"
_COUNT = "select * from {schema}.count_by_status(%s)"


class PgOrchestrator(Registering):
    """Every status change is one of these verbs. See ``pynenc_pg.ports.Orchestrator``."""

    def __init__(
        self,
        database: PgDatabase,
        holds: PgClientDataStore | None = None,
        periods: Callable[[], Periods] = Periods,
    ) -> None:
        """Use the pool of ``database``, and its home connection for the life of a runner.

        ``holds`` has what was sent lately of large values; ``periods`` answers what is kept.
        """
        super().__init__()
        self._database = database
        self._holds = holds or PgClientDataStore(database)
        self._app = database.app_id
        self._periods = periods
        self._floor = RankFloor()
        self._locked_session = 0

    def claim(
        self, runner_id: RunnerId, queues: Sequence[str], limit: int, begin_below: int = 0
    ) -> list[Claimed]:
        """Take up to ``limit`` ready invocations, by rank, as PENDING with a fresh lease each."""
        floors = self._floor.current()
        parameters = (self._app, runner_id, list(queues), limit, *floors, begin_below)
        # Repeated it would take others: what the first one took is a stray.
        rows = self._database.call(_CLAIM, parameters, repeatable=False)
        self._floor.note([row[-3:] for row in rows], floors_used=bool(floors[0]))
        return [Claimed(*row[:-2]) for row in rows]

    def start(self, runner_id: RunnerId, holds: Sequence[Hold]) -> Mapping[InvocationId, Answer]:
        """PENDING -> RUNNING."""
        return self._holding(_START, runner_id, holds)

    def finish(
        self, runner_id: RunnerId, endings: Sequence[Ending]
    ) -> Mapping[InvocationId, Answer]:
        """RUNNING or RESUMED -> SUCCESS or FAILED."""

        def write(part: Sequence[Ending]) -> list[tuple[Any, ...]]:
            return self._ended(
                FINISH,
                runner_id,
                part,
                [e.lease for e in part],
                [str(e.status) for e in part],
                [e.value for e in part],
                [e.reason for e in part],
            )

        return bisected(write, endings)

    def retry(self, runner_id: RunnerId, agains: Sequence[Again]) -> Mapping[InvocationId, Answer]:
        """RUNNING or RESUMED -> RETRY, ready when its delay is over."""

        def write(part: Sequence[Again]) -> list[tuple[Any, ...]]:
            return self._ended(
                _RETRY,
                runner_id,
                part,
                [a.lease for a in part],
                [str(a.reason) for a in part],
                [a.delay for a in part],
                [a.error for a in part],
            )

        return bisected(write, agains)

    def set_aside(
        self, runner_id: RunnerId, asides: Sequence[Aside]
    ) -> Mapping[InvocationId, Answer]:
        """RUNNING -> RETRY, offered again when a runner comes that can take it."""
        holds = [Hold(a.invocation_id, a.lease) for a in asides]
        return self._holding(_SET_ASIDE, runner_id, holds, reasons(asides))

    def release(self, runner_id: RunnerId, holds: Sequence[Hold]) -> Mapping[InvocationId, Answer]:
        """Give back what one holds."""
        return self._holding(_RELEASE, runner_id, holds)

    def crash(
        self, runner_id: RunnerId, holds: Sequence[Hold], max_recoveries: int
    ) -> Mapping[InvocationId, Answer]:
        """Give back what a process of the runner was executing when it died."""
        return self._holding(_CRASH, runner_id, holds, max_recoveries)

    def release_strays(self, runner_id: RunnerId, known: Collection[InvocationId]) -> int:
        """Give back what the runner holds and does not know of."""
        return int(self._call(_RELEASE_STRAYS, runner_id, list(known))[0][0])

    def pause(
        self, runner_id: RunnerId, hold: Hold, waiting: Waiting
    ) -> Mapping[InvocationId, Outcome]:
        """RUNNING or RESUMED -> PAUSED until others end; those that have ended come back now."""
        parameters = (
            self._app,
            runner_id,
            hold.invocation_id,
            hold.lease,
            list(waiting.awaited),
            waiting.any_of,
            waiting.listener,
        )
        # Whoever repeats it must know that it did: the first try may have paused what the second
        # finds no reason to pause.
        rows = self._database.call(_PAUSE, parameters, repeatable=False)
        return {found.invocation_id: found for found in map(outcome, rows)}

    def resume(
        self,
        runner_id: RunnerId,
        holds: Sequence[Hold],
        forget: Sequence[InvocationId] = (),
    ) -> Mapping[InvocationId, Answer]:
        """PAUSED -> RESUMED."""
        return self._holding(_RESUME, runner_id, holds, list(forget))

    def recover(self, policy: RecoveryPolicy) -> Recovered:
        """Reroute what dead runners held and what was not begun in time."""
        rerouted, quarantined, dead, next_look = self._call(
            _RECOVER, policy.grace, policy.max_pending, policy.max_recoveries, policy.limit
        )[0]
        return Recovered(
            rerouted,
            quarantined,
            tuple(RunnerId(r) for r in dead),
            None if next_look is None else float(next_look),
        )

    def promote(self, limit: int = 500) -> Promoted:
        """Make ready what is due."""
        count, next_due = self._call(_PROMOTE, limit)[0]
        return Promoted(count, next_due)

    def expire(self, limit: int = 500) -> int:
        """End as FAILED (expired) what nobody began in its time."""
        return int(self._call(_EXPIRE, limit)[0][0])

    def cancel(self, invocation_id: InvocationId, changed_by: str = "client") -> CancelAnswer:
        """End what is not owned as FAILED (cancelled); ask the owner for the rest."""
        return CancelAnswer(self._call(_CANCEL, invocation_id, changed_by)[0][0])

    def asked_to_stop(self, runner_id: RunnerId) -> list[InvocationId]:
        """Return what the runner holds and ``cancel`` was called for."""
        return [InvocationId(str(i)) for i in self._call(_ASKED_TO_STOP, runner_id)[0][0]]

    def register_runner(self, spec: RunnerSpec) -> None:
        """Announce a runner; the lock of a home connection of its own says that it lives.

        Where there is none, or a pooler shares its session out, the runner lives by its lease.
        """
        home = self._database.home
        lock = home is not None and home.can_lock
        parameters = (
            self._app,
            spec.runner_id,
            spec.runner_cls,
            spec.hostname,
            spec.pid,
            list(spec.queues),
            spec.concurrency,
            spec.lease,
            lock,
        )
        check_schema(self._database.call, self._database.schema)
        if home is None:
            self._database.call(_REGISTER_RUNNER, parameters, repeatable=False)
        else:
            home.execute(_REGISTER_RUNNER, parameters)
            self._locked_session = home.session if lock else 0

    def register_tasks(self, runner_id: RunnerId, tasks: Sequence[KnownTask]) -> int:
        """Tell all that the runner knows; what was set aside and it can take is offered again."""
        return int(self._call(_REGISTER_TASKS, runner_id, told(tasks))[0][0])

    def heartbeat(self, runner_id: RunnerId) -> Heartbeat:
        """Renew the runner's lease; on a new home connection, take its lock again."""
        home = self._database.home
        if home is None:
            *row, _ = self._database.call(_HEARTBEAT, (self._app, runner_id, False))[0]
        else:
            session = home.session
            relock = home.can_lock and session != self._locked_session
            *row, locked = home.execute(_HEARTBEAT, (self._app, runner_id, relock))[0]
            if locked:
                self._locked_session = session
        return Heartbeat(*row)

    def unregister_runner(self, runner_id: RunnerId) -> None:
        """Say goodbye; what it still held is released."""
        home = self._database.home
        if home is not None and home.healthy:
            try:
                home.execute(_UNREGISTER_RUNNER, (self._app, runner_id))
            except StoreUnavailableError:
                pass  # the pool may reach the server all the same
            else:
                return
        self._call(_UNREGISTER_RUNNER, runner_id)

    def pause_queue(self, queue: str, *, paused: bool = True) -> None:
        """Stop (or go on) giving out work of a queue."""
        self._call(_PAUSE_QUEUE, queue, paused)

    def watch(
        self, invocation_ids: Sequence[InvocationId], listener: str
    ) -> Mapping[InvocationId, Outcome]:
        """Ask for a wake-up of ``listener`` when each ends; those ended come back now."""
        rows = self._call(WATCH, list(invocation_ids), listener)
        if not rows:
            return {}
        ended = self._call(OUTCOMES, [row[0] for row in rows])
        return {found.invocation_id: found for found in map(outcome, ended)}

    def maintain(self) -> Sequence[str]:
        """House-keeping: partitions ahead, retention, idle lanes; says what it did."""
        kept = self._periods()
        return [row[0] for row in self._call(_MAINTAIN, kept.finished, kept.history)]

    def prune(self, after: str = "", limit: int = 500) -> Pruned:
        """Of ``limit`` ended ones, remove those that their task does not keep for so long."""
        removed, next_after = self._call(_PRUNE, after or _FIRST, limit)[0]
        return Pruned(removed, None if next_after is None else str(next_after))

    def purge(self) -> int:
        """Remove all the app's invocations, live and finished, with their history."""
        return int(self._call(_PURGE)[0][0])

    def count_by_status(self) -> Mapping[InvocationStatus, int]:
        """How many invocations there are."""
        return {InvocationStatus(status): count for status, count in self._call(_COUNT)}

    def _ended(
        self, statement: str, runner_id: RunnerId, part: Sequence[Ending | Again], *more: object
    ) -> list[tuple[Any, ...]]:
        """Write the ends of attempts; what they refer to has to be there."""
        ids = [end.invocation_id for end in part]
        large = [(end.invocation_id, each) for end in part for each in end.payloads]
        if not large:
            return self._call(statement, runner_id, ids, *more)
        self._holds.hold([each for _, each in large])
        refs = [(which, each.sha256) for which, each in large]
        referring = holding.referring(statement)
        return self._call(referring, runner_id, self._app, ids, *holding.columns(refs), *more)

    def _call(self, statement: str, *parameters: object) -> list[tuple[Any, ...]]:
        return self._database.call(statement, (self._app, *parameters))

    def _holding(
        self, statement: str, runner_id: RunnerId, holds: Sequence[Hold], *more: object
    ) -> dict[InvocationId, Answer]:
        rows = self._call(
            statement, runner_id, [h.invocation_id for h in holds], [h.lease for h in holds], *more
        )
        return {h.invocation_id: Answer.DONE for h in holds} | {
            InvocationId(i): Answer(a) for i, a in rows
        }
