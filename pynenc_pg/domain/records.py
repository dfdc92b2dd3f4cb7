"""The values that pass between the engine and a store.

Frozen, without behaviour. Durations are seconds; points in time are the store's clock, aware and
in UTC. ``arguments`` and ``value`` are wire JSON as text (see ``pynenc_pg.serializer.wire``).
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING

from pynenc_pg.domain.causes import Firing
from pynenc_pg.domain.concurrency import RateLimit
from pynenc_pg.domain.ids import InvocationId, RunnerId
from pynenc_pg.invocation.status import InvocationStatus, Reason

if TYPE_CHECKING:
    from pynenc_pg.domain.workflows import Child, Fork


@dataclass(frozen=True, slots=True)
class Payload:
    """A large value, serialised. In wire JSON ``{"$ref": sha256}`` stands for it."""

    sha256: str  # of the content, in hexadecimal digits
    content: bytes | None = field(repr=False)  # None: the store has it


@dataclass(frozen=True, slots=True)
class NewInvocation:
    """One call of a batch: what differs from its siblings."""

    invocation_id: InvocationId
    call_id: str  # hash of task and arguments
    arguments: str
    registration_key: str | None = None  # at most one not-yet-started invocation per key
    lane_key: str | None = None  # concurrency key: at most ``slots`` run at once


@dataclass(frozen=True, slots=True)
class Batch:
    """Calls of one task that are registered together, all or none."""

    task_id: str
    invocations: Sequence[NewInvocation]
    queue: str = "default"
    priority: float = 0.0  # -100..100, higher first
    ageing: float = 60.0  # the seconds of waiting that a point of priority is worth
    delay: float = 0.0
    at: datetime | None = None  # instead of a delay; what is past is now
    expires_in: float | None = None  # seconds in which it must begin, from when it may
    slots: int = 1
    rate_limit: RateLimit | None = None  # of a concurrency key
    must_not_wait: bool = False
    refuse_different: bool = False  # a registration key that belongs to other arguments
    parent_id: InvocationId | None = None
    depth: int = 0
    key: str | None = None  # of its one call: the first one with it counts
    cached: bool = False  # calls may become equal ones that have succeeded
    cache_ttl: float | None = None  # within so many seconds; None: however long ago
    options: str = "{}"  # JSON, kept for the runner that executes it
    changed_by: str = "client"
    payloads: Sequence[Payload] = ()  # each once
    refs: Sequence[tuple[InvocationId, str]] = ()  # which call needs which of them
    firings: Sequence[Firing] = ()  # by which causes they are started, one each
    retried_from: InvocationId | None = None  # its one call is that one again, and has no key
    own_workflow: bool = False  # each begins one of its own, whoever called it
    child: Child | None = None  # its one call is a step of a workflow, and has no key
    fork: Fork | None = None  # its one call goes on from a step of another run, and has no key


@dataclass(frozen=True, slots=True)
class Registered:
    """What a call became: a new invocation, or one that was there already."""

    invocation_id: InvocationId
    reused: bool


@dataclass(frozen=True, slots=True)
class Claimed:
    """An invocation a runner holds: PENDING, with a lease only this claim has."""

    invocation_id: InvocationId
    task_id: str
    arguments: str
    lease: int
    retries: int
    recoveries: int
    parent_id: InvocationId | None
    depth: int
    options: str
    queue: str = "default"


@dataclass(frozen=True, slots=True)
class Hold:
    """Names an owned invocation together with the proof that one owns it."""

    invocation_id: InvocationId
    lease: int


@dataclass(frozen=True, slots=True)
class Ending:
    """The end of an attempt that is also the end of the invocation: SUCCESS or FAILED."""

    invocation_id: InvocationId
    lease: int
    status: InvocationStatus
    value: str  # the result, or the exception
    reason: str | None = None
    payloads: Sequence[Payload] = ()  # those that the value refers to


@dataclass(frozen=True, slots=True)
class Again:
    """The end of an attempt after which the invocation is to be run again."""

    invocation_id: InvocationId
    lease: int
    reason: Reason
    delay: float = 0.0
    error: str | None = None  # the exception of this attempt, where there was one
    payloads: Sequence[Payload] = ()  # those that it refers to


@dataclass(frozen=True, slots=True)
class Settled:
    """The end of an attempt whose task had a transaction of its own: there is no result to write.

    It was committed with the task's own writes, or (no ``ending``) none of it was and the
    invocation is somebody else's; or nobody knows.
    """

    invocation_id: InvocationId
    lease: int
    ending: Ending | None = None
    doubtful: bool = False  # the connection was lost: it may or may not have been committed


class Cause(StrEnum):
    """Why a runner cannot take an invocation."""

    UNKNOWN_TASK = "unknown_task"  # its code has no such task
    ARGUMENTS = "arguments"  # the task takes others


@dataclass(frozen=True, slots=True)
class Aside:
    """The end of an attempt that was none: this runner's code cannot take the invocation."""

    invocation_id: InvocationId
    lease: int
    cause: Cause
    missing: tuple[str, ...] = ()  # parameters that nothing was given for
    unknown: tuple[str, ...] = ()  # arguments that no parameter takes


#: What becomes of an attempt.
End = Ending | Again | Aside | Settled


@dataclass(frozen=True, slots=True)
class SetAside:
    """An invocation that waits for a runner that can take it."""

    invocation_id: InvocationId
    task_id: str
    queue: str
    cause: Cause
    missing: tuple[str, ...]
    unknown: tuple[str, ...]
    refused_by: tuple[RunnerId, ...]


