"""What tests of workflows look at."""

from __future__ import annotations

from typing import Any

from pynenc_pg import InvocationStatus
from tests.app import workflow_tasks as tasks


def reasons(invocation: Any) -> list[str | None]:
    """Return why it was to be run again, each time."""
    return [e.reason for e in invocation.history if e.status is InvocationStatus.RETRY]


def lists(index: int = -1) -> Any:
    """Return what was noted by an attempt."""
    return [entry for entry in tasks.seen if isinstance(entry, list)][index]
