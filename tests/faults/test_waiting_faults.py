"""Tasks that wait for others, while connections are cut and workers die."""

from __future__ import annotations

import signal

import pytest

from tests.acceptance.workers import wait_for
from tests.faults.proxy import Line, Proxy, cut
from tests.faults.site import Site

#: The history of a task that has waited once.
WAITED = ["registered", "pending", "running", "paused", "resumed", "success"]
#: The history of one whose worker has died while it waited.
WAITED_TWICE = [*WAITED[:4], "running_recovery", "rerouted", *WAITED[1:]]
SHORT_LEASE = {
    "PYNENC__RUNNER__LEASE": "2",
    "PYNENC__RUNNER__HEARTBEAT": "0.5",
    "PYNENC__RUNNER__LEASE_MARGIN": "0.5",
}
COROUTINES = {"PYNENC__RUNNER_CLS": "AsyncRunner"}


def _paused(site: Site) -> int:
    """Return how many wait for others."""
    query = "select count(*)::int from pynenc.invocation_state where status = 'paused'"
    ((count,),) = site.query(query)
    return int(count)


def _edges(site: Site) -> list[tuple[str, str]]:
    """Return who waits for whom."""
    query = "select waiter_id::text, awaited_id::text from pynenc.wait_edge"
    return [(waiter, awaited) for waiter, awaited in site.query(query)]


@pytest.mark.parametrize(
    ("task", "verb", "times"),
    [
        pytest.param("parent", "pause", 1, marks=pytest.mark.long),
        pytest.param("parent", "resume", 1, marks=pytest.mark.long),
        pytest.param("async_parent", "pause", 1, marks=pytest.mark.long),
        pytest.param("async_parent", "resume", 1, marks=pytest.mark.long),
        # More often than the store itself repeats a call, so that its caller has to.
        ("parent", "pause", 5),
        ("async_parent", "resume", 5),
    ],
)
def test_a_wait_survives_a_cut(site: Site, task: str, verb: str, times: int) -> None:
    """The answer to its beginning or its end is lost: it is asked for again, and runs once."""
    runner = COROUTINES if task == "async_parent" else {}
    with Proxy(site.dsn) as proxy:
        worker = site.fleet.start("--concurrency", "1", dsn=proxy.dsn, **runner)
        proxy.cut_after(verb, times=times)
        calls = site.parents(task, 1)
        wait_for(lambda: len(site.adopt()) == 1, worker.explain)
        site.wait_for_runs(site.adopt(), 1)
        if verb == "pause":
            wait_for(lambda: proxy.cuts == times, worker.explain)
        site.open_gate()
        site.wait_for_success([*calls, *site.adopt()])
        assert proxy.cuts == times
        assert site.history(calls[0]) == WAITED
        assert len(site.runs(calls)) == 1
        assert len(site.adopt()) == len(site.runs(site.adopt())) == 1
        site.check()


@pytest.mark.parametrize("task", ["parent", pytest.param("async_parent", marks=pytest.mark.long)])
def test_a_wait_that_ends_while_its_beginning_is_asked_for_again(site: Site, task: str) -> None:
    """Its answer is lost, and the child ends before the next try: the parent is not left PAUSED."""
    runner = COROUTINES if task == "async_parent" else {}
    with Proxy(site.dsn) as proxy:

        def let_it_end(line: Line) -> bool:
            site.open_gate()
            site.wait_for_success(site.adopt(), timeout=10)
            return cut(line)

        proxy.arm("pause", "after", let_it_end)
        worker = site.fleet.start("--queues", "default", dsn=proxy.dsn, **runner)
        site.fleet.start("--queues", "children")
        calls = site.parents(task, 1)
        wait_for(lambda: proxy.cuts == 1, worker.explain)
        site.wait_for_success(calls, timeout=10)
        assert site.history(calls[0]) == WAITED
        site.check()


