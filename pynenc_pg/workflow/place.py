"""One operation at its place: what is written there, or what stood there already.

Each method blocks while the store is asked, and has the meaning that ``operations`` documents.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any, Final, TypeVar
from uuid import UUID

from pynenc_pg.domain.chance import chance
from pynenc_pg.domain.workflows import FOREVER, Child, NewStep, Step, StepKind
from pynenc_pg.exceptions import NonDeterminismError, PynencError, StepTakenError, WorkflowError
from pynenc_pg.invocation.status import Reason
from pynenc_pg.serializer.wire import decode, encode
from pynenc_pg.workflow.run import Branch, described

if TYPE_CHECKING:
    from pynenc_pg.domain.records import Batch
    from pynenc_pg.engine.registry import TaskDefinition
    from pynenc_pg.workflow.callee import Call, CalleeCalls
    from pynenc_pg.workflow.run import WorkflowRun

I = TypeVar("I")  # noqa: E741 - a handle of an invocation
T = TypeVar("T")

#: Seconds: shorter sleeps are slept where one is.
SHORT: Final = 1.0
#: How often a step is looked for that another one has written.
_LOOKS: Final = 3
_WAY_OUT: Final = (
    "a workflow does the same things in the same order at each attempt: take chance and time from "
    "wf, and ask wf.patched(name) where changed code goes another way"
)


@dataclass(frozen=True, slots=True)
class Place:
    """A number in a branch."""

    branch: Branch
    path: str

    @property
    def is_known(self) -> bool:
        """Whether nobody need be asked."""
        run = self.branch.run
        return run.is_read and bool(run.known(self.path))

    def random(self) -> float:
        """Return a number from 0 to 1, without 1."""
        step = self.recorded(StepKind.RANDOM, value=lambda: json.dumps(chance.random()))
        return float(self._decoded(step))

    def uuid(self) -> str:
        """Return a UUID's text."""

        def made() -> str:
            return json.dumps(str(UUID(int=chance.getrandbits(128), version=4)))

        step = self.recorded(StepKind.UUID, value=made)
        return str(self._decoded(step))

    def utc_now(self) -> datetime:
        """Return the time, by the clock of the store."""
        return self.recorded(StepKind.UTC_NOW).at.astimezone(UTC)

    def set_data(self, key: str, value: Any) -> None:
        """Set an item of the workflow's data."""
        run = self.branch.run
        self.recorded(
            StepKind.SET_DATA,
            key,
            value=lambda: encode(value, run.serializer),
            key=key,
        )

    def get_data(self, key: str, default: Any) -> Any:
        """Return an item of the workflow's data."""
        step = self.recorded(StepKind.GET_DATA, key, key=key)
        return default if step.value is None else self._decoded(step)

    def patched(self, name: str) -> bool:
        """Whether the code is to go the newer way; if not, the number is given back."""
        run = self.branch.run
        found = run.known(self.path)
        step = found[0] if found else None
        if step is None:
            made = NewStep(self.path, StepKind.PATCHED, name)
            step = run.within(self.branch, lambda: run.write(made))
        if step.kind is StepKind.PATCHED and step.about == name:
            return True
        if f"{self.branch.prefix}{self.branch.count}" != self.path:
            message = "await awf.patched(...) before the next operation: it may need its number"
            raise WorkflowError(message)
        self.branch.count -= 1
        return False

    # --- functions and tasks ------------------------------------------------------------------

    def returned(self, name: str) -> Step | None:
        """Return the step of a function that was called before."""
        found = self.branch.run.known(self.path)
        if not found:
            return None
        self._check(found[0], StepKind.STEP, name)
        return found[0]

    def keep(self, name: str, result: Any) -> Step:
        """Record what a function has returned."""
        serializer = self.branch.run.serializer
        return self.recorded(StepKind.STEP, name, value=lambda: encode(result, serializer))

    def value(self, step: Step) -> Any:
        """Return what a function returned, as it stands written."""
        return self._decoded(step)

    def call(self, calls: CalleeCalls[I], call: Call) -> I:
        """Call a task, or find what the call became in a former attempt."""
        run, task = self.branch.run, calls.definition
        for _ in range(_LOOKS):
            found, number = run.known(self.path), 0
            if found:
                newest = found[-1]
                if newest.kind is not StepKind.TASK or newest.child_id is None:
                    raise self._differs(newest, described(StepKind.TASK, task.task_id))
                if newest.about != _about(run, task, call):
                    raise self._other_call(newest, task.task_id, call)
                if not run.is_called_anew(newest):
                    run.called(self.path, newest.child_id)
                    return calls.handle(newest.child_id, calls.engine_now())
                number = newest.run + 1
            try:
                return run.within(self.branch, lambda: self._registered(calls, call, number))  # noqa: B023 - called here
            except StepTakenError:
                run.within(self.branch, run.read)
        message = f"step {self.path} is taken, and nothing stands there"
        raise WorkflowError(message)

    def _registered(self, calls: CalleeCalls[I], call: Call, number: int) -> I:
        run, task = self.branch.run, calls.definition
        made: list[NewStep] = []

        def as_child(batch: Batch) -> Batch:
            about = _about(run, task, call)
            made[:] = [run.completed(NewStep(self.path, StepKind.TASK, about, run=number))]
            return replace(batch, child=Child(run.author, made[0]))

        submit = partial(run.engine.submit, task, [call], options=calls.options, amend=as_child)
        [registered] = run.ask(submit)
        run.noted(made[0])
        run.called(self.path, registered.invocation_id)
        return calls.handle(registered.invocation_id, calls.engine_now())

    # --- going on later -----------------------------------------------------------------------

    def sleep(self, seconds: Callable[[], float]) -> float:
        """Return how many seconds are to be slept here; none in synchronous mode.

        Raises:
            Suspended: it is too long for that.
        """
        run, known = self.branch.run, self.is_known
        step = self.recorded(StepKind.SLEEP, delay=seconds)
        left = (step.left or 0.0) - (run.age() if known else 0.0)
        if run.now.forced_sync or left <= 0:
            return 0.0
        if left >= SHORT:
            raise self.branch.suspend(Reason.SLEEPING, left)
        return left

    def pause(self, reason: str) -> None:
        """Stop until somebody lets the run go on.

        Raises:
            Suspended: until then.
        """
        if self.branch.run.now.forced_sync:
            message = "in synchronous mode nobody could let it go on after wf.pause()"
            raise WorkflowError(message)
        step = self.recorded(StepKind.PAUSE, reason, value=lambda: json.dumps(reason))
        if step.left:  # nobody has let it go on yet
            raise self.branch.suspend(Reason.PAUSED, FOREVER)

    # --- what all of them do ------------------------------------------------------------------

    def recorded(
        self,
        kind: StepKind,
        about: str = "",
        *,
        value: Callable[[], str] | None = None,
        delay: Callable[[], float] | None = None,
        **facts: Any,
    ) -> Step:
        """Return what stands here; write it if nothing does.

        Raises:
            NonDeterminismError: it is something else.
            Suspended: the run is paused, and nothing stands here.
        """
        run = self.branch.run
        found = run.known(self.path)
        if found:
            step = found[0]
        else:
            text = None if value is None else value()
            seconds = None if delay is None else run.ask(delay)
            made = NewStep(self.path, kind, about, text, delay=seconds, **facts)
            step = run.within(self.branch, lambda: run.write(made))
        self._check(step, kind, about)
        return step

    def _check(self, step: Step, kind: StepKind, about: str) -> None:
        if step.kind is not kind or step.about != about:
            raise self._differs(step, described(kind, about))

    def _differs(
        self, step: Step, attempted: str, recorded: str | None = None
    ) -> NonDeterminismError:
        run = self.branch.run
        message = (
            f"step {self.path} of {run.task.task_id} (invocation {run.now.invocation_id}): "
            f"recorded is {recorded or described(step.kind, step.about)}, "
            f"of {step.at:%Y-%m-%d %H:%M:%S}, and attempted was {attempted}; {_WAY_OUT}"
        )
        return NonDeterminismError(message)

    def _other_call(self, step: Step, task_id: str, call: Call) -> NonDeterminismError:
        engine = self.branch.run.engine
        attempted = f"task {task_id} with ({engine.printing.arguments(dict(call))})"
        recorded = None
        with suppress(PynencError):  # it may be gone
            if step.child_id is not None and step.about.startswith(f"{task_id} "):
                recorded = f"task {task_id} with ({engine.arguments(step.child_id)})"
        return self._differs(step, attempted, recorded)

    def _decoded(self, step: Step) -> Any:
        return decode(step.value or "null", self.branch.run.serializer)


def _about(run: WorkflowRun, task: TaskDefinition, call: Call) -> str:
    return f"{task.task_id} {run.engine.call_id(task, call)}"
