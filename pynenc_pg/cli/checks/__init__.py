"""The checks of ``pynenc-pg doctor``: each looks for one thing, and changes nothing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from pynenc_pg.cli.checks.finding import NOTE, PROBLEM, WARNING, Check, Finding, Patient
from pynenc_pg.cli.checks.invariants import invariants
from pynenc_pg.cli.checks.server import clock, connections, replication, sessions, settings
from pynenc_pg.cli.checks.storage import (
    dead_rows,
    guard,
    indexes,
    partitions,
    retention,
    rights,
    schema,
)
from pynenc_pg.cli.checks.work import (
    dead_runners,
    parked_causes,
    paused_queues,
    queued,
    set_aside,
    unsigned,
)

#: In the order in which they are told.
CHECKS: Final[Mapping[str, Check]] = {
    check.__name__: check
    for check in (
        schema,
        invariants,
        guard,
        indexes,
        partitions,
        set_aside,
        queued,
        dead_runners,
        paused_queues,
        parked_causes,
        settings,
        connections,
        clock,
        sessions,
        replication,
        dead_rows,
        retention,
        rights,
        unsigned,
    )
}

__all__ = ["CHECKS", "NOTE", "PROBLEM", "WARNING", "Check", "Finding", "Patient"]
