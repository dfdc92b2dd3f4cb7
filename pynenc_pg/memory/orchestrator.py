"""Writes: each method is one verb under the lock."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import timedelta
from functools import partial

from pynenc_pg.domain.ids import InvocationId, RunnerId
from pynenc_pg.domain.known import KnownTask
from pynenc_pg.domain.records import (
    Again,
    Answer,
    Aside,
    Batch,
    Claimed,
    Ending,
    Heartbeat,
    Hold,
    Outcome,
    Promoted,
    Recovered,
    RecoveryPolicy,
    Registered,
    RunnerSpec,
    Waiting,
)
from pynenc_pg.domain.retention import Periods
from pynenc_pg.exceptions import InvocationStatusOwnershipError
from pynenc_pg.invocation.status import FINAL, SPENDING, InvocationStatus, Reason
from pynenc_pg.memory.checks import check_steps
from pynenc_pg.memory.commands import MemCommands
from pynenc_pg.memory.database import MemDatabase
from pynenc_pg.memory.known import register_tasks, set_aside
from pynenc_pg.memory.lanes import Standing, free_slots, settle_slots, take_slots
from pynenc_pg.memory.payloads import keep, keepable
from pynenc_pg.memory.recovery import give_back, recover
from pynenc_pg.memory.registration import due, register
from pynenc_pg.memory.rows import Lane, Row
from pynenc_pg.memory.runners import heartbeat, live_runner, register_runner
from pynenc_pg.memory.timed import expire, promote
from pynenc_pg.memory.waits import pause, watch

S = InvocationStatus
BEGUN = frozenset({S.RUNNING, S.RESUMED})
#: Seconds until what is set aside is due by itself: a hundred years.
NEVER = 100 * 365.25 * 86_400


class MemOrchestrator(MemCommands):
    """Every status change is one of these verbs. See ``pynenc_pg.ports.Orchestrator``."""

    def __init__(self, database: MemDatabase, periods: Callable[[], Periods] = Periods) -> None:
        """Use the rows of ``database``; ``periods`` answers what is kept."""
        self._database = database
        self._periods = periods

    # --- calls --------------------------------------------------------------------------------

    def register(self, batch: Batch) -> list[Registered]:
        """Accept calls as REGISTERED, all or none; answers stand in the order of the batch."""
        database = self._database
        with database.lock:
            registered = register(database, batch)
            now = database.clock()
            if (due_at := due(batch, now)) is not None:
                database.tell("due", due_in=(due_at - now).total_seconds())
            elif any(runner.idle for runner in database.runners.values()):
                database.tell("work")  # the others look again before they sleep
            return registered

    # --- an attempt ---------------------------------------------------------------------------

    def claim(
        self, runner_id: RunnerId, queues: Sequence[str], limit: int, begin_below: int = 0
    ) -> list[Claimed]:
        """Take up to ``limit`` ready invocations, by rank, as PENDING with a fresh lease each."""
        database = self._database
        with database.lock:
            runner = live_runner(database, runner_id)
            now = database.clock()
            queues = database.open_queues(queues)
            lanes, candidates = take_slots(database, queues, limit, now)
            taken: list[Row] = []
            for queue in queues:
                left = limit - len(taken)
                if left <= 0:
                    break
                place = database.queues[queue]
                found = place.awaited.first(left, lambda row: not row.expired(now))
                found += place.ready.first(
                    left - len(found), lambda row: row.awaited is None and not row.expired(now)
                )
                found += [row for row in candidates if row.queue == queue]
                ranked = sorted(found, key=partial(_turn, candidates))
                taken += ranked[:left]
            settle_slots(database, lanes, candidates, taken, runner_id)
            runner.idle = len(taken) < limit
            return [self._give(row, runner_id, begin_below) for row in taken]

    def _give(self, row: Row, runner_id: RunnerId, begin_below: int) -> Claimed:
        database = self._database
        database.leases += 1
        row.lease = database.leases
        database.move(row, S.PENDING, runner_id, runner_id=runner_id)
        if row.recoveries < begin_below:
            self._begin(row, runner_id)
        batch = row.call.batch
        return Claimed(
            invocation_id=row.invocation_id,
            task_id=batch.task_id,
            arguments=row.call.new.arguments,
            lease=row.lease,
            retries=row.retries,
            recoveries=row.recoveries,
            parent_id=batch.parent_id,
            depth=batch.depth,
            options=batch.options,
            queue=batch.queue,
        )

    def start(self, runner_id: RunnerId, holds: Sequence[Hold]) -> Mapping[InvocationId, Answer]:
        """PENDING -> RUNNING."""
        database = self._database
        answers: dict[InvocationId, Answer] = {}
        with database.lock:
            off = [h for h in holds if self._held(runner_id, h, {S.PENDING}, cancelled=True)]
            if off:
                self.release(runner_id, off)
            for hold in holds:
                row = self._held(runner_id, hold, {S.PENDING})
                if row is not None:
                    self._begin(row, runner_id)
                    answers[hold.invocation_id] = Answer.DONE
                else:
                    again = self._held(runner_id, hold) is not None
                    answer = Answer.ALREADY if again else Answer.LOST
                    answers.setdefault(hold.invocation_id, answer)
        return answers

    def _begin(self, row: Row, runner_id: RunnerId) -> None:
        self._database.begin(row)
        self._database.move(row, S.RUNNING, runner_id, runner_id=runner_id)

    def finish(
        self, runner_id: RunnerId, endings: Sequence[Ending]
    ) -> Mapping[InvocationId, Answer]:
        """RUNNING or RESUMED -> SUCCESS or FAILED."""
        database = self._database
        answers: dict[InvocationId, Answer] = {}
        with database.lock:
            lanes = self._lanes(e.invocation_id for e in endings)
            done: set[InvocationId] = set()
            refused = {
                e.invocation_id
                for e in endings
                if e.status not in FINAL or not keepable(database, e.value, e)
            }
            check_steps(
                (self._held(runner_id, e, BEGUN), e.status, e.reason)
                for e in endings
                if e.invocation_id not in refused
            )
            for e in endings:
                row = self._held(runner_id, e, BEGUN)
                if row is not None and e.invocation_id in refused:
                    answers[e.invocation_id] = Answer.REFUSED
                elif row is not None:
                    keep(database, e)
                    database.end(
                        row, e.status, runner_id,
                        reason=e.reason, value=e.value, by_runner=runner_id,
                    )  # fmt: skip
                    done.add(e.invocation_id)
                    answers[e.invocation_id] = Answer.DONE
                else:
                    ended = database.ended.get(e.invocation_id)
                    same = ended and (ended.lease, ended.outcome.runner_id) == (e.lease, runner_id)
                    answers.setdefault(e.invocation_id, Answer.ALREADY if same else Answer.LOST)
            free_slots(database, lanes, done, runner_id)
        return answers

    def retry(self, runner_id: RunnerId, agains: Sequence[Again]) -> Mapping[InvocationId, Answer]:
        """RUNNING or RESUMED -> RETRY, ready when its delay is over."""
        database = self._database
        answers: dict[InvocationId, Answer] = {}
        with database.lock:
            lanes = self._lanes(a.invocation_id for a in agains)
            done: set[InvocationId] = set()
            check_steps((self._held(runner_id, a, BEGUN), S.RETRY, a.reason) for a in agains)
            for a in agains:
                row = self._held(runner_id, a, BEGUN)
                if row is None:
                    before = (a.invocation_id, a.lease) in database.retried
                    answers.setdefault(a.invocation_id, Answer.ALREADY if before else Answer.LOST)
                elif not keepable(database, a.error, a):
                    answers[a.invocation_id] = Answer.REFUSED
                else:
                    keep(database, a)
                    self._again(row, a, runner_id)
                    done.add(a.invocation_id)
                    answers[a.invocation_id] = Answer.DONE
            free_slots(database, lanes, done, runner_id)
            if done:
                database.tell("work")
        return answers

    def _again(self, row: Row, again: Again, runner_id: RunnerId) -> None:
        database = self._database
        if again.delay > 0:
            row.due_at = database.clock() + timedelta(seconds=again.delay)
            database.timed.add(row.invocation_id)
        database.move(row, S.RETRY, runner_id, reason=again.reason, error=again.error)
        row.retries += again.reason in SPENDING
        database.retried.add((row.invocation_id, again.lease))
        if row.cancel_requested:
            database.end(row, S.FAILED, runner_id, reason=Reason.CANCELLED)
        elif again.delay > 0:
            woken = row.invocation_id in database.runs.woken
            database.tell("due", due_in=0 if woken else again.delay)

    def set_aside(
        self, runner_id: RunnerId, asides: Sequence[Aside]
    ) -> Mapping[InvocationId, Answer]:
        """RUNNING -> RETRY, offered again when a runner comes that can take it."""
        with self._database.lock:
            answers = self.retry(
                runner_id,
                [Again(a.invocation_id, a.lease, Reason.SNOOZED, NEVER) for a in asides],
            )
            done = [a for a in asides if answers[a.invocation_id] is Answer.DONE]
            set_aside(self._database, done, runner_id)
            return answers

    def release(self, runner_id: RunnerId, holds: Sequence[Hold]) -> Mapping[InvocationId, Answer]:
        """Give back what one holds."""
        return self._give_back(runner_id, holds)

    def crash(
        self, runner_id: RunnerId, holds: Sequence[Hold], max_recoveries: int
    ) -> Mapping[InvocationId, Answer]:
        """Give back what a process of the runner was executing when it died."""
        return self._give_back(runner_id, holds, max_recoveries)

    def _give_back(
        self, runner_id: RunnerId, holds: Sequence[Hold], max_recoveries: int | None = None
    ) -> Mapping[InvocationId, Answer]:
        answers: dict[InvocationId, Answer] = {}
        with self._database.lock:
            rows = []
            for hold in holds:
                row = self._held(runner_id, hold)
                answers.setdefault(hold.invocation_id, Answer.LOST if row is None else Answer.DONE)
                if row is not None and row not in rows:
                    rows.append(row)
            give_back(self._database, rows, runner_id, max_recoveries)
        return answers

    def release_strays(self, runner_id: RunnerId, known: Collection[InvocationId]) -> int:
        """Give back what the runner holds and does not know of."""
        with self._database.lock:
            strays = [
                Hold(row.invocation_id, row.lease)
                for row in self._database.live.values()
                if row.runner_id == runner_id
                and row.invocation_id not in known
                and row.lease is not None
            ]
            self.release(runner_id, strays)
        return len(strays)

    def pause(
        self, runner_id: RunnerId, hold: Hold, waiting: Waiting
    ) -> Mapping[InvocationId, Outcome]:
        """RUNNING or RESUMED -> PAUSED until others end; those that have ended come back now."""
        with self._database.lock:
            row = self._held(runner_id, hold, {*BEGUN, S.PAUSED})
            if row is None:
                message = (
                    f"invocation {hold.invocation_id} cannot wait: runner {runner_id} does not "
                    "hold it. It was given to another runner; its task must stop"
                )
                raise InvocationStatusOwnershipError(message)
            return pause(self._database, row, waiting, runner_id)

    def resume(
        self,
        runner_id: RunnerId,
        holds: Sequence[Hold],
        forget: Sequence[InvocationId] = (),
    ) -> Mapping[InvocationId, Answer]:
        """PAUSED -> RESUMED."""
        database = self._database
        answers: dict[InvocationId, Answer] = {}
        with database.lock:
            for hold in holds:
                row = self._held(runner_id, hold, {S.PAUSED})
                if row is not None:
                    database.move(row, S.RESUMED, runner_id, runner_id=runner_id)
                    answers[hold.invocation_id] = Answer.DONE
                else:
                    again = self._held(runner_id, hold, BEGUN) is not None
                    answer = Answer.ALREADY if again else Answer.LOST
                    answers.setdefault(hold.invocation_id, answer)
                if self._held(runner_id, hold) is not None:
                    database.forget_waits(hold.invocation_id, forget)
        return answers

    # --- house-keeping ------------------------------------------------------------------------

    def recover(self, policy: RecoveryPolicy) -> Recovered:
        """Reroute what dead runners held and what was not begun in time."""
        with self._database.lock:
            return recover(self._database, policy)

    def promote(self, limit: int = 500) -> Promoted:
        """Make ready what is due."""
        with self._database.lock:
            return promote(self._database, limit)

    def expire(self, limit: int = 500) -> int:
        """End as FAILED (expired) what nobody began in its time."""
        with self._database.lock:
            return expire(self._database, limit)

    def register_runner(self, spec: RunnerSpec) -> None:
        """Announce a runner."""
        with self._database.lock:
            register_runner(self._database, spec)

    def register_tasks(self, runner_id: RunnerId, tasks: Sequence[KnownTask]) -> int:
        """Tell all that the runner knows; what was set aside and it can take is offered again."""
        with self._database.lock:
            return register_tasks(self._database, runner_id, tasks)

    def heartbeat(self, runner_id: RunnerId) -> Heartbeat:
        """Renew the runner's lease."""
        with self._database.lock:
            return heartbeat(self._database, runner_id)

    def unregister_runner(self, runner_id: RunnerId) -> None:
        """Say goodbye; what it still held is released."""
        database = self._database
        with database.lock:
            rows = [r for r in database.live.values() if r.runner_id == runner_id]
            self.release(runner_id, [Hold(r.invocation_id, r.lease or 0) for r in rows])
            if database.causes.come_back([runner_id], database.clock()):
                database.tell("cause")
            database.runners.pop(runner_id, None)
            database.tell("runner")

    def watch(
        self, invocation_ids: Sequence[InvocationId], listener: str
    ) -> Mapping[InvocationId, Outcome]:
        """Ask for a wake-up of ``listener`` when each ends; those ended come back now."""
        with self._database.lock:
            return watch(self._database, invocation_ids, listener)

    # --- what several verbs need --------------------------------------------------------------

    def _held(
        self,
        runner_id: RunnerId,
        hold: Hold | Ending | Again,
        statuses: Iterable[InvocationStatus] | None = None,
        *,
        cancelled: bool = False,
    ) -> Row | None:
        row = self._database.live.get(hold.invocation_id)
        if row is None or (row.runner_id, row.lease) != (runner_id, hold.lease):
            return None
        if statuses is not None and row.status not in statuses:
            return None
        return None if cancelled and not row.cancel_requested else row

    def _lanes(self, ids: Iterable[InvocationId]) -> list[Lane]:
        rows = (self._database.live.get(i) for i in ids)
        return list({id(r.lane): r.lane for r in rows if r is not None and r.lane}.values())


def _turn(stands: Mapping[Row, Standing], row: Row) -> tuple[float, Standing, InvocationId]:
    """What others wait for first, the deepest before the others; then by where it stands."""
    depth = math.inf if row.awaited is None else -row.awaited
    return depth, stands.get(row, (row.rank, 0)), row.invocation_id
