"""A mix of all kinds of work, with deaths all along: the checker is content, and nothing grows."""

from __future__ import annotations

import os

import pytest

from tests.faults.server import OwnServer
from tests.faults.site import Site
from tests.faults.soak import WORKERS, Soak

SEED = 20_261_126
#: Of the long one, seconds.
LONG = float(os.environ.get("PYNENC_SOAK_SECONDS", "1200"))
#: A worker's home, its pool of four; a session that a dead one has left is soon ended.
SESSIONS = 5
#: What a process may grow by while it fills its caches, megabytes.
GROWTH = 8.0


@pytest.mark.long
def test_twenty_seconds_of_everything(own_site: Site, server: OwnServer) -> None:
    """After kills, stops, freezes and a restart of the server all that was accepted has ended."""
    _soak(Soak(own_site, server, seconds=20, restarts=9, seed=SEED))


@pytest.mark.long
@pytest.mark.timeout(LONG + 300)
def test_twenty_minutes_of_everything(own_site: Site, server: OwnServer) -> None:
    """The same for long: neither memory nor connections nor locks grow."""
    _soak(Soak(own_site, server, seconds=LONG, restarts=45, seed=SEED))


def _soak(soak: Soak) -> None:
    soak.run()
    print(soak.figures())  # noqa: T201 - with -s
    assert soak.growth() < GROWTH
    # The one that is left alone, the others, and those that were replaced a moment ago.
    most = max(sample.connections for sample in soak.samples)
    assert most <= (2 * WORKERS + 1) * SESSIONS + SESSIONS
    assert soak.samples[-1].locks <= WORKERS + 1
    soak.site.check()
