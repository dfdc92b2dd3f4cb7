"""Workers whose heartbeat is stopped from within, and sockets that outlive their process."""

from __future__ import annotations

from pathlib import Path

from tests.acceptance.workers import wait_for
from tests.faults.settings import HASTY, HASTY_BOUND, LEASE
from tests.faults.site import Site


def test_a_task_that_lets_no_thread_run(site: Site) -> None:
    """Blocked beyond its lease a worker is replaced; what it brings is refused, and it works on."""
    blocked = site.fleet.start("--concurrency", "1", **HASTY)
    [call] = site.call("block_once", {"mark": str(site.folder / "mark"), "seconds": 3.0})
    site.wait_for_runs([call], 1)
    other = site.fleet.start("--concurrency", "1", **HASTY)
    site.wait_for_success([call])
    first, second = site.runs([call])
    assert (first[0], second[0]) == (blocked.pid, other.pid)
    assert (second[2] - first[2]).total_seconds() < HASTY_BOUND + 2 * site.slack
    wait_for(lambda: site.runs([call])[0][3] is not None, blocked.explain)  # it did come to its end
    wait_for(lambda: "runner.anew" in blocked.said(), blocked.explain)
    result = "select value from pynenc.invocation_outcome where invocation_id = %s"
    assert site.query(result, call) == [("second",)]
    assert other.stop() == 0
    later = site.work(3, 0)
    site.wait_for_success(later)
    assert {pid for pid, *_ in site.runs(later)} == {blocked.pid}
    site.check()


def test_a_task_that_blocks_its_loop_costs_no_heartbeat(site: Site) -> None:
    """However long a coroutine computes, its worker reports, and nobody takes its work."""
    loop = {"PYNENC__RUNNER_CLS": "AsyncRunner"} | HASTY
    worker = site.fleet.start("--concurrency", "2", **loop)
    [call] = site.call("spin", {"seconds": 1.5 * LEASE})
    site.wait_for_runs([call], 1)
    other = site.fleet.start("--concurrency", "2", **loop)
    site.wait_for_success([call])
    assert [pid for pid, *_ in site.runs([call])] == [worker.pid]
    assert "fenced" not in worker.said()
    assert "runner.dead" not in other.said()
    site.check()


def test_sockets_that_outlive_their_worker_in_a_fork(site: Site) -> None:
    """A killed worker whose child keeps its session, and so its lock, is replaced by its lease."""
    victim = site.fleet.start("--concurrency", "1", **HASTY)
    facts = {"mark": str(site.folder / "mark"), "gate": str(site.folder / "gate")}
    [call] = site.call("fork_once", facts)
    site.wait_for_runs([call], 1)
    wait_for(lambda: bool(_child(site)), victim.explain)
    heir = site.fleet.start("--concurrency", "1", **HASTY)
    ((killed_at,),) = site.query("select clock_timestamp()")
    victim.kill()
    site.wait_for_success([call])
    _, second = site.runs([call])
    assert second[0] == heir.pid
    assert (second[2] - killed_at).total_seconds() < HASTY_BOUND + site.slack
    assert Path(f"/proc/{_child(site)}").exists()  # all the while
    site.open_gate()
    wait_for(lambda: not Path(f"/proc/{_child(site)}").exists())
    site.check()


def _child(site: Site) -> str:
    mark = site.folder / "mark"
    return mark.read_text() if mark.exists() else ""
