"""The whole contract between the engine and a store.

Orchestrator writes, state backend reads, broker wakes, trigger reacts, client data store holds.
Each method of ``Orchestrator`` and ``Trigger`` is one verb, one transaction, and has the same name
in SQL, in memory and in ``tests/contract``. A store serves one app: two stores with different app
ids never see each other's work.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

from pynenc_pg.domain.ids import InvocationId, RunnerId
from pynenc_pg.domain.known import KnownTask
from pynenc_pg.domain.records import (
    Again,
    Answer,
    Aside,
    Batch,
    CallRecord,
    CancelAnswer,
    Claimed,
    Collected,
    Ending,
    Heartbeat,
    HistoryEntry,
    Hold,
    InvocationRecord,
    Outcome,
    Payload,
    Promoted,
    QueueInfo,
    Recovered,
    RecoveryPolicy,
    Registered,
    RunnerSpec,
    SetAside,
    Waiting,
    Wakeup,
)
from pynenc_pg.domain.why import Why
from pynenc_pg.retention_port import Retention
from pynenc_pg.trigger_port import Trigger
from pynenc_pg.workflow_port import Workflows

Answers = Mapping[InvocationId, Answer]

#: Seconds for which a payload stays that nobody refers to: a reference may be on its way.
UNREFERRED: Final = 86_400.0


class Orchestrator(Retention, Protocol):
    """Writes: every status change is one of these verbs."""

    def register(self, batch: Batch) -> list[Registered]:
        """Accept calls as REGISTERED, all or none; answers stand in the order of the batch.

        A call whose ``registration_key`` belongs to a not-yet-started invocation becomes that
        one. A call of a ``cached`` batch becomes the one of its ``call_id``, cached as well, that
        succeeded last, if that was within ``cache_ttl`` before this one may begin. ``key`` comes
        first, then that, then ``registration_key``. The same id again is the same call: nothing is
        written twice. Its payloads are stored with it, and stay as long as what refers to them.

        Raises:
            InvocationConcurrencyWithDifferentArgumentsError: the batch refuses what has the key
                of another and not its ``call_id``.
            StepTakenError: it is a step of a workflow, and another call stands at its path.
            InvocationStatusOwnershipError: that workflow is not (or no longer) the author's.
            InvocationCancelledError: that workflow is to stop.
            WorkflowPausedError: that workflow is paused.
        """
        ...

    def register_within(self, session: object, batch: Batch) -> list[Registered]:
        """Like ``register``, in the caller's own transaction: nothing is there unless it commits.

        Raises:
            TypeError: nothing of that type can be used.
            StoreError: this store has no transactions.
        """
        ...

    async def register_within_async(self, session: object, batch: Batch) -> list[Registered]:
        """Like ``register_within``, for a session that is awaited."""
        ...

    def claim(
        self, runner_id: RunnerId, queues: Sequence[str], limit: int, begin_below: int = 0
    ) -> list[Claimed]:
        """Take up to ``limit`` ready invocations, by rank, as PENDING with a fresh lease each.

        Those that were recovered fewer than ``begin_below`` times go on to RUNNING at once.
        ``queues`` in the order they are served; none named means all, ``*`` all others. Of a
        concurrency key no more than its slots are taken; the first beyond them is parked, and one
        that must not wait ends as CONCURRENCY_CONTROLLED_FINAL. Paused queues give nothing. A
        runner that is not registered, or was declared dead, gets ``RunnerFencedError``.
        """
        ...

    def start(self, runner_id: RunnerId, holds: Sequence[Hold]) -> Answers:
        """PENDING -> RUNNING. One whose cancellation was asked for ends here and is LOST."""
        ...

    def finish(self, runner_id: RunnerId, endings: Sequence[Ending]) -> Answers:
        """RUNNING or RESUMED -> SUCCESS or FAILED: outcome kept, slot freed, waiters woken.

        Payloads whose content is not given must have been stored before with ``hold``.
        """
        ...

    def retry(self, runner_id: RunnerId, agains: Sequence[Again]) -> Answers:
        """RUNNING or RESUMED -> RETRY, ready when its delay is over; slot freed.

        ``retries`` grows with the reasons error and timeout alone. If cancellation was asked
        for, it ends as FAILED (cancelled) instead, still DONE.
        """
        ...

    def set_aside(self, runner_id: RunnerId, asides: Sequence[Aside]) -> Answers:
        """RUNNING -> RETRY (snoozed), offered again when a runner comes that can take it.

        At once where another one is there that has told so, later with each refusal. Spends no
        retry; what must be begun in its time still must. A cancelled one ends instead.
        """
        ...

    def release(self, runner_id: RunnerId, holds: Sequence[Hold]) -> Answers:
        """Give back what one holds: PENDING -> REROUTED, begun -> KILLED -> REROUTED."""
        ...

    def crash(self, runner_id: RunnerId, holds: Sequence[Hold], max_recoveries: int) -> Answers:
        """Give back what a process of the runner was executing when it died; the runner lives.

        Begun -> RUNNING_RECOVERY -> REROUTED. It counts a recovery, and ends as FAILED
        (recoveries_exhausted) beyond ``max_recoveries``.
        """
        ...

    def release_strays(self, runner_id: RunnerId, known: Collection[InvocationId]) -> int:
        """Give back what the runner holds and does not know of: a claim's answer may be lost.

        Claims of it that are still under way are waited for. Returns how many there were.
        """
        ...

    def recover(self, policy: RecoveryPolicy) -> Recovered:
        """Reroute what dead runners held and what was not begun in time.

        What live runners hold is looked at only where the policy says how long it may be pending.
        Begun work counts a recovery, and ends as FAILED (recoveries_exhausted) beyond the limit.
        """
        ...

    def promote(self, limit: int = 500) -> Promoted:
        """Make ready what is due."""
        ...

    def expire(self, limit: int = 500) -> int:
        """End as FAILED (expired) what nobody began in its time; returns how many."""
        ...

    def cancel(self, invocation_id: InvocationId, changed_by: str = "client") -> CancelAnswer:
        """End what is not owned as FAILED (cancelled); ask the owner for the rest."""
        ...

    def register_runner(self, spec: RunnerSpec) -> None:
        """Announce a runner. The same id again is an error while that runner is believed alive."""
        ...

    def register_tasks(self, runner_id: RunnerId, tasks: Sequence[KnownTask]) -> int:
        """Tell all that the runner knows; what was set aside and it can take is offered again.

        Returns how many these were, ``MOST_FREED`` at most: again, for the rest.

        Raises:
            RunnerFencedError: it is not registered, or was declared dead.
        """
        ...

    def heartbeat(self, runner_id: RunnerId) -> Heartbeat:
        """Renew the runner's lease, unless it was declared dead."""
        ...

    def asked_to_stop(self, runner_id: RunnerId) -> list[InvocationId]:
        """Return what the runner holds and ``cancel`` was called for: hints may be lost."""
        ...

    def unregister_runner(self, runner_id: RunnerId) -> None:
        """Say goodbye; what it still held is released."""
        ...

    def pause_queue(self, queue: str, *, paused: bool = True) -> None:
        """Stop (or go on) giving out work of a queue, which need not have had any so far.

        Raises:
            DataRejectedError: no queue can have that name.
        """
        ...

    def pause(
        self, runner_id: RunnerId, hold: Hold, waiting: Waiting
    ) -> Mapping[InvocationId, Outcome]:
        """RUNNING or RESUMED -> PAUSED until others end; those that have ended come back now.

        Nothing moves if enough of them have. Each later end is a wake-up of the listener; the
        owner resumes by itself. What is waited for is claimed first from now on. Again, by the
        owner of a paused one, it adds what is waited for.

        Raises:
            InvocationStatusOwnershipError: the lease is not (or no longer) ours.
            InvocationCycleError: the wait would never end; nothing has changed.
            InvocationNotFoundError: nobody knows what is waited for.
        """
        ...

    def resume(
        self,
        runner_id: RunnerId,
        holds: Sequence[Hold],
        forget: Sequence[InvocationId] = (),
    ) -> Answers:
        """PAUSED -> RESUMED; ``forget`` is what these do not wait for any longer."""
        ...

    def watch(
        self, invocation_ids: Sequence[InvocationId], listener: str
    ) -> Mapping[InvocationId, Outcome]:
        """Ask for a wake-up of ``listener`` when each of these ends; those ended come back now."""
        ...


