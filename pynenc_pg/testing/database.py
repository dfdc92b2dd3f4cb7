"""Tests on a real database, of which the app has nothing but its tables."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

from pynenc_pg.conf.config_pynenc import COMPONENTS
from pynenc_pg.testing.driven import DrivenEngine
from pynenc_pg.testing.world import eager

if TYPE_CHECKING:
    from pynenc_pg.app import Pynenc


@contextmanager
def on_postgres(app: Pynenc, dsn: str) -> Iterator[DatabaseWorld]:
    """For the length of a block, let the app work on the migrated database of that DSN.

    Nothing is executed before the test says so, asks for a result, or starts a runner.
    """
    with ExitStack() as stack:
        stack.enter_context(eager(app, force_sync=False))
        stack.enter_context(_configured(app, dsn))
        kind = app._kind(DrivenEngine)  # noqa: SLF001 - as it does
        engine = kind(app, app._store(), address=app._address)  # noqa: SLF001
        stack.enter_context(app.with_engine(engine))
        stack.callback(engine.leave)
        yield DatabaseWorld(app, dsn, engine)


class DatabaseWorld:
    """A database, and who works on it. Its clock is the server's: nobody moves it."""

    def __init__(self, app: Pynenc, dsn: str, engine: DrivenEngine) -> None:
        """Begin with what stands there."""
        self.app = app
        self.dsn = dsn
        self.engine = engine

    def run_until_idle(self, *, limit: int = 100_000) -> int:
        """Execute, in this thread, what is ready and what that makes ready; returns how many.

        Raises:
            RuntimeError: more than ``limit`` were executed: a task starts itself again for ever.
        """
        return self.engine.run(limit=limit)

    @contextmanager
    def runner(self, runner_cls: str = "ThreadRunner") -> Iterator[None]:
        """For the length of a block, have a runner as in production: in threads, or in processes.

        It has stopped, and given back what it did not finish, when the block ends.

        Raises:
            BaseException: what ended the runner before the block ended, if anything did.
        """
        before, self.app.conf.runner_cls = self.app.conf.runner_cls, runner_cls
        try:
            with self.engine.undriven(), self.app.runner.in_background():
                yield
        finally:
            self.app.conf.runner_cls = before


@contextmanager
def _configured(app: Pynenc, dsn: str) -> Iterator[None]:
    """Name the database, and no component of memory."""
    conf = app.conf
    before = {name: getattr(conf, name) for name in (*COMPONENTS, "runner_cls")}
    dsns = conf.postgres.dsn, conf.postgres.direct_dsn
    for name in COMPONENTS:
        setattr(conf, name, None)
    conf.runner_cls = "ThreadRunner"
    conf.postgres.dsn, conf.postgres.direct_dsn = dsn, None
    try:
        yield
    finally:
        conf.postgres.dsn, conf.postgres.direct_dsn = dsns
        for name, value in before.items():
            setattr(conf, name, value)
