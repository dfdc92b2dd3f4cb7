"""The contract between the engine and a store about workflows: a part of ``pynenc_pg.ports``."""

from __future__ import annotations

from collections.abc import Collection
from typing import Protocol

from pynenc_pg.domain.ids import InvocationId
from pynenc_pg.domain.workflows import (
    Author,
    Look,
    NewStep,
    RunInfo,
    Step,
    WaitSpec,
    WorkflowInfo,
)


class Workflows(Protocol):
    """Remembers: each operation of a workflow is written once and read back ever after.

    A call that is a step is written by ``Orchestrator.register``, see ``Batch.child``.
    """

    def record_step(self, author: Author, step: NewStep) -> Step:
        """Write a step, or read back the one that stands at its path and run.

        With it goes what it does: ``set_data`` sets the workflow's data, ``get_data`` reads it into
        the step's value, ``pause`` pauses the run, an event that was waited for is so no more.

        Raises:
            InvocationStatusOwnershipError: the lease is not (or no longer) the author's, or the
                invocation is not being executed.
            WorkflowPausedError: it is paused, and nothing stood there; the result of a function
                (``STEP``) is written all the same, or that would be called once more.
            DataRejectedError: its value is too large, or what it is about.
        """
        ...

    def steps(self, invocation_id: InvocationId) -> list[Step]:
        """Return all that stand written, in the order in which they were."""
        ...

    def await_event(self, author: Author, wait: WaitSpec, skip: Collection[str] = ()) -> Look:
        """Return the first event that may be it; else have the invocation woken by the next one.

        First by when it was emitted: since the invocation was registered, to all or to this
        workflow, and neither taken by an earlier step of it nor among ``skip``. The timeout counts
        from the first call for this path.

        Raises:
            InvocationStatusOwnershipError: as for ``record_step``.
            WorkflowPausedError: it is paused.
        """
        ...

    def data(self, workflow_id: InvocationId) -> dict[str, str]:
        """Return the data of a workflow by key, each as JSON."""
        ...

    def info(self, invocation_id: InvocationId) -> WorkflowInfo:
        """Return where a run stands.

        Raises:
            InvocationNotFoundError: there is no such invocation.
        """
        ...

    def runs(
        self,
        task_id: str | None = None,
        *,
        live: bool = False,
        limit: int = 100,
        before: InvocationId | None = None,
    ) -> list[RunInfo]:
        """Return runs that have taken a step or were paused, the latest first."""
        ...

    def pause_workflow(
        self, invocation_id: InvocationId, reason: str = "", *, paused: bool = True
    ) -> bool:
        """Let a run stop at its next step, or go on; whether it is live.

        What it has called goes on.
        """
        ...