class StateBackend(Protocol):
    """Reads. An id nobody knows is ``InvocationNotFoundError``."""

    def get_invocation(self, invocation_id: InvocationId) -> InvocationRecord:
        """Everything about one invocation but its value."""
        ...

    def get_call(self, invocation_id: InvocationId) -> CallRecord:
        """Return what it was called with beside its arguments."""
        ...

    def get_outcomes(self, ids: Sequence[InvocationId]) -> Mapping[InvocationId, Outcome]:
        """Return the outcomes of those that have ended; unknown and live ones are left out."""
        ...

    def get_history(self, invocation_id: InvocationId) -> list[HistoryEntry]:
        """Every status change, oldest first."""
        ...

    def count_ready(self, queue: str | None = None) -> int:
        """How many a runner could claim now, in one queue or in all."""
        ...

    def get_queues(self) -> list[QueueInfo]:
        """Every queue that a call or a pause has named so far, by name."""
        ...

    def get_set_aside(self) -> list[SetAside]:
        """Return what waits for a runner that can take it, oldest first."""
        ...

    def is_served(self, queue: str) -> bool:
        """Whether a runner that is believed alive takes work of that queue."""
        ...

    def why(self, invocation_id: InvocationId) -> list[Why]:
        """Return why it is not running, what matters most first; of an unknown id, too."""
        ...

    def clock_offset(self) -> float:
        """Seconds the store's clock is ahead of this machine's."""
        ...


