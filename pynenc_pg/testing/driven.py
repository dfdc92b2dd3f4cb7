"""An engine that executes work where its result is asked for, in the thread that asks."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Final

from pynenc_pg.app import Pynenc
from pynenc_pg.domain.ids import InvocationId, RunnerId
from pynenc_pg.engine.address import Address
from pynenc_pg.engine.context import running
from pynenc_pg.engine.core import Engine
from pynenc_pg.engine.inline import InlineRunner
from pynenc_pg.engine.results import Outcomes
from pynenc_pg.exceptions import ResultTimeoutError
from pynenc_pg.ports import Store
from pynenc_pg.trigger.reactor import TriggerReactor

_WORLD: Final = RunnerId("World")


class DrivenEngine(Engine):
    """Executes what is ready when it is told to, or when a result is waited for."""

    def __init__(
        self,
        app: Pynenc,
        store: Store,
        *,
        clock_offset: Callable[[], float] | None = None,
        address: Callable[[], Address] | None = None,
    ) -> None:
        """Take the app's tasks and settings, and another store.

        ``clock_offset`` answers the seconds to a clock that the test owns, if it does.
        """
        ordinary = app.engine
        super().__init__(
            store=store,
            registry=ordinary.registry,
            serializer=ordinary.serializer,
            printing=ordinary.printing,
            ageing=lambda: app.conf.ageing,
            address=address,
            large=lambda: app.conf.client_data_store,
        )
        self._own_offset = clock_offset
        self._triggers = TriggerReactor(self, app._triggers, lambda: app.conf)  # noqa: SLF001
        self._told = -1
        self._tell()
        self._driving = True
        self._inline = self._new_inline()
        self._wanted: list[InvocationId] = []  # what tasks wait for, the innermost last

    def run(self, *, until: InvocationId | None = None, limit: int = 100_000) -> int:
        """Execute until nothing is ready, or ``until`` has ended."""
        executed = 0
        self._tell()
        while executed <= limit:
            self.store.orchestrator.promote()
            self.store.orchestrator.expire()
            self._triggers.tick()
            self._triggers.react(_WORLD)
            more = self._inline.run(until=until, limit=limit - executed)
            executed += more
            if not more or (until is not None and self._has_ended(until)):
                break
        return executed

    @contextmanager
    def undriven(self) -> Iterator[None]:
        """For the length of a block leave the work to a runner: results are waited for."""
        self._driving = False
        self._inline.leave()
        self.reactor = self._triggers
        try:
            yield
        finally:
            self.reactor = None
            self._told = -1
            self._driving = True

    def leave(self) -> None:
        """Say goodbye to the store."""
        self._inline.leave()

    def wait(
        self,
        ids: Sequence[InvocationId],
        *,
        any_of: bool = False,
        timeout: float | None = None,
    ) -> Outcomes:
        """Execute what is ready until what is waited for has ended."""
        if not self._driving:
            return super().wait(ids, any_of=any_of, timeout=timeout)
        if running.get() is None:
            if not any_of or not any(map(self._has_ended, ids)):
                self._drive(ids[0])
            return super().wait(ids, any_of=any_of, timeout=timeout)
        self._wanted.append(ids[0])
        try:
            return super().wait(ids, any_of=any_of, timeout=timeout)
        finally:
            self._wanted.pop()

    async def wait_async(
        self,
        ids: Sequence[InvocationId],
        *,
        any_of: bool = False,
        timeout: float | None = None,  # noqa: ASYNC109 - as in the engine
    ) -> Outcomes:
        """Execute what is ready until what is waited for has ended."""
        if not self._driving:
            return await super().wait_async(ids, any_of=any_of, timeout=timeout)
        if running.get() is None:
            if not any_of or not any(map(self._has_ended, ids)):
                self._drive(ids[0])
            return await super().wait_async(ids, any_of=any_of, timeout=timeout)
        self._wanted.append(ids[0])
        try:
            return await super().wait_async(ids, any_of=any_of, timeout=timeout)
        finally:
            self._wanted.remove(ids[0])

    def clock_offset(self) -> float:
        """The seconds to the clock that the test owns, else to the store's."""
        return super().clock_offset() if self._own_offset is None else self._own_offset()

    def _new_inline(self) -> InlineRunner:
        return InlineRunner(
            store=self.store,
            registry=self.registry,
            serializer=self.serializer,
            describe=self.printing.describe,
            payloads=self.payloads,
            forced_sync=False,
            meanwhile=self._meanwhile,
        )

    def _tell(self) -> None:
        """Have causes noted for the triggers that the code has by now."""
        if self._told != self._triggers.version:
            self._triggers.tell()
            self._told = self._triggers.version

    def _meanwhile(self) -> None:
        self._drive(self._wanted[-1])

    def _drive(self, invocation_id: InvocationId) -> None:
        if not self._has_ended(invocation_id):
            self.run(until=invocation_id)
        record = self.store.state_backend.get_invocation(invocation_id)
        if record.status.is_final() or record.status.is_owned():
            return
        due = f", due {record.due_at:%Y-%m-%d %H:%M:%S %Z}" if record.due_at else ""
        forth = "ask for its result when that time has come"
        if self._own_offset is not None:
            forth = "advance the clock (world.advance) before you ask for its result"
        message = (
            f"invocation {invocation_id} of {record.task_id} is {record.status}{due}, and nothing "
            f"else is ready: {forth}"
        )
        raise ResultTimeoutError(message)

    def _has_ended(self, invocation_id: InvocationId) -> bool:
        return bool(self.store.state_backend.get_outcomes([invocation_id]))
