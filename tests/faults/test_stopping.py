"""Workers and clients that stop, on request or in the middle of something."""

from __future__ import annotations

import signal
import time
from itertools import pairwise

import psycopg

from pynenc_pg.domain.ids import RunnerId
from pynenc_pg.domain.records import Hold, RunnerSpec
from tests.acceptance.workers import wait_for
from tests.faults.load import load
from tests.faults.settings import KEEN
from tests.faults.site import Site
from tests.support.stopwatch import Stopwatch
from tests.support.stores import open_postgres_store


def test_drain_lets_tasks_end_and_others_take_the_rest(site: Site) -> None:
    """After SIGTERM what runs ends where it runs, the rest elsewhere, each once."""
    leaving = site.fleet.start("--concurrency", "2")
    running = site.hold(2)
    site.wait_for_runs(running, 2)
    leaving.signal(signal.SIGTERM)
    waiting = site.work(5, 0)
    site.fleet.start()
    site.wait_for_success(waiting)
    assert leaving.alive
    site.open_gate()
    assert leaving.wait() == 0, leaving.explain()
    site.wait_for_success(running)
    assert {pid for pid, *_ in site.runs(running)} == {leaving.pid}
    assert leaving.pid not in {pid for pid, *_ in site.runs(waiting)}
    site.check()


def test_workers_that_leave_under_load_spend_nothing(site: Site) -> None:
    """Asked to stop in the middle of a stream of work, each goes in time; all is done just once."""
    workers = [site.fleet.start("--shutdown-timeout", "10", **KEEN) for _ in range(2)]
    long = site.work(6, 0.8)
    with load(site, clients=1, seconds=0.02, pause=0.06) as clients:
        for worker in workers:
            clients.wait_for_more(12)
            began = time.monotonic()
            assert worker.stop() == 0, worker.explain()
            assert time.monotonic() - began < 10
            site.fleet.start(**KEEN)
    every = site.ledger.acknowledged
    assert set(long) < set(every)
    site.wait_for_success(every)
    spent = "select distinct retries, recoveries from pynenc.invocation_outcome"
    assert site.query(spent) == [(0, 0)]
    assert len(site.runs(every)) == len(every)
    site.check()


def test_what_has_no_time_left_goes_back_unspent(site: Site) -> None:
    """Tasks longer than the time they get at a stop are handed back then, and spend nothing."""
    leaving = site.fleet.start("--shutdown-timeout", "0.5", **KEEN)
    held = site.hold(3)
    site.wait_for_runs(held, 3)
    began, watch = time.monotonic(), Stopwatch()
    assert leaving.stop() == 3, leaving.explain()
    assert time.monotonic() - began >= 0.5
    assert watch.seconds < 5
    assert "runner.gives_back" in leaving.said()
    assert site.statuses(held) == {"rerouted": 3}
    site.fleet.start(**KEEN)
    site.open_gate()
    site.wait_for_success(held)
    spent = "select distinct retries, recoveries from pynenc.invocation_outcome"
    assert site.query(spent) == [(0, 0)]
    site.check()


def test_a_second_sigterm_gives_back_at_once(site: Site) -> None:
    """The second SIGTERM does not wait for tasks; they run elsewhere, unspent; it ends with 3."""
    leaving = site.fleet.start()
    held = site.hold(2)
    site.wait_for_runs(held, 2)
    leaving.signal(signal.SIGTERM)
    time.sleep(0.2)  # two of one kind at once are one signal
    watch = Stopwatch()
    leaving.signal(signal.SIGTERM)
    assert leaving.wait() == 3, leaving.explain()
    assert watch.seconds < 5
    site.fleet.start()
    site.wait_for_runs(held, 4)
    site.open_gate()
    site.wait_for_success(held)
    assert all("killed" in site.history(i) for i in held)
    assert not any("running_recovery" in site.history(i) for i in held)
    site.check()


