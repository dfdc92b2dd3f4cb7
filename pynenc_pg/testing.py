"""Helpers for the tests of code that uses tasks: no server, no threads, and time that you own.

>>> with in_memory(app) as world:  # doctest: +SKIP
...     invocation = send_report.options(delay=3600)("monthly")
...     world.run_until_idle()
...     assert invocation.status is InvocationStatus.REGISTERED
...     world.advance(3600)
...     world.run_until_idle()
...     assert invocation.result == "sent"
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Final

from pynenc_pg import wiring
from pynenc_pg.app import Pynenc
from pynenc_pg.domain.ids import InvocationId, RunnerId
from pynenc_pg.engine.context import running
from pynenc_pg.engine.core import Engine
from pynenc_pg.engine.inline import InlineRunner
from pynenc_pg.engine.results import Outcomes
from pynenc_pg.exceptions import ResultTimeoutError
from pynenc_pg.trigger.reactor import TriggerReactor

_WORLD: Final = RunnerId("World")

__all__ = ["World", "eager", "in_memory"]


@contextmanager
def eager(app: Pynenc, *, force_sync: bool = True) -> Iterator[None]:
    """For the length of a block, execute each task at its call, in the caller's thread.

    The same as ``app.conf.dev_mode_force_sync_tasks = True``, and back.
    """
    before = app.conf.dev_mode_force_sync_tasks
    app.conf.dev_mode_force_sync_tasks = force_sync
    try:
        yield
    finally:
        app.conf.dev_mode_force_sync_tasks = before


@contextmanager
def in_memory(app: Pynenc, *, now: datetime | None = None) -> Iterator[World]:
    """For the length of a block, give the app an empty store in memory and a clock that stands.

    Nothing is executed before the test says so, or asks for a result. ``now`` is where the clock
    begins: aware, the present if it is left out.
    """
    world = World(app, now or datetime.now(UTC))
    with eager(app, force_sync=False), app.with_engine(world.engine):
        yield world


class World:
    """A store, a runner and a clock of one test."""

    def __init__(self, app: Pynenc, now: datetime) -> None:
        """Begin empty, at that time."""
        if now.utcoffset() is None:
            message = f"now = {now!r}: give a time with its zone, as in datetime.now(UTC)"
            raise ValueError(message)
        self._set(now)
        self.engine = _DrivenEngine(self, app)

    @property
    def now(self) -> datetime:
        """What the clock shows."""
        return self._now

    def advance(self, seconds: float) -> None:
        """Move the clock; what became due is executed by the next ``run_until_idle``.

        Ticks of a schedule in between were missed then, and are caught up as it says.
        """
        if seconds < 0:
            message = f"advance({seconds}): time goes forward, give seconds, 0 or more"
            raise ValueError(message)
        self._set(self._now + timedelta(seconds=seconds))

    def _set(self, now: datetime) -> None:
        self._now = now
        # Ids go on from here as time really does, so that they grow from one call to the next.
        self.offset = (now - datetime.now(UTC)).total_seconds()

    def run_until_idle(self, *, limit: int = 100_000) -> int:
        """Execute, in this thread, what is ready and what that makes ready; returns how many.

        Raises:
            RuntimeError: more than ``limit`` were executed: a task starts itself again for ever.
        """
        return self.engine.run(limit=limit)


class _DrivenEngine(Engine):
    """Executes work where a result is asked for."""

    def __init__(self, world: World, app: Pynenc) -> None:
        ordinary = app.engine
        super().__init__(
            store=wiring.memory_store(app.conf.app_id, lambda: world.now),
            registry=ordinary.registry,
            serializer=ordinary.serializer,
            printing=ordinary.printing,
            ageing=lambda: app.conf.ageing,
        )
        self._world = world
        self._triggers = TriggerReactor(self, app._triggers, lambda: app.conf.trigger_task_modules)  # noqa: SLF001
        self._told = -1
        self._tell()
        self._inline = InlineRunner(
            store=self.store,
            registry=self.registry,
            serializer=self.serializer,
            describe=self.printing.describe,
            payloads=self.payloads,
            forced_sync=False,
            meanwhile=self._meanwhile,
        )
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

    def _tell(self) -> None:
        """Have causes noted for the triggers that the code has by now."""
        if self._told != self._triggers.version:
            self._triggers.tell()
            self._told = self._triggers.version

    def wait(
        self,
        ids: Sequence[InvocationId],
        *,
        any_of: bool = False,
        timeout: float | None = None,
    ) -> Outcomes:
        """Execute what is ready until what is waited for has ended."""
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
        if running.get() is None:
            if not any_of or not any(map(self._has_ended, ids)):
                self._drive(ids[0])
            return await super().wait_async(ids, any_of=any_of, timeout=timeout)
        self._wanted.append(ids[0])
        try:
            return await super().wait_async(ids, any_of=any_of, timeout=timeout)
        finally:
            self._wanted.remove(ids[0])

    def _meanwhile(self) -> None:
        self._drive(self._wanted[-1])

    def _drive(self, invocation_id: InvocationId) -> None:
        if not self._has_ended(invocation_id):
            self.run(until=invocation_id)
        record = self.store.state_backend.get_invocation(invocation_id)
        if record.status.is_final() or record.status.is_owned():
            return
        due = f", due {record.due_at:%Y-%m-%d %H:%M:%S %Z}" if record.due_at else ""
        message = (
            f"invocation {invocation_id} of {record.task_id} is {record.status}{due}, and nothing "
            "else is ready: advance the clock (world.advance) before you ask for its result"
        )
        raise ResultTimeoutError(message)

    def _has_ended(self, invocation_id: InvocationId) -> bool:
        return bool(self.store.state_backend.get_outcomes([invocation_id]))

    def clock_offset(self) -> float:
        """The seconds to the clock that the test owns."""
        return self._world.offset
