"""Packets vanish between a worker and the server, and nobody is told: half-open connections."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from tests.acceptance.workers import wait_for
from tests.faults.fleet import Nursery
from tests.faults.network import Island, island
from tests.faults.server import own_server
from tests.faults.settings import KEEN
from tests.faults.site import Site

#: Seconds until keepalives and ``tcp_user_timeout`` end a silent connection, on either side.
NOTICED = 3.5
LEASE = 6.0
MARGIN = 1.0
CUT_OFF = KEEN | {
    "PYNENC__RUNNER_CLS": "AsyncRunner",
    "PYNENC__RUNNER__HEARTBEAT": "0.5",
    "PYNENC__RUNNER__LEASE": str(LEASE),
    "PYNENC__RUNNER__LEASE_MARGIN": str(MARGIN),
}


@pytest.fixture
def net() -> Iterator[Island]:
    """A network of our own."""
    with island() as made:
        yield made


@pytest.fixture
def net_site(
    net: Island, pattern: Path, bodies: str, nursery: Nursery, tmp_path: Path
) -> Iterator[Site]:
    """A queue on a server that the island reaches by its cable alone."""
    if not str(conninfo_to_dict(bodies).get("host", "")).startswith("/"):
        pytest.skip("task bodies could not leave their records: that server has no socket file")
    with own_server(pattern, f"listen_addresses={net.here}") as server:
        server.admit(net.network)
        server.restart(signal.SIGINT)
        site = Site(server.dsn, bodies, nursery, tmp_path)
        yield site
        site.close()


def test_a_worker_that_is_cut_off_is_replaced_and_stops(net: Island, net_site: Site) -> None:
    """Both sides notice. Others begin as the lock is gone; it stops by lease less margin.

    In between lies the window in which both may run: what the first one brings is refused.
    """
    site, dsn = net_site, make_conninfo(net_site.dsn, host=net.here)
    lost = site.fleet.start(dsn=dsn, FAULTS_NETWORK=net.entry, **CUT_OFF)
    mark = site.folder / "mark"
    [call] = site.call("linger", {"mark": str(mark)})
    wait_for(mark.exists, lost.explain)
    site.fleet.start(**CUT_OFF)
    began = time.time()
    net.cut()
    # Whichever of its connections was in use is the first to tell.
    signs = ("heartbeat.failed", "the connection was lost")
    wait_for(lambda: any(sign in lost.said() for sign in signs), lost.explain)
    assert time.time() - began < NOTICED + site.slack, lost.explain()
    wait_for(lambda: mark.read_text() == "told to stop", lost.explain)
    stopped = mark.stat().st_mtime
    assert stopped - began < LEASE - MARGIN + site.slack / 2, lost.explain()
    site.wait_for_success([call])
    _, second = site.runs([call])
    assert second[2].timestamp() - began < NOTICED + 0.2 + 0.1 + site.slack  # grace, sweep
    assert stopped - second[2].timestamp() < LEASE - MARGIN
    net.heal()
    wait_for(lambda: "runner.anew" in lost.said(), lost.explain)
    lost.wait_until_up(site.dsn)
    site.check()


def test_a_worker_that_dies_while_it_is_cut_off(net: Island, net_site: Site) -> None:
    """No word of its death gets through: the server ends its session, and its lock, by itself."""
    site, dsn = net_site, make_conninfo(net_site.dsn, host=net.here)
    lost = site.fleet.start(dsn=dsn, FAULTS_NETWORK=net.entry, **KEEN)
    held = site.hold(1)
    site.wait_for_runs(held, 1)
    heir = site.fleet.start(**KEEN)
    net.cut()
    lost.kill()
    began = time.monotonic()
    site.wait_for_runs(held, 2)
    assert (
        time.monotonic() - began < NOTICED + 0.2 + 0.1 + site.slack
    )  # grace, sweep; not its lease
    assert site.runs(held)[1][0] == heir.pid
    site.open_gate()
    site.wait_for_success(held)
    site.check()
