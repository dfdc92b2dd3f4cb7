"""Synchronous mode: a call executes its task before it returns, and touches no store of the app."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from pynenc_pg.conf.config_call import UNTUNED, CallOptions
from pynenc_pg.domain.concurrency import ConcurrencyControlType
from pynenc_pg.domain.records import Batch, Registered
from pynenc_pg.engine.core import Engine
from pynenc_pg.engine.inline import InlineRunner
from pynenc_pg.engine.printing import Printing
from pynenc_pg.engine.registry import Registry, TaskDefinition
from pynenc_pg.exceptions import ResultTimeoutError
from pynenc_pg.ports import Store
from pynenc_pg.serializer.base import BaseSerializer
from pynenc_pg.serializer.large import SharedArguments

_UNCONTROLLED: Final = {
    "registration_concurrency": ConcurrencyControlType.DISABLED,
    "running_concurrency": ConcurrencyControlType.DISABLED,
}


class SyncEngine(Engine):
    """Over a store in memory that is its own: the states and the history are as they always are."""

    def __init__(
        self,
        *,
        store: Store,
        registry: Registry,
        serializer: BaseSerializer,
        printing: Printing,
    ) -> None:
        """Take the parts."""
        super().__init__(store=store, registry=registry, serializer=serializer, printing=printing)
        self._inline = InlineRunner(
            store=store,
            registry=registry,
            serializer=serializer,
            describe=self.printing.describe,
            payloads=self.payloads,
            forced_sync=True,
            meanwhile=_nobody_else,
        )

    def submit(
        self,
        task: TaskDefinition,
        calls: Sequence[Mapping[str, Any]],
        *,
        options: CallOptions = UNTUNED,
        shared: SharedArguments | None = None,
        session: object = None,  # noqa: ARG002 - nothing of it stands in a database
        amend: Callable[[Batch], Batch] | None = None,
    ) -> list[Registered]:
        """Register and execute, in this thread and by no other: each has a queue of its own."""
        queue = f"sync-{threading.get_ident()}"
        if task.conf.concurrency_controlled:
            # It is executed before the call returns: it cannot wait for a slot that others have.
            task = replace(task, conf=task.conf.model_copy(update=_UNCONTROLLED))
        # Nor does it wait for a time, nor is it spared.
        options = CallOptions(queue=queue, max_retries=options.max_retries, call_result_cache=False)
        registered = super().submit(
            task,
            calls,
            options=options,
            shared=shared,
            amend=amend,
        )
        self._inline.run([queue])
        return registered

    async def submit_async(
        self,
        task: TaskDefinition,
        calls: Sequence[Mapping[str, Any]],
        *,
        options: CallOptions = UNTUNED,
        shared: SharedArguments | None = None,
        session: object,  # noqa: ARG002 - as above
    ) -> list[Registered]:
        """Like ``submit``; the event loop goes on meanwhile."""
        return await asyncio.to_thread(self.submit, task, calls, options=options, shared=shared)


def _nobody_else() -> None:
    message = (
        "it has not ended, and in synchronous mode nobody else could end it: what a task calls is "
        "executed at the call, so only a task that waits for itself or its callers waits at all"
    )
    raise ResultTimeoutError(message)
