"""The engine of one app: tasks, store and serializer, and what can be done with them."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from typing import Any

from pynenc_pg.domain.ids import InvocationId
from pynenc_pg.domain.records import Outcome, Registered
from pynenc_pg.engine.registry import Registry, TaskDefinition
from pynenc_pg.engine.results import ResultWaiter
from pynenc_pg.engine.submit import submit
from pynenc_pg.exceptions import (
    ConcurrencyControlledError,
    InvocationCancelledError,
    InvocationExpiredError,
    RecoveriesExhaustedError,
    ResultTimeoutError,
)
from pynenc_pg.invocation.status import InvocationStatus, Reason
from pynenc_pg.ports import Store
from pynenc_pg.serializer.base import BaseSerializer
from pynenc_pg.serializer.failure import decode_exception
from pynenc_pg.serializer.wire import decode

#: Seconds a clock may be wrong before ids are made by the store's time instead.
TOLERATED_OFFSET = 1.0


class Engine:
    """Use cases in terms of the ports."""

    def __init__(self, *, store: Store, registry: Registry, serializer: BaseSerializer) -> None:
        """Take the parts; nothing is opened."""
        self.store = store
        self.registry = registry
        self.serializer = serializer
        self.results = ResultWaiter(store)
        self._offset: float | None = None
        self._lock = threading.Lock()

    def submit(self, task: TaskDefinition, calls: Sequence[Mapping[str, Any]]) -> list[Registered]:
        """Register calls of a task, all or none."""
        return submit(
            calls,
            task=task,
            store=self.store,
            serializer=self.serializer,
            clock_offset=self._clock_offset(),
        )

    def result(self, invocation_id: InvocationId, timeout: float | None = None) -> Any:
        """Wait for an invocation and return what its task returned.

        Raises:
            ResultTimeoutError: it had not ended after ``timeout`` seconds.
            BaseException: what the task raised, or why it was never run to its end.
        """
        outcome = self.results.wait(invocation_id, timeout)
        if outcome is None:
            message = (
                f"invocation {invocation_id} has not ended within {timeout} s; "
                "it goes on, ask again later"
            )
            raise ResultTimeoutError(message)
        if outcome.status is InvocationStatus.SUCCESS:
            return decode(outcome.value or "null", self.serializer)
        raise self._failure(outcome)

    def close(self) -> None:
        """End the waiting thread and close the store."""
        self.results.close()
        self.store.close()

    def _clock_offset(self) -> float:
        if self._offset is None:
            with self._lock:
                measured = self.store.state_backend.clock_offset()
                self._offset = measured if abs(measured) > TOLERATED_OFFSET else 0.0
        return self._offset

    def _failure(self, outcome: Outcome) -> BaseException:
        which = f"invocation {outcome.invocation_id}"
        if outcome.status is InvocationStatus.CONCURRENCY_CONTROLLED_FINAL:
            return ConcurrencyControlledError(
                f"{which} was not run: its concurrency limit was reached and it must not wait"
            )
        if outcome.reason == Reason.CANCELLED:
            return InvocationCancelledError(f"{which} was cancelled")
        if outcome.reason == Reason.EXPIRED:
            return InvocationExpiredError(f"{which} expired before anybody began it")
        if outcome.reason == Reason.RECOVERIES_EXHAUSTED:
            return RecoveriesExhaustedError(
                f"{which} was given up: it was running each time its worker died "
                "(see max_recoveries)"
            )
        return decode_exception(outcome.value or "{}", self.serializer)
