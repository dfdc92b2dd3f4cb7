"""A store in which everything is signed as it is written, and checked before it is read.

Above it nobody knows of signatures: what comes out has been checked and has none. What is refused
comes out as a text that says so, and raises ``SignatureError`` whoever decodes it.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final, cast

from pynenc_pg.domain.causes import NewEvent, Source, Taken
from pynenc_pg.domain.records import (
    Again,
    Batch,
    Claimed,
    Ending,
    HistoryEntry,
    Hold,
    InvocationRecord,
    Outcome,
    Registered,
    Waiting,
)
from pynenc_pg.domain.workflows import Author, Look, NewStep, Step, StepKind, WaitSpec
from pynenc_pg.exceptions import SignatureError
from pynenc_pg.invocation.status import InvocationStatus
from pynenc_pg.serializer.signing import Role, Seal
from pynenc_pg.serializer.wire import REFUSED

if TYPE_CHECKING:
    from pynenc_pg.domain.ids import InvocationId, RunnerId
    from pynenc_pg.ports import (
        Answers,
        Orchestrator,
        OwnTransaction,
        StateBackend,
        Store,
    )
    from pynenc_pg.trigger_port import Trigger
    from pynenc_pg.workflow_port import Workflows

logger = logging.getLogger(__name__)

#: What the store reads or makes.
_UNSIGNED: Final = frozenset({StepKind.SLEEP, StepKind.PAUSE, StepKind.TASK, StepKind.PATCHED})
_OF_DATA: Final = frozenset({StepKind.SET_DATA, StepKind.GET_DATA})
#: Workflows of invocations.
_KEPT: Final = 10_000


def sealed(store: Store, seal: Seal) -> Store:
    """Put the seal between a store and its users."""
    return replace(
        store,
        signed=True,
        orchestrator=cast("Orchestrator", _SealedOrchestrator(store.orchestrator, seal)),
        state_backend=cast("StateBackend", _SealedStateBackend(store.state_backend, seal)),
        trigger=cast("Trigger", _SealedTrigger(store.trigger, seal)),
        workflows=cast("Workflows", _SealedWorkflows(store.workflows, seal)),
        transaction=lambda: cast("OwnTransaction", _SealedTransaction(store.transaction(), seal)),
    )


class _Sealed:
    """Everything that is not of concern here goes to what is inside."""

    def __init__(self, inside: Any, seal: Seal) -> None:
        self._inside = inside
        self._seal = seal

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inside, name)

    def _open(self, role: Role, text: str, invocation_id: str, task_id: str = "") -> str:
        try:
            return self._seal.open(role, text, invocation_id, task_id)
        except SignatureError as error:
            logger.error(  # noqa: TRY400 - the sentence says all
                "payload.refused: %s", error, extra={"invocation_id": invocation_id}
            )
            return json.dumps({REFUSED: str(error)})

    def _outcome(self, found: Outcome) -> Outcome:
        ok = found.status is InvocationStatus.SUCCESS
        unrun = found.reason or found.status is InvocationStatus.CONCURRENCY_CONTROLLED_FINAL
        if found.value is None and unrun:
            return found  # nobody has executed it: there is nothing to be signed
        role = Role.RESULT if ok else Role.FAILURE
        return replace(found, value=self._open(role, found.value or "", found.invocation_id))

    def _outcomes(self, found: Mapping[InvocationId, Outcome]) -> dict[InvocationId, Outcome]:
        return {which: self._outcome(outcome) for which, outcome in found.items()}

    def _signed(self, ending: Ending) -> Ending:
        role = Role.RESULT if ending.status is InvocationStatus.SUCCESS else Role.FAILURE
        return replace(ending, value=self._seal.sign(role, ending.value, ending.invocation_id))


class _SealedOrchestrator(_Sealed):
    def register(self, batch: Batch) -> list[Registered]:
        return self._inside.register(self._batch(batch))  # type: ignore[no-any-return]

    def register_within(self, session: object, batch: Batch) -> list[Registered]:
        return self._inside.register_within(session, self._batch(batch))  # type: ignore[no-any-return]

    async def register_within_async(self, session: object, batch: Batch) -> list[Registered]:
        batch = self._batch(batch)
        return await self._inside.register_within_async(session, batch)  # type: ignore[no-any-return]

    def claim(
        self, runner_id: RunnerId, queues: Sequence[str], limit: int, begin_below: int = 0
    ) -> list[Claimed]:
        found: list[Claimed] = self._inside.claim(runner_id, queues, limit, begin_below)
        return [
            replace(
                one,
                arguments=self._open(Role.ARGUMENTS, one.arguments, one.invocation_id, one.task_id),
            )
            for one in found
        ]

    def finish(self, runner_id: RunnerId, endings: Sequence[Ending]) -> Answers:
        return self._inside.finish(runner_id, [*map(self._signed, endings)])  # type: ignore[no-any-return]

    def retry(self, runner_id: RunnerId, agains: Sequence[Again]) -> Answers:
        signed = [
            again
            if again.error is None
            else replace(again, error=self._seal.sign(Role.ERROR, again.error, again.invocation_id))
            for again in agains
        ]
        return self._inside.retry(runner_id, signed)  # type: ignore[no-any-return]

    def pause(
        self, runner_id: RunnerId, hold: Hold, waiting: Waiting
    ) -> Mapping[InvocationId, Outcome]:
        return self._outcomes(self._inside.pause(runner_id, hold, waiting))

    def watch(
        self, invocation_ids: Sequence[InvocationId], listener: str
    ) -> Mapping[InvocationId, Outcome]:
        return self._outcomes(self._inside.watch(invocation_ids, listener))

    def _batch(self, batch: Batch) -> Batch:
        calls = [
            replace(
                new,
                arguments=self._seal.sign(
                    Role.ARGUMENTS, new.arguments, new.invocation_id, batch.task_id
                ),
            )
            for new in batch.invocations
        ]
        return replace(batch, invocations=calls)


class _SealedStateBackend(_Sealed):
    def get_invocation(self, invocation_id: InvocationId) -> InvocationRecord:
        found: InvocationRecord = self._inside.get_invocation(invocation_id)
        text = self._open(Role.ARGUMENTS, found.arguments, found.invocation_id, found.task_id)
        return replace(found, arguments=text)

    def get_outcomes(self, ids: Sequence[InvocationId]) -> Mapping[InvocationId, Outcome]:
        return self._outcomes(self._inside.get_outcomes(ids))

    def get_history(self, invocation_id: InvocationId) -> list[HistoryEntry]:
        found: list[HistoryEntry] = self._inside.get_history(invocation_id)
        return [self._entry(each, invocation_id) for each in found]

    def _entry(self, entry: HistoryEntry, invocation_id: InvocationId) -> HistoryEntry:
        if entry.error is None:
            return entry
        last = entry.status is InvocationStatus.FAILED
        role = Role.FAILURE if last else Role.ERROR
        return replace(entry, error=self._open(role, entry.error, invocation_id))


class _SealedTrigger(_Sealed):
    def emit(self, event: NewEvent) -> None:
        self._inside.emit(self._event(event))

    def emit_within(self, session: object, event: NewEvent) -> None:
        self._inside.emit_within(session, self._event(event))

    async def emit_within_async(self, session: object, event: NewEvent) -> None:
        await self._inside.emit_within_async(session, self._event(event))

    def take_causes(
        self,
        runner_id: RunnerId,
        versions: Mapping[str, str],
        limit: int = 100,
        seconds: float = 60.0,
    ) -> list[Taken]:
        taken: list[Taken] = self._inside.take_causes(runner_id, versions, limit, seconds)
        return [replace(one, sources=tuple(map(self._source, one.sources))) for one in taken]

    def _event(self, event: NewEvent) -> NewEvent:
        signed = self._seal.sign(Role.EVENT, event.payload, event.event_id, event.code)
        return replace(event, payload=signed)

    def _source(self, source: Source) -> Source:
        which, status = source.source_id or "", source.status
        if source.payload is not None:
            payload = self._open(Role.EVENT, source.payload, which, source.code or "")
            return replace(source, payload=payload)
        if source.arguments is None or status is None:
            return source
        arguments = self._open(Role.ARGUMENTS, source.arguments, which, source.task_id or "")
        value = source.value
        if value is not None:
            ok = status is InvocationStatus.SUCCESS
            value = self._open(Role.RESULT if ok else Role.FAILURE, value, which)
        return replace(source, arguments=arguments, value=value)


class _SealedWorkflows(_Sealed):
    """Signs what the workflow has given; what the store finds out by itself runs no code."""

    def __init__(self, inside: Workflows, seal: Seal) -> None:
        super().__init__(inside, seal)
        self._workflow_ids: dict[InvocationId, InvocationId] = {}

    def record_step(self, author: Author, step: NewStep) -> Step:
        which = author.hold.invocation_id
        if step.value is not None and step.kind not in _UNSIGNED:
            place = self._place(which, step)
            step = replace(step, value=self._seal.sign(place[0], step.value, *place[1:]))
        return self._step(which, self._inside.record_step(author, step))

    def steps(self, invocation_id: InvocationId) -> list[Step]:
        found: list[Step] = self._inside.steps(invocation_id)
        return [self._step(invocation_id, step) for step in found]

    def await_event(self, author: Author, wait: WaitSpec, skip: Collection[str] = ()) -> Look:
        found: Look = self._inside.await_event(author, wait, skip)
        if found.event is None:
            return found
        event = found.event
        payload = self._open(Role.EVENT, event.payload, event.event_id, wait.code)
        return replace(found, event=replace(event, payload=payload))

    def data(self, workflow_id: InvocationId) -> dict[str, str]:
        found: Mapping[str, str] = self._inside.data(workflow_id)
        return {
            key: self._open_copied(Role.DATA, text, workflow_id, key) for key, text in found.items()
        }

    def _step(self, which: InvocationId, step: Step) -> Step:
        if step.value is None or step.kind in _UNSIGNED:
            return step
        role, where, name = self._place(which, step)
        return replace(step, value=self._open_copied(role, step.value, where, name))

    def _place(self, which: InvocationId, step: NewStep | Step) -> tuple[Role, InvocationId, str]:
        if step.kind not in _OF_DATA:
            return Role.STEP, which, step.path
        if which not in self._workflow_ids:
            if len(self._workflow_ids) >= _KEPT:
                self._workflow_ids.clear()
            self._workflow_ids[which] = self._inside.info(which).workflow_id
        return Role.DATA, self._workflow_ids[which], step.key or ""

    def _open_copied(self, role: Role, text: str, where: InvocationId, name: str) -> str:
        """Open what may have been signed in the run that this one was forked from."""
        signed_in: InvocationId | None = where
        while signed_in is not None:
            try:
                return self._seal.open(role, text, signed_in, name)
            except SignatureError:
                signed_in = self._inside.info(signed_in).forked_from
        return self._open(role, text, where, name)


class _SealedTransaction(_Sealed):
    def finish(self, runner_id: RunnerId, ending: Ending) -> Any:
        return self._inside.finish(runner_id, self._signed(ending))