def test_what_a_client_had_not_committed_never_was(site: Site) -> None:
    """A client that dies before its COMMIT leaves nothing, and nobody waits for it."""
    batch = site.client.batch("work", {"number": 1, "seconds": 0})
    [call] = batch.invocations
    with psycopg.connect(site.dsn) as connection:
        connection.execute(
            """select pynenc.register('faults', %s, 'default', 0, 0, null, 1, false, null, 0, '{}',
                                      'client', false, %s::uuid[], %s, %s, null, null)""",
            (batch.task_id, [call.invocation_id], [call.call_id], [call.arguments]),
        )
        ((pid,),) = connection.execute("select pg_backend_pid()").fetchall()
        site.query("select pg_terminate_backend(%s, 5000)", pid)
        connection.close()
    site.fleet.start()
    site.wait_for_success(site.work(1, 0))
    site.check()


def test_death_between_claim_and_start(site: Site) -> None:
    """What a dead runner had claimed and not begun goes through PENDING_RECOVERY to another."""
    calls = site.work(3, 0)
    _claim_and_vanish(site, begin=False)
    site.fleet.start()
    site.wait_for_success(calls)
    wanted = ["registered", "pending", "pending_recovery", "rerouted"]
    assert all(site.history(i)[:4] == wanted for i in calls)
    assert len(site.runs(calls)) == 3
    site.check()


def test_death_between_start_and_finish(site: Site) -> None:
    """What a dead runner had begun goes through RUNNING_RECOVERY, and a recovery is counted."""
    calls = site.work(3, 0)
    _claim_and_vanish(site, begin=True)
    site.fleet.start()
    site.wait_for_success(calls)
    assert all("running_recovery" in site.history(i) for i in calls)
    counted = "select distinct recoveries from pynenc.invocation_outcome"
    assert site.query(counted) == [(1,)]
    site.check()


def test_a_task_that_takes_its_worker_down_once(site: Site) -> None:
    """Killed from within by its first run, it succeeds in the second, on another worker."""
    site.fleet.start()
    site.fleet.start()
    [call] = site.call("die_once", {"mark": str(site.folder / "mark")})
    site.wait_for_success([call])
    assert len({pid for pid, *_ in site.runs([call])}) == 2
    wait_for(lambda: sum(w.alive for w in site.fleet.workers) == 1)
    site.check()


def test_a_lane_passes_on_when_its_worker_dies(site: Site) -> None:
    """The slot of a killed worker is freed for the next of its key; never two at once."""
    calls = site.hold(3, lane="one-at-a-time")
    victim = site.fleet.start()
    site.wait_for_runs(calls, 1)
    site.fleet.start()
    victim.kill()
    site.wait_for_runs(calls, 2)
    site.open_gate()
    site.wait_for_success(calls)
    lost, *rest = site.runs(calls)
    assert lost[0] == victim.pid
    assert all(before[3] <= after[2] for before, after in pairwise(rest))
    site.check()


def test_ends_that_cannot_be_carried_cost_no_thread(site: Site) -> None:
    """Exceptions and results that can be neither shown nor carried fail, and threads live on."""
    worker = site.fleet.start("--concurrency", "2")
    bad = [site.call(task, {}, {}) for task in ("fail_badly", "return_badly")]
    ids = [i for pair in bad for i in pair]
    wait_for(lambda: site.statuses(ids) == {"failed": 4}, worker.explain, 15)
    site.wait_for_success(site.work(4, 0))
    site.check()


def _claim_and_vanish(site: Site, *, begin: bool) -> None:
    """Register a runner, claim everything, and die with the session that says it lives."""
    store = open_postgres_store(site.dsn, "faults")
    home = store.broker.subscribe(work=True)
    me = RunnerId("vanishing")
    store.orchestrator.register_runner(RunnerSpec(me, "Test"))
    claimed = store.orchestrator.claim(me, (), 10)
    if begin:
        store.orchestrator.start(me, [Hold(c.invocation_id, c.lease) for c in claimed])
    home.close()
    store.close()
