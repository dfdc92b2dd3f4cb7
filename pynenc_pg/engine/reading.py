"""What stands in rows, made into Python values again."""

from __future__ import annotations

from typing import Any

from pynenc_pg.domain.arguments import Arguments
from pynenc_pg.domain.ids import InvocationId
from pynenc_pg.domain.records import Outcome
from pynenc_pg.engine.attempts import Attempt, attempts
from pynenc_pg.engine.context import running
from pynenc_pg.engine.failures import failure_of
from pynenc_pg.engine.payloads import Payloads
from pynenc_pg.engine.printing import Printing
from pynenc_pg.engine.registry import Registry
from pynenc_pg.invocation.status import InvocationStatus
from pynenc_pg.ports import Store
from pynenc_pg.serializer.base import BaseSerializer
from pynenc_pg.serializer.failure import decode_exception
from pynenc_pg.serializer.typed import TaskTypes
from pynenc_pg.serializer.wire import decode, decode_arguments


class Reading:
    """The half of the engine that reads."""

    store: Store
    registry: Registry
    serializer: BaseSerializer
    payloads: Payloads
    printing: Printing

    def value(self, outcome: Outcome, task_id: str = "") -> Any:
        """Return what a task returned.

        Raises:
            BaseException: what it raised, or why it was never run to its end.
        """
        serializer = self._serializer_of(task_id)
        if outcome.status is InvocationStatus.SUCCESS:
            result = decode(outcome.value or "null", serializer, self.payloads)
            types = self._types_of(task_id, serializer)
            return result if types is None else types.lift_result(result)
        now = running.get()
        if now is not None and now.workflow is not None:
            now.workflow.heard(outcome.invocation_id)
        raise failure_of(outcome, serializer, self.payloads)

    def failure(self, outcome: Outcome, task_id: str = "") -> BaseException:
        """Return what a task raised, or why it was never run to its end."""
        return failure_of(outcome, self._serializer_of(task_id), self.payloads)

    def arguments(self, invocation_id: InvocationId) -> Arguments:
        """Return the arguments of an invocation, by name."""
        record = self.store.state_backend.get_invocation(invocation_id)
        return self.decoded(record.task_id, record.arguments)

    def decoded(self, task_id: str, text: str, *, defaults: bool = False) -> Arguments:
        """Return arguments of a task as they stand in a row; with its ``defaults``, if known."""
        task, serializer = self.registry.find(task_id), self._serializer_of(task_id)
        arguments = decode_arguments(text, serializer, self.payloads)
        types = self._types_of(task_id, serializer)
        if types is not None:
            arguments = types.lift(arguments)
        if defaults and task is not None:
            arguments = task.defaults | arguments
        return self.printing.arguments(arguments)

    def attempts(self, invocation_id: InvocationId) -> list[Attempt]:
        """Return its attempts, each with what it raised."""
        backend = self.store.state_backend
        serializer = self._serializer_of(backend.get_invocation(invocation_id).task_id)
        history = backend.get_history(invocation_id)
        return attempts(history, lambda text: decode_exception(text, serializer, self.payloads))

    def _serializer_of(self, task_id: str) -> BaseSerializer:
        return self.registry.serializer(self.registry.find(task_id), self.serializer)

    def _types_of(self, task_id: str, serializer: BaseSerializer) -> TaskTypes | None:
        task = self.registry.find(task_id) if serializer.typed else None
        return None if task is None else task.types(serializer)
