"""A worker that stands still longer than its lease: others take over, what it brings is refused."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest

from tests.acceptance.workers import wait_for
from tests.faults.fleet import Worker
from tests.faults.settings import HASTY, HASTY_BOUND
from tests.faults.site import Site

SHORT_LEASE = {
    "PYNENC__RUNNER__LEASE": "2",
    "PYNENC__RUNNER__HEARTBEAT": "0.5",
    "PYNENC__RUNNER__LEASE_MARGIN": "0.5",
}


def test_what_a_zombie_brings_is_refused_and_it_begins_anew(site: Site) -> None:
    """Frozen beyond its lease a worker is replaced; thawed, it is refused and works on."""
    zombie = site.fleet.start("--concurrency", "1", **SHORT_LEASE)
    held = site.hold(1)
    site.wait_for_runs(held, 1)
    zombie.signal(signal.SIGSTOP)
    other = site.fleet.start("--concurrency", "1", **SHORT_LEASE)
    site.wait_for_runs(held, 2)
    site.open_gate()
    site.wait_for_success(held)
    zombie.signal(signal.SIGCONT)
    wait_for(lambda: "runner.anew" in zombie.said(), zombie.explain)
    zombie.wait_until_up(site.dsn)
    assert [pid for pid, *_ in site.runs(held)] == [zombie.pid, other.pid]
    assert other.stop() == 0
    later = site.work(3, 0)
    site.wait_for_success(later)
    assert {pid for pid, *_ in site.runs(later)} == {zombie.pid}
    site.check()


def test_a_worker_frozen_alone_takes_its_own_work_up_again(site: Site) -> None:
    """With nobody else there, a thawed worker recovers what it held under its former name."""
    zombie = site.fleet.start("--concurrency", "2", **SHORT_LEASE)
    held = site.hold(1)
    site.wait_for_runs(held, 1)
    zombie.signal(signal.SIGSTOP)
    expired = "select 1 from pynenc.runner where lease_until < clock_timestamp()"
    wait_for(lambda: bool(site.query(expired)), site.fleet.explain)
    with psycopg.connect(site.dsn) as connection:
        # Its first beat might come before it sees how late it is: then it may keep what it has.
        connection.execute("select from pynenc.runner for update")
        zombie.signal(signal.SIGCONT)
        wait_for(lambda: "runner.fenced" in zombie.said(), zombie.explain)
    site.wait_for_runs(held, 2)
    site.open_gate()
    site.wait_for_success(held)
    site.check()


def test_a_coroutine_is_told_to_stop_when_its_worker_was_replaced(site: Site) -> None:
    """A loop that comes to life again beyond its lease cancels what others have taken over."""
    loop = {"PYNENC__RUNNER_CLS": "AsyncRunner"} | HASTY
    zombie = site.fleet.start("--concurrency", "1", **loop)
    mark = site.folder / "mark"
    [call] = site.call("linger", {"mark": str(mark)})
    wait_for(mark.exists, zombie.explain)
    zombie.signal(signal.SIGSTOP)
    site.fleet.start("--concurrency", "1", **loop)
    site.wait_for_success([call])
    assert not mark.read_text()
    zombie.signal(signal.SIGCONT)
    wait_for(lambda: mark.read_text() == "told to stop", zombie.explain)
    assert [over is None for *_, over in site.runs([call])] == [True, False]
    zombie.wait_until_up(site.dsn)
    site.check()


@contextmanager
def freezer(worker: Worker) -> Iterator[Callable[[str], None]]:
    """Put a worker into a cgroup of its own; yield what freezes and thaws it."""
    group = Path("/sys/fs/cgroup/freezer") / f"pynenc-pg-{os.getpid()}-{worker.pid}"
    try:
        group.mkdir()
    except OSError as error:
        pytest.skip(f"no cgroup to freeze, SIGSTOP does the same: {error}")
    try:
        (group / "cgroup.procs").write_text(str(worker.pid))
        yield (group / "freezer.state").write_text  # type: ignore[misc]
    finally:
        (group / "freezer.state").write_text("THAWED")
        worker.kill()
        wait_for(lambda: not (group / "cgroup.procs").read_text())
        group.rmdir()


def test_a_worker_that_the_machine_freezes(site: Site) -> None:
    """Frozen by its cgroup it is replaced within lease, sweep and poll, and refused when thawed."""
    zombie = site.fleet.start("--concurrency", "1", **HASTY)
    with freezer(zombie) as turn:
        held = site.hold(1)
        site.wait_for_runs(held, 1)
        other = site.fleet.start("--concurrency", "1", **HASTY)
        ((frozen_at,),) = site.query("select clock_timestamp()")
        turn("FROZEN")
        site.wait_for_runs(held, 2)
        assert (site.runs(held)[1][2] - frozen_at).total_seconds() < HASTY_BOUND + site.slack
        site.open_gate()
        site.wait_for_success(held)
        turn("THAWED")
        wait_for(lambda: "runner.anew" in zombie.said(), zombie.explain)
        zombie.wait_until_up(site.dsn)
        assert [pid for pid, *_ in site.runs(held)] == [zombie.pid, other.pid]
        site.check()
