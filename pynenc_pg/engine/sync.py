"""Synchronous mode: a call executes its task before it returns, and touches no store of the app."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from typing import Any

from pynenc_pg.domain.records import Registered
from pynenc_pg.engine.core import Engine
from pynenc_pg.engine.inline import InlineRunner
from pynenc_pg.engine.printing import Printing
from pynenc_pg.engine.registry import Registry, TaskDefinition
from pynenc_pg.ports import Store
from pynenc_pg.serializer.base import BaseSerializer


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
            forced_sync=True,
        )

    def submit(
        self,
        task: TaskDefinition,
        calls: Sequence[Mapping[str, Any]],
        *,
        queue: str | None = None,
    ) -> list[Registered]:
        """Register and execute, in this thread and by no other: each has a queue of its own."""
        queue = f"sync-{threading.get_ident()}"
        registered = super().submit(task, calls, queue=queue)
        self._inline.run([queue])
        return registered
