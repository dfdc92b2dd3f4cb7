"""Workflows of DBOS that are queued; ``python -m benchmarks.apps.dbos_queue_app`` runs them.

The database comes by environment.
"""

from __future__ import annotations

import os
import sys
import time
from typing import Final

from dbos import DBOS

from benchmarks.children import say

URL: Final = "BENCH_DBOS_URL"
APP: Final = "bench"


def _nothing() -> None:
    """Do nothing."""


def _clock() -> float:
    """Return when it was started."""
    return time.time()


# Its decorators have types that are there only where it is installed.
nothing = DBOS.workflow(name="nothing")(_nothing)
clock = DBOS.workflow(name="clock")(_clock)


def main() -> None:
    """Launch, say so, and run what is queued until the input ends."""
    DBOS(
        config={
            "name": APP,
            "system_database_url": os.environ[URL],
            "executor_id": os.environ["PGAPPNAME"],
            "log_level": "ERROR",
        }
    )
    DBOS.launch()
    say("ready")
    sys.stdin.read()


if __name__ == "__main__":
    main()
