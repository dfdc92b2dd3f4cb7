"""Tasks that take their worker down each time: given up with a reason, and alone."""

from __future__ import annotations

import pytest

from tests.acceptance.workers import wait_for
from tests.faults.settings import KEEN
from tests.faults.site import Site

#: The default of ``runner.max_recoveries``.
RECOVERIES = 3


# Two ways to be ended by a signal, which the exit is next to.
@pytest.mark.parametrize(
    "poison",
    [pytest.param("exit_hard", marks=pytest.mark.long), "segfault", "run_out_of_memory"],
)
def test_poison_is_given_up_and_its_neighbours_succeed(site: Site, poison: str) -> None:
    """After three recoveries it ends FAILED with its reason; what stood beside it succeeds."""
    for _ in range(2):
        site.fleet.start("--concurrency", "3", **KEEN)
    neighbours = site.hold(3)
    site.wait_for_runs(neighbours, 3)
    [bad] = site.call(poison, {})
    wait_for(lambda: _revived(site, bad), site.fleet.explain)
    assert site.query(
        """select status::text, reason, recoveries from pynenc.invocation_outcome
           where invocation_id = %s""",
        bad,
    ) == [("failed", "recoveries_exhausted", RECOVERIES + 1)]
    assert len(site.runs([bad])) == _deaths(site) == RECOVERIES + 1
    site.open_gate()
    site.wait_for_success([*neighbours, *site.work(5, 0)])
    assert _deaths(site) == RECOVERIES + 1  # no crash loop
    site.check()


def _revived(site: Site, bad: str) -> bool:
    """Start a worker for each that died, as systemd would; whether the end has come."""
    living = sum(worker.alive for worker in site.fleet.workers)
    for _ in range(2 - living):
        site.fleet.launch("--concurrency", "3", **KEEN)
    return site.statuses([bad]) == {"failed": 1}


def _deaths(site: Site) -> int:
    return sum(not worker.alive for worker in site.fleet.workers)
