"""Workflows go on after whatever happens, with what was recorded, and each child is executed once."""

from __future__ import annotations

from typing import Final, get_args

import pytest
from _pytest.mark import ParameterSet

from tests.faults import journeys
from tests.faults.journeys import Kind
from tests.faults.proxy import When
from tests.faults.site import Site

THREADS: Final = "ThreadRunner"
LOOP: Final = "AsyncRunner"
PROCESSES: Final = "PersistentProcessRunner"
_USUAL: Final = {
    ("before", "crash", THREADS),
    ("after", "crash", THREADS),
    ("after", "drop", THREADS),
}


def _usual(when: When, kind: Kind, runner: str) -> ParameterSet:
    marks = [] if (when, kind, runner) in _USUAL else pytest.mark.long
    return pytest.param(when, kind, runner, marks=marks)


@pytest.mark.parametrize(
    ("when", "kind", "runner"),
    [
        _usual(when, kind, runner)
        for when in get_args(When)
        for kind in ("crash", "drop")
        for runner in (THREADS, LOOP, PROCESSES)
    ],
)
def test_harm_at_every_operation_of_a_workflow(
    site: Site, when: When, kind: Kind, runner: str
) -> None:
    """Killed or cut off at any of them: the values are those recorded, and children run once."""
    task = "ajourney" if runner == LOOP else "journey"
    journeys.run(site, when, kind, task=task, runner=runner)
