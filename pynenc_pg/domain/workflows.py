"""What passes between the engine and a store about workflows.

Each operation of a workflow is a *step*: it has a place in the run of its task, its *path*, and is
written once, by whoever comes first. A later attempt of the same invocation reads it back instead.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

from pynenc_pg.domain.ids import InvocationId, RunnerId
from pynenc_pg.domain.records import Hold
from pynenc_pg.invocation.status import InvocationStatus

#: Seconds: until it is woken. A due time further away than that cannot be kept everywhere.
FOREVER: Final = 100 * 365.25 * 86_400.0
#: Characters of a value, as JSON: a step is read again at each attempt.
LONGEST_VALUE: Final = 1_000_000
#: Characters of what a step says it is about, and of a key of the data.
LONGEST_ABOUT: Final = 1_000
#: Steps of one attempt, which its runner counts: all of them are read at each later one.
MOST_STEPS: Final = 100_000


class StepKind(StrEnum):
    """What an operation is."""

    RANDOM = "random"  #: ``wf.random``
    UUID = "uuid"  #: ``wf.uuid``
    UTC_NOW = "utc_now"  #: ``wf.utc_now``
    SET_DATA = "set_data"  #: an item of the data was set
    GET_DATA = "get_data"  #: an item of the data was read
    TASK = "task"  #: another task was called
    STEP = "step"  #: a function was called, here
    SLEEP = "sleep"  #: it slept until a time
    EVENT = "event"  #: it was waited for
    PAUSE = "pause"  #: it waited until somebody let it go on
    PATCHED = "patched"  #: from here on the code is a newer one


@dataclass(frozen=True, slots=True)
class Author:
    """Who writes a step: the runner that executes the invocation, with the proof that it does."""

    runner_id: RunnerId
    hold: Hold


@dataclass(frozen=True, slots=True)
class NewStep:
    """An operation that is to be written down."""

    path: str  # numbers with dots: "3", "4.1.2"
    kind: StepKind
    about: str  # what was asked for, in words: another thing at the same path is another workflow
    value: str | None = None  # JSON; None: nothing, or what the store finds out
    run: int = 0  # of a task that has failed: how often it was called anew
    retries: int = 0  # of the invocation, in this attempt
    #: Paths of tasks that have failed, which the workflow knew of when it came here.
    survived: tuple[str, ...] = ()
    key: str | None = None  # of the data, or the code of an event
    event_id: str | None = None  # what was waited for; None: in vain
    delay: float | None = None  # of a sleep: seconds; its value is its end then


@dataclass(frozen=True, slots=True)
class Step:
    """An operation that stands written."""

    path: str
    kind: StepKind
    about: str
    value: str | None
    at: datetime
    run: int = 0
    retries: int = 0
    survived: tuple[str, ...] = ()
    key: str | None = None
    event_id: str | None = None
    child_id: InvocationId | None = None  # the invocation that the call became
    failed: bool = False  # that one has ended, and not in success
    #: Seconds until the end of a sleep, by the store's clock; ``FOREVER`` for a pause that lasts.
    left: float | None = None


@dataclass(frozen=True, slots=True)
class Child:
    """The one call of a batch is a step of a workflow: both are written, or neither."""

    author: Author
    step: NewStep


@dataclass(frozen=True, slots=True)
class Fork:
    """The one call of a batch has the steps of another run before a path, and its data."""

    source: InvocationId
    before: str


@dataclass(frozen=True, slots=True)
class WaitSpec:
    """An event that a workflow waits for."""

    path: str
    code: str
    #: What the payload must contain, in the sense of ``jsonb @>``; None: anything.
    filter: Mapping[str, Any] | None = None
    timeout: float | None = None  # seconds, from the first time it is asked


@dataclass(frozen=True, slots=True)
class SeenEvent:
    """An event that may be the one."""

    event_id: str
    payload: str  # in the wire format
    emitted_at: datetime


@dataclass(frozen=True, slots=True)
class Look:
    """What came of looking for an event."""

    event: SeenEvent | None
    left: float | None  # seconds until it is waited for in vain; None: for ever


@dataclass(frozen=True, slots=True)
class RunInfo:
    """A run among others: what it is, and what it waits for."""

    invocation_id: InvocationId  #: names the run
    task_id: str  #: of the task that runs
    status: InvocationStatus  #: now
    reason: str | None  #: why it has that status
    workflow_id: InvocationId  #: the invocation that the workflow began with
    parent_workflow_id: InvocationId | None  #: the workflow in which that one was called
    began_at: datetime  #: its first step
    paused_at: datetime | None  #: None: it is not paused
    pause_reason: str | None  #: what was said at the pause
    wakes_at: datetime | None  #: the end of its sleep, or when an event is waited for in vain
    awaits_event: str | None  #: its code
    forked_from: InvocationId | None  #: the run whose steps it went on from
    steps: int  #: how many stand written


@dataclass(frozen=True, slots=True)
class WorkflowInfo:
    """The run of a workflow, as it stands in the store."""

    invocation_id: InvocationId  #: names the run
    task_id: str  #: of the task that runs
    workflow_id: InvocationId  #: the invocation that the workflow began with
    parent_workflow_id: InvocationId | None  #: the workflow in which that one was called
    began_at: datetime | None  #: its first step; None: it has none
    paused_at: datetime | None
    pause_reason: str | None  #: what was said at the pause
    forked_from: InvocationId | None  #: the run whose steps it went on from
    steps: int = 0  #: how many stand written


@dataclass(frozen=True, slots=True)
class WorkflowIdentity:
    """Which workflow an invocation belongs to. What it does not know, it asks for once."""

    invocation_id: InvocationId  #: whose workflow it is
    task_id: str  #: of the invocation
    _ask: Callable[[InvocationId], WorkflowInfo] = field(repr=False, compare=False)
    #: Whether it is known that its workflow is its own.
    own: bool = field(default=False, kw_only=True, repr=False, compare=False)
    _told: dict[InvocationId, WorkflowInfo] = field(default_factory=dict, repr=False, compare=False)

    @property
    def workflow_id(self) -> InvocationId:
        """The id of the invocation that the workflow began with."""
        return self.invocation_id if self.own else self._info(self.invocation_id).workflow_id

    @property
    def workflow_type(self) -> str:
        """The id of the task that the workflow began with."""
        workflow_id = self.workflow_id
        if workflow_id == self.invocation_id:
            return self.task_id
        return self._info(workflow_id).task_id

    @property
    def parent_workflow_id(self) -> InvocationId | None:
        """The workflow in which this one was begun, if it was in one."""
        return self._info(self.invocation_id).parent_workflow_id

    def _info(self, invocation_id: InvocationId) -> WorkflowInfo:
        if invocation_id not in self._told:
            self._told[invocation_id] = self._ask(invocation_id)
        return self._told[invocation_id]
