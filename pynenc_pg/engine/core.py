"""The engine of one app: tasks, store and serializer, and what can be done with them."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from typing import Any

from pynenc_pg.conf.config_call import UNTUNED, CallOptions
from pynenc_pg.conf.config_client_data_store import ClientDataStoreConf
from pynenc_pg.domain.causes import NewEvent
from pynenc_pg.domain.ids import InvocationId, new_invocation_id
from pynenc_pg.domain.records import Batch, Registered
from pynenc_pg.engine.address import Address
from pynenc_pg.engine.again import call_again, check_ended, options_again
from pynenc_pg.engine.clock import ClockOffset
from pynenc_pg.engine.context import entered, running
from pynenc_pg.engine.different import explained
from pynenc_pg.engine.keys import CallKeys
from pynenc_pg.engine.known import Known
from pynenc_pg.engine.pauses import Pauses
from pynenc_pg.engine.payloads import Payloads
from pynenc_pg.engine.printing import Printing
from pynenc_pg.engine.reactor import Reactor
from pynenc_pg.engine.reading import Reading
from pynenc_pg.engine.registry import Registry, TaskDefinition
from pynenc_pg.engine.results import Outcomes, ResultWaiter
from pynenc_pg.engine.reused import check_reused
from pynenc_pg.engine.submit import new_batch
from pynenc_pg.exceptions import ConfigError, ResultTimeoutError, SerializationError, StoreError
from pynenc_pg.ports import Store
from pynenc_pg.serializer.base import BaseSerializer
from pynenc_pg.serializer.large import SharedArguments
from pynenc_pg.serializer.wire import decode_arguments, encode

logger = logging.getLogger(__name__)

#: The seconds of waiting that a point of priority is worth where nothing else is said.
AGEING = 60.0
#: Seconds between two questions whether somebody runs what is waited for.
ASK_AGAIN = 10.0
START_A_PROCESS = "start one: pynenc-pg --app MODULE runner start"
START_A_THREAD = (
    "what is in memory can be run in this process alone: set app.conf.runner_cls = 'ThreadRunner' "
    "and start a thread with app.runner.run (with PostgreSQL: pynenc-pg --app MODULE runner start)"
)


_NOTHING = nullcontext()


class Engine(Reading):
    """Use cases in terms of the ports."""

    def __init__(
        self,
        *,
        store: Store,
        registry: Registry,
        serializer: BaseSerializer,
        printing: Printing,
        runner_name: Callable[[], str] = lambda: "",
        ageing: Callable[[], float] = lambda: AGEING,
        address: Callable[[], Address] | None = None,
        large: Callable[[], ClientDataStoreConf] = ClientDataStoreConf,
    ) -> None:
        """Take the parts; nothing is opened.

        ``runner_name`` is told to who waits in vain; ``ageing`` answers the seconds of waiting that
        a point of priority is worth; ``address`` is where other processes find the app; ``large``
        answers what is to be done with large values.
        """
        self.store = store
        self.registry = registry
        self.serializer = serializer
        self.results = ResultWaiter(store)
        self.payloads = Payloads(store.client_data_store, large)
        self.printing = printing
        self.known = Known(registry, ageing, serializer)
        self.reactor: Reactor | None = None  # set by who knows of triggers
        self._runner_name = runner_name
        self._ageing = ageing
        self._address = address
        self._offset = ClockOffset(store.state_backend.clock_offset)
        self._asked: dict[str, float] = {}

    def address(self) -> Address:
        """Return where another process finds the app.

        Raises:
            ConfigError: none can.
        """
        if self._address is None:
            message = "this engine is of a test: other processes cannot have it"
            raise ConfigError(message)
        return self._address()

    def submit(
        self,
        task: TaskDefinition,
        calls: Sequence[Mapping[str, Any]],
        *,
        options: CallOptions = UNTUNED,
        shared: SharedArguments | None = None,
        session: object = None,
        amend: Callable[[Batch], Batch] | None = None,
    ) -> list[Registered]:
        """Register calls of a task, all or none.

        ``options`` are theirs alone; ``shared`` are arguments that all of them have;
        ``session`` is a transaction of the caller's, with which they come to be or not;
        ``amend`` says more of them, as what has started them; they become no earlier result then.
        """
        calls = self._lowered(task, calls, shared)
        batch = self._new_batch(task, calls, options, shared)
        if amend is not None:
            batch = replace(amend(batch), cached=False)
        with _shield(), self._explained(batch, calls, task):
            if session is None:
                registered = self.store.orchestrator.register(batch)
            else:
                registered = self.store.orchestrator.register_within(session, batch)
            if batch.cached and self.store.signed:
                self._check_reused(batch, registered, task)
            return registered

    async def submit_async(
        self,
        task: TaskDefinition,
        calls: Sequence[Mapping[str, Any]],
        *,
        options: CallOptions = UNTUNED,
        shared: SharedArguments | None = None,
        session: object,
    ) -> list[Registered]:
        """Like ``submit``, in the transaction of a session that is awaited."""
        calls = self._lowered(task, calls, shared)
        batch = self._new_batch(task, calls, options, shared)
        with self._explained(batch, calls, task):
            registered = await self.store.orchestrator.register_within_async(session, batch)
        if batch.cached and self.store.signed:
            await asyncio.to_thread(self._check_reused, batch, registered, task)
        return registered

    def retry(self, invocation_id: InvocationId) -> Registered:
        """Call again what has ended, however it did, with the task as it is here.

        Raises:
            InvocationNotFoundError: there is none.
            InvocationStatusError: it has not ended.
            TaskNotFoundError: the task is not known here.
            DataRejectedError: the task takes other arguments now.
        """
        backend = self.store.state_backend
        record = backend.get_invocation(invocation_id)
        check_ended(record)
        task = self.registry.get(record.task_id)
        serializer = self.registry.serializer(task, self.serializer)
        arguments = decode_arguments(record.arguments, serializer, self.payloads)
        [registered] = self.submit(
            task,
            [call_again(task, arguments)],
            options=options_again(record, backend.get_call(invocation_id)),
            amend=lambda batch: replace(batch, retried_from=invocation_id),
        )
        return registered

    def call_id(self, task: TaskDefinition, call: Mapping[str, Any]) -> str:
        """Return the id of a call, given by name, that equal ones have, too."""
        [lowered] = self._lowered(task, [call], None)
        return CallKeys(task, lowered, self.registry.serializer(task, self.serializer)).identity

    def share(self, task: TaskDefinition, arguments: Mapping[str, Any]) -> SharedArguments:
        """Encode arguments that many calls of a task have in common."""
        serializer = self.registry.serializer(task, self.serializer)
        types = task.types(serializer)
        if types is not None:
            arguments = types.lower(arguments)
        return self.payloads.share(task, arguments, serializer)

    def result(
        self, invocation_id: InvocationId, task_id: str = "", timeout: float | None = None
    ) -> Any:
        """Wait for an invocation and return what its task returned.

        Raises:
            ResultTimeoutError: it had not ended after ``timeout`` seconds.
            BaseException: what the task raised, or why it was never run to its end.
        """
        outcomes = self.wait([invocation_id], timeout=timeout)
        return self._result(invocation_id, task_id, timeout, outcomes)

    async def result_async(
        self,
        invocation_id: InvocationId,
        task_id: str = "",
        timeout: float | None = None,  # noqa: ASYNC109 - an error of ours, not a cancellation
    ) -> Any:
        """Like ``result``, for a coroutine."""
        outcomes = await self.wait_async([invocation_id], timeout=timeout)
        return self._result(invocation_id, task_id, timeout, outcomes)

    def wait(
        self,
        ids: Sequence[InvocationId],
        *,
        any_of: bool = False,
        timeout: float | None = None,
    ) -> Outcomes:
        """Block until the first of these has ended or, with ``any_of``, one of them.

        Returns what is known to have ended of all of them; nothing of what was waited for after
        ``timeout`` seconds. Inside a task, its invocation is PAUSED meanwhile and others have its
        place in the runner.

        Raises:
            InvocationCycleError: the wait would never end.
        """
        pauses, impatient = _pauses(), self._warn_if_unserved
        if pauses is None:
            return self.results.wait(ids, any_of=any_of, timeout=timeout, impatient=impatient)
        return pauses.wait(self.results, ids, any_of=any_of, timeout=timeout, impatient=impatient)

    async def wait_async(
        self,
        ids: Sequence[InvocationId],
        *,
        any_of: bool = False,
        timeout: float | None = None,  # noqa: ASYNC109 - it ends in nothing, not in a cancellation
    ) -> Outcomes:
        """Like ``wait``, for a coroutine."""
        pauses, impatient = _pauses(), self._warn_if_unserved
        if pauses is None:
            return await self.results.wait_async(
                ids, any_of=any_of, timeout=timeout, impatient=impatient
            )
        return await pauses.wait_async(
            self.results, ids, any_of=any_of, timeout=timeout, impatient=impatient
        )

    def new_event(self, code: str, payload: object) -> NewEvent:
        """Return an event to be emitted.

        Raises:
            SerializationError: the payload cannot be carried.
        """
        now = entered()
        return NewEvent(
            event_id=new_invocation_id(self.clock_offset()),
            code=code,
            payload=encode(payload, self.serializer),
            emitted_by=now.task_id if now else "client",
        )

    def close(self) -> None:
        """End the waiting thread and close the store."""
        self.results.close()
        self.store.close()

    def _lowered(
        self,
        task: TaskDefinition,
        calls: Sequence[Mapping[str, Any]],
        shared: SharedArguments | None,
    ) -> Sequence[Mapping[str, Any]]:
        """Return the calls as a serializer that goes by annotations has them; else as they are."""
        types = task.types(self.registry.serializer(task, self.serializer))
        if types is None:
            return calls
        done = {} if shared is None else shared.arguments
        lowered = []
        for number, call in enumerate(calls):
            try:
                lowered.append(types.lower(call, done))
            except SerializationError as error:
                if len(calls) > 1:
                    error.add_note(f"in call {number} of these {len(calls)}, counted from 0")
                raise
        return lowered

    def _new_batch(
        self,
        task: TaskDefinition,
        calls: Sequence[Mapping[str, Any]],
        options: CallOptions,
        shared: SharedArguments | None,
    ) -> Batch:
        return new_batch(
            calls,
            task=task,
            outgoing=self.payloads.outgoing(task, self.registry.serializer(task, self.serializer)),
            clock_offset=self.clock_offset(),
            ageing=self._ageing(),
            options=options,
            shared=shared,
        )

    def _explained(
        self, batch: Batch, calls: Sequence[Mapping[str, Any]], task: TaskDefinition
    ) -> AbstractContextManager[None]:
        return explained(
            batch,
            calls,
            task,
            backend=self.store.state_backend,
            serializer=self.registry.serializer(task, self.serializer),
            follow=self.payloads,
        )

    def _check_reused(
        self, batch: Batch, registered: Sequence[Registered], task: TaskDefinition
    ) -> None:
        check_reused(
            batch,
            registered,
            task,
            backend=self.store.state_backend,
            serializer=self.registry.serializer(task, self.serializer),
            follow=self.payloads,
        )

    def _result(
        self,
        invocation_id: InvocationId,
        task_id: str,
        timeout: float | None,
        outcomes: Outcomes,
    ) -> Any:
        outcome = outcomes.get(invocation_id)
        if outcome is None:
            message = (
                f"invocation {invocation_id} has not ended within {timeout} s; "
                "it goes on, ask again later"
            )
            raise ResultTimeoutError(message)
        return self.value(outcome, task_id)

    def clock_offset(self) -> float:
        """Seconds by which the store's clock is ahead, where ids have to heed it; else 0."""
        return self._offset()

    def _warn_if_unserved(self, invocation_id: InvocationId) -> None:
        """Say so where nobody lives that could run what is waited for."""
        try:
            record = self.store.state_backend.get_invocation(invocation_id)
            now = time.monotonic()
            if record.status.is_final() or self._asked.get(record.queue, 0.0) > now:
                return
            self._asked[record.queue] = now + ASK_AGAIN
            served = self.store.state_backend.is_served(record.queue)
        except StoreError as error:
            logger.warning("results.unreachable: %s", error)
            return
        if not served:
            self._asked[record.queue] = float("inf")  # said once
            logger.warning(
                "result.unserved: invocation %s of %s waits in queue %r, which no live runner "
                "takes (runner_cls here: %s); %s",
                invocation_id,
                record.task_id,
                record.queue,
                self._runner_name(),
                START_A_PROCESS if self.store.processes else START_A_THREAD,
                extra={"invocation_id": invocation_id, "task_id": record.task_id},
            )


def _shield() -> AbstractContextManager[None]:
    """Keep what may be raised in the task that calls out of a session with the store."""
    now = running.get()
    return _NOTHING if now is None else now.stop.shield()


def _pauses() -> Pauses | None:
    now = entered()
    return None if now is None else now.pauses