@dataclass(frozen=True, slots=True)
class Waiting:
    """What an invocation waits for, and whom to tell of each end."""

    awaited: Sequence[InvocationId]  # at least one
    listener: str
    any_of: bool = False  # one of them is enough; else it is the first one that counts

    def enough(self, ended: Collection[InvocationId]) -> bool:
        """Whether these ends are what was waited for."""
        return bool(ended) if self.any_of else self.awaited[0] in ended

    @property
    def needed(self) -> Sequence[InvocationId]:
        """Those whose ends count; of the others one only hears."""
        return self.awaited if self.any_of else self.awaited[:1]


class Answer(StrEnum):
    """What became of one id of a batch. The others of the batch are not affected."""

    DONE = "done"
    LOST = "lost"  # the lease is not (or no longer) ours, or the status forbids it
    ALREADY = "already"  # the very same change was made before: a repeat after a lost reply
    REFUSED = "refused"  # the store cannot take its value


class CancelAnswer(StrEnum):
    """What ``cancel`` did."""

    CANCELLED = "cancelled"  #: ended now
    REQUESTED = "requested"  #: owned by a runner; it ends at its owner's next step
    FINAL = "final"  #: it had ended before
    UNKNOWN = "unknown"  #: no such invocation


@dataclass(frozen=True, slots=True)
class RunnerSpec:
    """What a runner tells about itself."""

    runner_id: RunnerId
    runner_cls: str
    queues: tuple[str, ...] = ()  # none named: all of them
    concurrency: int = 1
    hostname: str = ""
    pid: int = 0
    lease: float = 30.0  # seconds it is believed alive after a heartbeat


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """What a runner hears when it reports that it lives."""

    alive: bool  # false: declared dead, its work is with others
    position: int = 0  # by age among the live runners of the app; 0 leads
    others: bool = False  # other runners are registered, alive or not


@dataclass(frozen=True, slots=True)
class RecoveryPolicy:
    """When a runner counts as dead, and how often one invocation may be recovered."""

    grace: float = 1.0  # seconds a lock may be gone
    max_pending: float | None = 5.0  # seconds between claim and start; None: not looked at now
    max_recoveries: int = 3
    limit: int = 500  # rows a call may move


@dataclass(frozen=True, slots=True)
class Recovered:
    """What one sweep did."""

    rerouted: int = 0
    quarantined: int = 0
    dead_runners: tuple[RunnerId, ...] = ()
    next_look: float | None = None  # seconds until a suspect runner is past its grace


@dataclass(frozen=True, slots=True)
class Promoted:
    """What became due."""

    count: int = 0
    next_due: float | None = None  # seconds until the next one


@dataclass(frozen=True, slots=True)
class Collected:
    """One step through the payloads."""

    removed: int
    after: str | None  # where to go on; None: it was the last step


@dataclass(frozen=True, slots=True)
class Outcome:
    """How an invocation ended. Written once, never changed."""

    invocation_id: InvocationId
    status: InvocationStatus
    value: str | None
    reason: str | None
    runner_id: str | None
    finished_at: datetime


@dataclass(frozen=True, slots=True)
class InvocationRecord:
    """An invocation as it stands now, live or finished."""

    invocation_id: InvocationId
    task_id: str
    call_id: str
    arguments: str
    queue: str
    status: InvocationStatus
    reason: str | None
    runner_id: str | None
    retries: int
    recoveries: int
    parent_id: InvocationId | None
    depth: int
    due_at: datetime | None
    registered_at: datetime
    status_at: datetime


@dataclass(frozen=True, slots=True)
class CallRecord:
    """What an invocation was called with beside its arguments, and its owner's lease."""

    priority: float
    options: str  # JSON
    retried_from: InvocationId | None
    lease: int | None = None  # None: nobody owns it now


@dataclass(frozen=True, slots=True)
class QueueInfo:
    """A queue and what stands in it now. Of a great many the counts are estimates."""

    name: str  #: as the option ``queue`` of a task
    paused: bool  #: no runner takes anything from it
    ready: int  #: a runner could claim them, if it were not paused
    scheduled: int  #: ready later
    parked: int  #: until a slot of their concurrency key is free
    pending: int  #: claimed, not begun
    running: int
    waiting: int  #: for others, that is PAUSED
    oldest_ready: float | None = None  #: seconds since what has stood longest was ready
    exact: bool = True  #: false: the counts are estimates


@dataclass(frozen=True, slots=True)
class HistoryEntry:
    """One status change. ``rev`` counts from 0 without a gap."""

    rev: int  #: 0 is the call
    previous_status: InvocationStatus | None  #: None: it was registered
    status: InvocationStatus  #: the one it got
    reason: str | None  #: a ``Reason``, or the words of whoever did it
    runner_id: str | None  #: the runner that has it since; None: nobody
    changed_by: str | None  #: a runner, a client, or a user of the database
    at: datetime  #: by the store's clock; aware, in UTC
    error: str | None = None  #: of an attempt that failed: its exception, as wire JSON


@dataclass(frozen=True, slots=True)
class Wakeup:
    """A hint that something happened; never the only way to find out."""

    # work | due | runner | cancel | result | cause: of a trigger, to be looked at |
    # session: this session is a new one
    kind: str
    ids: tuple[InvocationId, ...] = ()  # of kind result: what ended; none named means "look at all"
    due_in: float | None = field(default=None)  # of kind due: seconds until it is
    roused: tuple[str, ...] = ()  # of kind work: the runners meant; none named means all
