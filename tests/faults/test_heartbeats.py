"""The home connection alone goes silent: the worker cannot renew its lease, and stops in time."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from tests.acceptance.workers import wait_for
from tests.faults.proxy import Proxy
from tests.faults.settings import HASTY, HASTY_BOUND, LEASE, MARGIN
from tests.faults.site import Site


def test_a_worker_without_heartbeat_stops_before_others_begin(site: Site) -> None:
    """It stops its tasks by lease less margin, the others begin later, within lease and sweep."""
    loop = {"PYNENC__RUNNER_CLS": "AsyncRunner"} | HASTY
    with Proxy(site.dsn) as proxy:
        silent = site.fleet.start("--concurrency", "2", dsn=proxy.dsn, **loop)
        mark = site.folder / "mark"
        [call] = site.call("linger", {"mark": str(mark)})
        wait_for(mark.exists, silent.explain)
        site.fleet.start("--concurrency", "2", **loop)
        began = time.time()
        proxy.still.add("pynenc home")
        wait_for(lambda: mark.read_text() == "told to stop", silent.explain)
        stopped = mark.stat().st_mtime
        assert stopped - began < LEASE - MARGIN + site.slack / 2, silent.explain()
        site.wait_for_success([call])
        _, second = site.runs([call])
        assert stopped < second[2].timestamp() < began + HASTY_BOUND + site.slack
        # Its tasks' own connections were fine all the time; with the home it works on.
        proxy.still.clear()
        wait_for(lambda: "runner.anew" in silent.said(), silent.explain)
        silent.wait_until_up(site.dsn)
        site.check()


def test_processes_of_a_worker_without_heartbeat_are_ended(site: Site) -> None:
    """What it executes in processes is killed by lease less margin, before others begin it."""
    runner = {"PYNENC__RUNNER_CLS": "ProcessRunner"} | HASTY
    with Proxy(site.dsn) as proxy:
        silent = site.fleet.start("--concurrency", "1", dsn=proxy.dsn, **runner)
        held = site.hold(1)
        site.wait_for_runs(held, 1)
        process = site.runs(held)[0][0]
        site.fleet.start("--concurrency", "1", **HASTY)
        began = time.time()
        proxy.still.add("pynenc home")
        wait_for(lambda: not _executes(process), silent.explain)
        ended = time.time()
        assert ended - began < LEASE - MARGIN + site.slack / 2, silent.explain()
        site.wait_for_runs(held, 2)
        assert ended < site.runs(held)[1][2].timestamp() < began + HASTY_BOUND + site.slack
        site.open_gate()
        site.wait_for_success(held)
        proxy.still.clear()
        silent.wait_until_up(site.dsn)
        site.check()


def test_a_home_that_is_silent_for_a_moment_costs_nothing(site: Site) -> None:
    """Half a lease without an answer is made up for: no task is run twice, nobody is fenced."""
    with Proxy(site.dsn) as proxy:
        worker = site.fleet.start("--concurrency", "1", dsn=proxy.dsn, **HASTY)
        held = site.hold(1)
        site.wait_for_runs(held, 1)
        other = site.fleet.start("--concurrency", "1", **HASTY)
        for _ in range(3):
            proxy.still.add("pynenc home")
            time.sleep((LEASE - MARGIN) / 3)
            proxy.still.clear()
            time.sleep(LEASE / 2)
        site.open_gate()
        site.wait_for_success(held)
        assert [pid for pid, *_ in site.runs(held)] == [worker.pid]
        assert "fenced" not in worker.said()
        assert "runner.dead" not in other.said()
        site.check()


@pytest.mark.long
def test_the_same_with_default_numbers(site: Site) -> None:
    """By default it stops within 25 s of its last heartbeat, and others begin after 30 s."""
    loop = {"PYNENC__RUNNER_CLS": "AsyncRunner"}
    with Proxy(site.dsn) as proxy:
        silent = site.fleet.start(dsn=proxy.dsn, **loop)
        mark = site.folder / "mark"
        [call] = site.call("linger", {"mark": str(mark)})
        wait_for(mark.exists, silent.explain)
        site.fleet.start(**loop)
        began = time.time()
        proxy.still.add("pynenc home")
        wait_for(lambda: mark.read_text() == "told to stop", silent.explain, 40)
        stopped = mark.stat().st_mtime
        assert stopped - began < 25 + site.slack, silent.explain()
        site.wait_for_success([call])
        _, second = site.runs([call])
        assert stopped < second[2].timestamp() < began + 36
        proxy.still.clear()
        wait_for(lambda: "runner.anew" in silent.said(), silent.explain)
        silent.wait_until_up(site.dsn)
        site.check()


def _executes(process: int) -> bool:
    """Whether it lives; one that is dead may not have been buried yet."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False