class Subscription(Protocol):
    """A place where hints arrive. Belongs to one thread; closing it ends it."""

    @property
    def listener(self) -> str:
        """The name to give to ``Orchestrator.watch``."""
        ...

    @property
    def healthy(self) -> bool:
        """False while hints may be missed; poll more often then."""
        ...

    def wait(self, timeout: float) -> list[Wakeup]:
        """Sleep until a hint, ``interrupt`` or the timeout (seconds)."""
        ...

    def interrupt(self) -> None:
        """Wake the sleeping thread; may be called from any thread."""
        ...

    def close(self) -> None:
        """Stop listening."""
        ...


class Broker(Protocol):
    """Wakes. Everything works without it, only later."""

    def subscribe(self, *, work: bool) -> Subscription:
        """Listen for the ends that were asked for with ``watch`` and, if ``work``, for work."""
        ...


class OwnTransaction(Protocol):
    """A transaction that a task writes in, and its end with it. Each method can be used once.

    One thread at a time uses it. Whatever one of these raises, it is rolled back by then.
    """

    def lend(self, *, sqlalchemy: bool) -> Any:
        """Begin it; return a connection of psycopg, or of SQLAlchemy, to write with.

        Raises:
            StoreUnavailableError: no session could be had.
        """
        ...

    async def lend_async(self, *, sqlalchemy: bool) -> Any:
        """Like ``lend``; the connection is one that is awaited."""
        ...

    def take_back(self) -> None:
        """Make the connection useless; the transaction stays open.

        Raises:
            TransactionError: there is nothing any more that could be committed.
        """
        ...

    async def take_back_async(self) -> None:
        """Like ``take_back``, for a connection that is awaited."""
        ...

    def finish(self, runner_id: RunnerId, ending: Ending) -> Answer:
        """RUNNING or RESUMED -> SUCCESS in it, then commit; rolled back unless that is DONE.

        Raises:
            OutcomeUnknownError: the commit was sent and not answered.
            StoreUnavailableError: the connection was lost, or others stood in the way.
        """
        ...

    def roll_back(self) -> None:
        """End it. Raises nothing; harmless where it has ended already."""
        ...

    async def roll_back_async(self) -> None:
        """Like ``roll_back``, while a connection is lent that is awaited."""
        ...


class ClientDataStore(Protocol):
    """Holds large values, each once, by the SHA-256 of its content."""

    def hold(self, payloads: Sequence[Payload]) -> None:
        """Store them. They stay for ``UNREFERRED`` seconds at least, though nobody refers to them.

        Raises:
            DataRejectedError: one is too large.
        """
        ...

    def fetch(self, hashes: Sequence[str]) -> dict[str, bytes]:
        """Return their contents, unchecked; those that are not there are left out."""
        ...

    def collect(self, after: str = "", limit: int = 1000) -> Collected:
        """Remove, of ``limit`` payloads from a place on, the old ones nobody refers to."""
        ...


@dataclass(frozen=True, slots=True)
class Store:
    """One family of components over one database (or memory), for one app."""

    orchestrator: Orchestrator
    state_backend: StateBackend
    broker: Broker
    transaction: Callable[[], OwnTransaction]  # a new one; refused where there are none
    client_data_store: ClientDataStore
    trigger: Trigger
    workflows: Workflows
    close: Callable[[], None]
    migrate: Callable[[], None]  # brings the tables up to date
    processes: bool  # other processes see the same work
    signed: bool = False  # nobody believes what stands there unless it is signed
