"""What is asked of our schema from beside it, by the measurer's own session."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from benchmarks.measure import Ends, wait

if TYPE_CHECKING:
    from benchmarks.server import Database

APP: Final = "bench"
QUEUE: Final = "default"


def environment(database: Database) -> dict[str, str]:
    """What tells a worker process of ours where its database is."""
    return {"PYNENC__POSTGRES__DSN": database.dsn}


def pause(database: Database, *, paused: bool) -> None:
    """Stop giving out work, or go on; going on wakes the runners."""
    database.value("select pynenc.pause_queue(%s, %s, %s)::text", APP, QUEUE, paused)


def wait_idle(database: Database, runners: int) -> None:
    """Wait until so many runners have looked for work and found none."""
    query = "select count(*) from pynenc.runner where idle"
    wait(lambda: bool(database.value(query) == runners), f"{runners} idle runners")


def ends(database: Database) -> Ends:
    """Ask the outcomes."""
    return database.ends("pynenc.invocation_outcome", "finished_at")
