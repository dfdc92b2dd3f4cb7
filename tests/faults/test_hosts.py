"""Several hosts: each worker in a network of its own, with one cable to the server."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Final

import pytest
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from tests.acceptance.workers import wait_for
from tests.faults.fleet import Nursery, Worker
from tests.faults.network import Island, island
from tests.faults.server import own_server
from tests.faults.settings import KEEN
from tests.faults.site import Site

HOSTS: Final = 3
LEASE: Final = 3.0
#: The lease ends before a silent connection does: who is cut off has stopped when others begin.
SETTINGS: Final = KEEN | {
    "PYNENC__RUNNER_CLS": "AsyncRunner",
    "PYNENC__RUNNER__HEARTBEAT": "0.5",
    "PYNENC__RUNNER__LEASE": str(LEASE),
    "PYNENC__RUNNER__LEASE_MARGIN": "1",
}
_TAKEN: Final = """select count(*)::int from pynenc.invocation_history
    where changed_by = 'recovery'"""


class Hosts(list[Island]):
    """Them, and the queue that all of them reach."""

    def __init__(self, hosts: list[Island], site: Site) -> None:
        super().__init__(hosts)
        self.site = site

    def start(self, host: Island, **environment: str) -> Worker:
        """Start a worker there."""
        dsn = make_conninfo(self.site.dsn, host=host.here)
        settings = SETTINGS | environment
        return self.site.fleet.start(dsn=dsn, FAULTS_NETWORK=host.entry, **settings)


@pytest.fixture
def hosts(pattern: Path, bodies: str, nursery: Nursery, tmp_path: Path) -> Iterator[Hosts]:
    """Hosts, and a server that each of them reaches by a cable of its own."""
    if not str(conninfo_to_dict(bodies).get("host", "")).startswith("/"):
        pytest.skip("task bodies could not leave their records: that server has no socket file")
    with ExitStack() as stack:
        made = [stack.enter_context(island(which)) for which in range(HOSTS)]
        addresses = ",".join(host.here for host in made)
        server = stack.enter_context(own_server(pattern, f"listen_addresses={addresses}"))
        for host in made:
            server.admit(host.network)
        server.restart(signal.SIGINT)
        site = Site(server.dsn, bodies, nursery, tmp_path)
        yield Hosts(made, site)
        site.close()


def test_a_host_that_is_cut_off_and_comes_back(hosts: Hosts) -> None:
    """It stops by itself before another one begins its work, and takes part again afterwards."""
    site, mark = hosts.site, hosts.site.folder / "mark"
    lost = hosts.start(hosts[0])
    [call] = site.call("linger", {"mark": str(mark)})
    wait_for(mark.exists, lost.explain)
    others = [hosts.start(host) for host in hosts[1:]]
    hosts[0].cut()
    site.wait_for_success([call])
    first, second = site.runs([call])
    assert (first[0], second[0] in {other.pid for other in others}) == (lost.pid, True)
    assert mark.read_text() == "told to stop"
    assert mark.stat().st_mtime < second[2].timestamp()
    assert [status for status in site.history(call) if status == "success"] == ["success"]
    hosts[0].heal()
    wait_for(lambda: "runner.anew" in lost.said(), lost.explain)
    for other in others:
        other.stop()
    again = site.work(4, 0.01)
    site.wait_for_success(again)
    assert {pid for pid, *_ in site.runs(again)} == {lost.pid}
    site.check()


def taken_over(site: Site, before: int) -> bool:
    """Whether others have begun more of what somebody held than before."""
    return bool(site.query(_TAKEN)[0][0] > before)


@pytest.mark.long
def test_hosts_that_are_cut_off_by_turns_under_load(hosts: Hosts) -> None:
    """Two workers on each; whichever host is away, all is done, and no end counts twice."""
    site = hosts.site
    workers = [hosts.start(host, PYNENC__RUNNER_CLS="ThreadRunner") for host in hosts for _ in "ab"]
    ids = site.work(300, 0.01)
    for turn in range(4):
        ids += site.work(900, 0.02)
        done, taken = len(site.runs(ids)), site.query(_TAKEN)[0][0]
        hosts[turn % HOSTS].cut()
        # Until the others have found out, and taken what it held.
        wait_for(partial(taken_over, site, taken), site.fleet.explain)
        hosts[turn % HOSTS].heal()
        site.wait_for_runs(ids, done + 1)
    site.wait_for_success(ids)
    wait_for(
        lambda: all(worker.said().count("runner.anew") for worker in workers), site.fleet.explain
    )
    site.check()
