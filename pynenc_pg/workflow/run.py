"""What an attempt of a workflow has done so far, and what former attempts did."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar

from pynenc_pg.domain.workflows import (
    FOREVER,
    LONGEST_VALUE,
    MOST_STEPS,
    Author,
    NewStep,
    Step,
    StepKind,
    WorkflowIdentity,
)
from pynenc_pg.engine.logs import ids
from pynenc_pg.engine.suspension import Suspended
from pynenc_pg.exceptions import (
    DataRejectedError,
    InvocationCancelledError,
    InvocationStatusOwnershipError,
    RegistrationKeyHeldError,
    RunnerFencedError,
    StoreUnavailableError,
    WorkflowError,
    WorkflowPausedError,
)
from pynenc_pg.invocation.status import Reason

if TYPE_CHECKING:
    import asyncio

    from pynenc_pg.domain.ids import InvocationId
    from pynenc_pg.engine.context import Running
    from pynenc_pg.engine.core import Engine
    from pynenc_pg.engine.registry import TaskDefinition

logger = logging.getLogger(__name__)
T = TypeVar("T")


class Branch:
    """A sequence of operations: their numbers are taken at the call, and so are always the same."""

    __slots__ = ("count", "home", "prefix", "run", "suspended", "undone")

    def __init__(self, run: WorkflowRun, prefix: str = "") -> None:
        """``prefix`` is the path of what has opened it, with a dot."""
        self.run = run
        self.prefix = prefix
        self.count = 0
        self.home: asyncio.Task[object] | None = None  # which runs it, of a coroutine
        self.suspended: Suspended | None = None
        self.undone: set[int] = set()  # numbers below which sagas have undone something

    def take(self) -> str:
        """Return the next path.

        Raises:
            DataRejectedError: there are too many of them.
        """
        self.run.count_one()
        self.count += 1
        return f"{self.prefix}{self.count}"

    def suspend(self, reason: Reason, delay: float) -> Suspended:
        """Return what takes it off the stack, and know that it was raised."""
        return self.suspend_with(Suspended(reason, delay))

    def suspend_with(self, suspended: Suspended) -> Suspended:
        """Know that this was raised."""
        self.suspended = suspended
        return suspended


#: The branch that the running asyncio task is; none: it is the workflow itself.
current: ContextVar[Branch | None] = ContextVar("pynenc_branch", default=None)
#: The function that is being called as a step, and whose.
stepping: ContextVar[tuple[WorkflowRun, str] | None] = ContextVar("pynenc_step", default=None)


class WorkflowRun:
    """The state of one attempt. Operations of several branches use it at once."""

    def __init__(self, now: Running, engine: Engine, task: TaskDefinition) -> None:
        """Nothing is read yet."""
        if now.pauses is None or now.claimed is None:
            message = f"{task.task_id} is executed by no runner, so nothing can be recorded"
            raise WorkflowError(message)
        self.now = now
        self.engine = engine
        self.task = task
        self.serializer = engine.registry.serializer(task, engine.serializer)
        self.root = Branch(self)
        self.pauses = now.pauses
        self.author = Author(now.pauses.runner_id, now.pauses.hold)
        self._claimed = now.claimed
        self._lock = threading.Lock()
        self._steps: dict[str, list[Step]] | None = None
        self._read_at = 0.0
        self._count = 0
        self._paths: dict[InvocationId, str] = {}  # of the tasks that it has called
        self._survived: set[str] = set()  # that stand recorded
        self._heard: dict[str, None] = {}  # that are to be recorded, in their order

    @property
    def identity(self) -> WorkflowIdentity:
        """Which workflow it is."""
        return identity_of(self.now, self.engine)

    def count_one(self) -> None:
        """Note that an operation begins.

        Raises:
            DataRejectedError: there are too many of them.
        """
        self._count += 1
        if self._count > MOST_STEPS:
            message = (
                f"{self.task.task_id} has done {MOST_STEPS:,} operations as a workflow, and all of "
                "them are read at each attempt: leave parts of the work to tasks that are "
                "workflows of their own (force_new_workflow)"
            )
            raise DataRejectedError(message)

    # --- what stands written ------------------------------------------------------------------

    @property
    def is_read(self) -> bool:
        """Whether it is known what former attempts did."""
        return self._steps is not None

    def known(self, path: str) -> list[Step]:
        """Return what stands at a path, of several calls of a task the last one last."""
        steps = self._steps
        if steps is None:
            with self._lock:
                steps = self._steps if self._steps is not None else self.read()
        return steps.get(path, [])

    def read(self) -> dict[str, list[Step]]:
        """Ask the store for all of it."""
        asked = time.monotonic()
        found: dict[str, list[Step]] = {}
        for step in self.ask(lambda: self.engine.store.workflows.steps(self.now.invocation_id)):
            found.setdefault(step.path, []).append(step)
            self._survived.update(step.survived)
        for runs in found.values():
            runs.sort(key=lambda step: step.run)
        self._read_at = asked
        self._steps = found
        return found

    def age(self) -> float:
        """Return how many seconds ago that was."""
        return time.monotonic() - self._read_at

    def write(self, step: NewStep) -> Step:
        """Write a step, or read back the one that stands there.

        Raises:
            DataRejectedError: it is too large.
        """
        check_length(step)
        step = self.completed(step)
        written = self.ask(lambda: self.engine.store.workflows.record_step(self.author, step))
        self.noted(step)
        return written

    # --- tasks that have failed ---------------------------------------------------------------

    def called(self, path: str, invocation_id: InvocationId) -> None:
        """Note which step an invocation is."""
        self._paths[invocation_id] = path

    def heard(self, invocation_id: InvocationId) -> None:
        """The failure of an invocation was raised to it: what is recorded next comes after that."""
        path = self._paths.get(invocation_id)
        if path is not None and path not in self._survived:
            self._heard[path] = None

    def is_called_anew(self, step: Step) -> bool:
        """Whether a task is to be called once more: it has failed, and the workflow with it."""
        stale = step.failed and step.retries < self.now.retries
        return stale and step.path not in self._survived

    def completed(self, step: NewStep) -> NewStep:
        """Add what each new step says."""
        return replace(step, retries=self.now.retries, survived=tuple(self._heard))

    def noted(self, step: NewStep) -> None:
        """A step was written, with what it says of others."""
        for path in step.survived:
            self._survived.add(path)
            self._heard.pop(path, None)

    # --- the store ----------------------------------------------------------------------------

    @property
    def suspended(self) -> Suspended | None:
        """What was raised to take it off the stack."""
        return self.root.suspended

    def ask(self, verb: Callable[[], T]) -> T:
        """Ask the store until it is answered: each of these may be repeated.

        Raises:
            RunnerFencedError: the invocation is somebody else's now.
        """
        pause = 0.05
        while True:
            try:
                with self.now.stop.shield():
                    return verb()
            except RegistrationKeyHeldError:
                raise
            except StoreUnavailableError as error:
                self.now.stop.check()
                logger.warning("workflow.delayed: %s", error, extra=ids())
                if self.pauses.given_away:
                    raise RunnerFencedError(self._given_away()) from error
                time.sleep(pause)
                pause = min(pause * 2, 2.0)
            except InvocationStatusOwnershipError as error:
                raise RunnerFencedError(self._given_away()) from error

    def within(self, branch: Branch, verb: Callable[[], T]) -> T:
        """Do a part of a branch's operation.

        Raises:
            Suspended: the run is paused.
            InvocationCancelledError: it is asked to stop; its runner need not have heard of it.
        """
        try:
            return verb()
        except WorkflowPausedError as error:
            raise branch.suspend(Reason.PAUSED, FOREVER) from error
        except InvocationCancelledError as error:
            if self.now.stop.error is None:
                self.now.stop.error = error
            raise

    def _given_away(self) -> str:
        return (
            f"invocation {self.now.invocation_id} was given to another runner while it ran here: "
            "this attempt has to stop"
        )


def check_length(step: NewStep) -> None:
    """Look at the size of what is to be written.

    Raises:
        DataRejectedError: it is too large.
    """
    size = 0 if step.value is None else len(step.value)
    if size > LONGEST_VALUE:
        what = "the value" if step.kind is StepKind.SET_DATA else "the result"
        message = (
            f"step {step.path} of the workflow, {described(step.kind, step.about)}: {what} has "
            f"{size} characters as JSON, and a step has {LONGEST_VALUE} at most: store it "
            "elsewhere (a task's result may be larger) and record where"
        )
        raise DataRejectedError(message)


def described(kind: StepKind, about: str) -> str:
    """Say what an operation is.

    >>> described(StepKind.TASK, "shop.pay 0f3a"), described(StepKind.RANDOM, "")
    ('task shop.pay 0f3a', 'random')
    """
    return f"{kind} {about}" if about else str(kind)


def identity_of(now: Running, engine: Engine) -> WorkflowIdentity:
    """Return which workflow an invocation that runs here belongs to."""
    task, claimed = engine.registry.find(now.task_id), now.claimed
    own = claimed is not None and claimed.parent_id is None
    own = own or (task is not None and task.conf.force_new_workflow)
    ask = engine.store.workflows.info
    return WorkflowIdentity(now.invocation_id, now.task_id, ask, own=own)