def test_a_waiting_parent_survives_its_worker(site: Site) -> None:
    """Its worker dies while its child runs elsewhere: its wait is gone, and it runs anew."""
    victim = site.fleet.start("--concurrency", "1", "--queues", "default")
    [parent] = site.parents("parent", 1)
    wait_for(lambda: _paused(site) == 1, victim.explain)
    heir = site.fleet.start("--concurrency", "2")
    [first] = site.adopt()
    site.wait_for_runs([first], 1)
    assert _edges(site) == [(parent, first)]
    victim.kill()
    site.wait_for_runs([parent], 2)
    wait_for(lambda: _paused(site) == 1, heir.explain)
    [second] = set(site.adopt()) - {first}
    assert _edges(site) == [(parent, second)]
    site.open_gate()
    site.wait_for_success([parent, first, second])
    assert site.query("select count(*)::int from pynenc.wait_edge") == [(0,)]
    assert site.history(parent) == WAITED_TWICE
    assert [pid for pid, *_ in site.runs([parent])] == [victim.pid, heir.pid]
    assert [pid for pid, *_ in site.runs([first, second])] == [heir.pid] * 2
    site.check()


def test_a_child_whose_worker_dies_is_waited_for_on(site: Site) -> None:
    """Its parent, in another worker, does not notice: it waits for the end of the second run."""
    home = site.fleet.start("--concurrency", "1", "--queues", "default")
    [parent] = site.parents("parent", 1)
    wait_for(lambda: _paused(site) == 1, home.explain)
    victim = site.fleet.start("--concurrency", "1", "--queues", "children")
    [child] = site.adopt()
    site.wait_for_runs([child], 1)
    heir = site.fleet.start("--concurrency", "1", "--queues", "children")
    victim.kill()
    site.wait_for_runs([child], 2)
    assert _edges(site) == [(parent, child)]
    site.open_gate()
    site.wait_for_success([parent, child])
    assert site.history(parent) == WAITED
    assert [pid for pid, *_ in site.runs([parent])] == [home.pid]
    assert [pid for pid, *_ in site.runs([child])] == [victim.pid, heir.pid]
    site.check()


def test_twenty_waiting_coroutines_survive_their_worker(site: Site) -> None:
    """All that wait in a loop are begun anew by another one, each once, and end well."""
    victim = site.fleet.start("--concurrency", "4", "--queues", "default", **COROUTINES)
    parents = site.parents("async_parent", 20)
    wait_for(lambda: _paused(site) == 20, victim.explain)
    first = site.adopt()
    heir = site.fleet.start("--concurrency", "4", **COROUTINES)
    site.wait_for_runs(first, 4)
    victim.kill()
    wait_for(lambda: len(_edges(site)) == 0, heir.explain)
    site.open_gate()
    wait_for(lambda: len(site.adopt()) == 40, heir.explain)
    site.wait_for_success([*parents, *site.adopt()])
    assert site.query("select count(*)::int from pynenc.wait_edge") == [(0,)]
    for parent in parents:
        assert site.history(parent).count("running_recovery") == 1
        assert [pid for pid, *_ in site.runs([parent])] == [victim.pid, heir.pid]
    assert len(site.runs(site.adopt())) == 40
    site.check()


@pytest.mark.parametrize("task", [pytest.param("parent", marks=pytest.mark.long), "async_parent"])
def test_a_parent_that_waits_in_a_frozen_worker(site: Site, task: str) -> None:
    """Others run it to its end; thawed, its first run is let go, and its place is free again."""
    quick = SHORT_LEASE | (COROUTINES if task == "async_parent" else {})
    zombie = site.fleet.start("--concurrency", "1", "--queues", "default", **quick)
    [parent] = site.parents(task, 1)
    wait_for(lambda: _paused(site) == 1, zombie.explain)
    zombie.signal(signal.SIGSTOP)
    other = site.fleet.start("--concurrency", "2", **quick)
    site.wait_for_runs([parent], 2)
    site.open_gate()
    wait_for(lambda: len(site.adopt()) == 2, site.fleet.explain)
    site.wait_for_success([parent, *site.adopt()])
    zombie.signal(signal.SIGCONT)
    wait_for(lambda: "runner.anew" in zombie.said(), zombie.explain)
    zombie.wait_until_up(site.dsn)
    [let_go, done] = site.runs([parent])
    assert (let_go[0], done[0]) == (zombie.pid, other.pid)
    assert let_go[3] is None  # it was not given the result of a child that is not its own any more
    assert other.stop() == 0
    later = site.work(3, 0)
    site.wait_for_success(later)
    assert {pid for pid, *_ in site.runs(later)} == {zombie.pid}
    site.check()
