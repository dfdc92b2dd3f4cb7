"""A run of a workflow, seen from outside."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

from pynenc_pg.domain.ids import InvocationId
from pynenc_pg.domain.workflows import Fork, Step, StepKind, WorkflowInfo
from pynenc_pg.engine.again import call_again, options_again
from pynenc_pg.serializer.wire import decode
from pynenc_pg.trigger.conditions.event import check_event_code
from pynenc_pg.workflow.values import checked_path

if TYPE_CHECKING:
    from pynenc_pg.domain.records import CancelAnswer
    from pynenc_pg.engine.core import Engine
    from pynenc_pg.invocation.handle import Invocation
    from pynenc_pg.serializer.base import BaseSerializer


@dataclass(frozen=True, slots=True)
class RunStep:
    """An operation that stands written."""

    path: str  #: its number; of a branch with dots: "4.1.2"
    kind: StepKind
    about: str  #: a key, an event's code, a name; of a task its id and a hash of its arguments
    value: Any  #: what it returned; of a sleep its end, of a task None: that is the invocation's
    at: datetime
    run: int  #: of a task that has failed: how often it was called anew
    child_id: InvocationId | None  #: the invocation of a task
    failed: bool  #: that one has ended, and not in success


class WorkflowRunHandle:
    """What a run has done, and what it is told. Made by ``app.get_workflow``."""

    def __init__(self, invocation_id: str, engine: Callable[[], Engine]) -> None:
        """``engine`` answers who has it."""
        self.invocation_id = InvocationId(invocation_id)
        self._engine = engine

    @property
    def info(self) -> WorkflowInfo:
        """Where it stands.

        Raises:
            InvocationNotFoundError: there is no such invocation.
        """
        return self._engine().store.workflows.info(self.invocation_id)

    def steps(self) -> list[RunStep]:
        """Return all that stands written, in the order in which it was."""
        engine = self._engine()
        own = self._serializer(engine)
        found = engine.store.workflows.steps(self.invocation_id)
        return [_seen(step, own, engine.serializer) for step in found]

    def data(self) -> dict[str, Any]:
        """Return the data of the workflow that it belongs to."""
        engine = self._engine()
        own = self._serializer(engine)
        found = engine.store.workflows.data(self.info.workflow_id)
        return {key: decode(text, own) for key, text in found.items()}

    def signal(self, code: str, payload: Any = None) -> str:
        """Emit an event for this run alone; return the event's id.

        Heard by its ``wait_for_event``, now or later, and by no trigger.

        Raises:
            InvocationNotFoundError: there is no such invocation.
            TriggerDefinitionError: no event can have that code.
            SerializationError: the payload cannot be carried.
        """
        engine = self._engine()
        engine.store.workflows.info(self.invocation_id)
        event = engine.new_event(check_event_code(code), payload)
        engine.store.trigger.emit(replace(event, workflow_id=self.invocation_id))
        return event.event_id

    def pause(self, reason: str = "") -> bool:
        """Let it stop at its next operation; whether it has not ended. What it called goes on."""
        return self._engine().store.workflows.pause_workflow(self.invocation_id, reason)

    def resume(self) -> bool:
        """Let it go on; whether it has not ended."""
        return self._engine().store.workflows.pause_workflow(self.invocation_id, paused=False)

    def cancel(self) -> CancelAnswer:
        """End it, and the tasks that it has called: see ``Invocation.cancel``."""
        return self._engine().store.orchestrator.cancel(self.invocation_id)

    def fork(self, before: str) -> Invocation[Any]:
        """Call its task again, to go on before a step of this run: what was done until then stands.

        Of branches that ran at once, as much as has a path before that one. Returns the new
        invocation, which has the same arguments and the data of this workflow.

        >>> app.get_workflow(invocation.invocation_id).fork("3")  # doctest: +SKIP

        Raises:
            InvocationNotFoundError: there is no such run.
            TaskNotFoundError: this process has not imported the module that defines the task.
            DataRejectedError: the task takes other arguments now, or that is no path.
        """
        engine, which, path = self._engine(), self.invocation_id, checked_path(before)
        backend = engine.store.state_backend
        record = backend.get_invocation(which)
        task = engine.registry.get(record.task_id)
        arguments = dict(engine.decoded(record.task_id, record.arguments).kwargs)
        [registered] = engine.submit(
            task,
            [call_again(task, arguments)],
            options=options_again(record, backend.get_call(which)),
            amend=lambda batch: replace(batch, fork=Fork(which, path)),
        )
        return task.handle(registered.invocation_id)  # type: ignore[no-any-return]

    def __repr__(self) -> str:
        """Name it, without asking the store."""
        return f"<WorkflowRunHandle {self.invocation_id}>"

    def _serializer(self, engine: Engine) -> BaseSerializer:
        task = engine.registry.find(self.info.task_id)
        return engine.registry.serializer(task, engine.serializer)


def _seen(step: Step, own: BaseSerializer, apps: BaseSerializer) -> RunStep:
    value: Any = step.at if step.kind is StepKind.UTC_NOW else None
    if step.value is not None:
        value = decode(step.value, apps if step.kind is StepKind.EVENT else own)
        value = datetime.fromisoformat(value) if step.kind is StepKind.SLEEP else value
    return RunStep(
        path=step.path,
        kind=step.kind,
        about=step.about,
        value=value,
        at=step.at,
        run=step.run,
        child_id=step.child_id,
        failed=step.failed,
    )
