"""Tests without a server and without threads, in a time that is the test's own."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

from pynenc_pg import wiring
from pynenc_pg.app import Pynenc
from pynenc_pg.testing.driven import DrivenEngine


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
        store = wiring.memory_store(app.conf.app_id, lambda: self.now)
        kind = app._kind(DrivenEngine)  # noqa: SLF001 - as it does
        self.engine = kind(app, store, clock_offset=lambda: self.offset)

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
