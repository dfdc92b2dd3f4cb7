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

#: Seconds: until it is woken. A due time further away than that cannot be kept everywhere.
FOREVER: Final = 100 * 365.25 * 86_400.0
#: Characters of a value, as JSON: a step is read again at each attempt.
LONGEST_VALUE: Final = 1_000_000
#: Characters of what a step says it is about, and of a key of the data.
LONGEST_ABOUT: Final = 1_000
#: Steps of one invocation: all of them are read at each later attempt.
MOST_STEPS: Final = 100_000


class StepKind(StrEnum):
    """What an operation is."""

    RANDOM = "random"
    UUID = "uuid"
    UTC_NOW = "utc_now"
    SET_DATA = "set_data"
    GET_DATA = "get_data"
    TASK = "task"  # another task was called
    STEP = "step"  # a function was called, here
    SLEEP = "sleep"
    EVENT = "event"  # it was waited for
    PAUSE = "pause"
    PATCHED = "patched"  # from here on the code is a newer one


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
    workflow_id: InvocationId | None = None  # whose data it is about
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
    left: float | None = None  # of a sleep: seconds until its end, by the store's clock


@dataclass(frozen=True, slots=True)
class Child:
    """The one call of a batch is a step of a workflow: both are written, or neither."""

    author: Author
    step: NewStep


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
class WorkflowInfo:
    """The run of a workflow, as it stands in the store."""

    invocation_id: InvocationId
    task_id: str
    workflow_id: InvocationId
    parent_workflow_id: InvocationId | None
    began_at: datetime | None  # its first step; None: it has none
    paused_at: datetime | None
    pause_reason: str | None
    forked_from: InvocationId | None
    steps: int = field(default=0)


@dataclass(frozen=True, slots=True)
class WorkflowIdentity:
    """Which workflow an invocation belongs to.

    The store is asked for type and parent where the invocation does not know them, once.
    """

    invocation_id: InvocationId
    workflow_id: InvocationId
    _ask: Callable[[], WorkflowInfo] = field(repr=False, compare=False)
    _known: list[tuple[str, InvocationId | None]] = field(
        default_factory=list, repr=False, compare=False
    )

    @property
    def workflow_type(self) -> str:
        """The id of the task that the workflow began with."""
        return self._of_workflow()[0]

    @property
    def parent_workflow_id(self) -> InvocationId | None:
        """The workflow whose task started this one, if it is not the first."""
        return self._of_workflow()[1]

    def _of_workflow(self) -> tuple[str, InvocationId | None]:
        if not self._known:
            info = self._ask()
            self._known.append((info.task_id, info.parent_workflow_id))
        return self._known[0]
