"""Apps whose work another process can see."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from pynenc_pg import Pynenc
from pynenc_pg.exceptions import ConfigError

if TYPE_CHECKING:
    from pynenc_pg.cli.main import Context


@contextmanager
def reached(context: Context, what: str, instead: str) -> Iterator[Pynenc]:
    """Find the app, if ``what`` of it can be reached from here; close it at the end.

    ``instead`` is what one calls in the process that runs the tasks.

    Raises:
        ConfigError: it is in the memory of each process.
    """
    with context.app() as app:
        if not app.engine.store.processes:
            message = (
                f"app {app.conf.app_id!r} keeps its {what} in memory, each process its own: call "
                f"{instead} in the process that runs the tasks, or configure a database "
                "(PYNENC__POSTGRES__DSN)"
            )
            raise ConfigError(message)
        yield app
