"""Harm at every statement of a task's own transaction: its row and its SUCCESS, or neither."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import product
from typing import Final, get_args

import psycopg
import pytest

from tests.acceptance.workers import wait_for
from tests.faults import proxy
from tests.faults.failpoints import Freezer, Killer
from tests.faults.fleet import Worker
from tests.faults.proxy import Harm, Line, Proxy, When
from tests.faults.server import OwnServer
from tests.faults.settings import HASTY, KEEN
from tests.faults.site import Site

#: What a transaction consists of, in order: begin, the task's own write, its settings being ours
#: again at the end of the task, the end, the commit.
STEPS: Final = ("begin", "note_effect", "reset role", "finish", "commit")
THREADS: Final = "ThreadRunner"
LOOP: Final = "AsyncRunner"
PROCESSES: Final = "PersistentProcessRunner"
#: One that is not recovered too often to be tried again.
PATIENT: Final = HASTY | {"PYNENC__RUNNER__MAX_RECOVERIES": "100"}
LOCKED: Final = "select count(*)::int from pg_locks where relation = 'account'::regclass"
OWN: Final = "pynenc_pg.postgres.own_transaction"
SESSIONS: Final = "pynenc_pg.postgres.task_sessions"
_BOTH: Final = """
    select (select array_agg(word order by word) from effect),
           (select array_agg(o.value #>> '{}' order by o.value #>> '{}')
            from pynenc.invocation_outcome o where o.status = 'success')"""
LONG: Final = pytest.mark.long
#: Harm, before and after each statement, under each runner, is for ``make test-long``. The fast
#: suite goes through the statements with runners by turns; one of processes, which is dear, loses
#: the answer to its commit, and more of them die below.
CASES: Final = [
    pytest.param("before", "crash", (THREADS, LOOP) * 2 + (THREADS,), id="before-crash-mixed"),
    pytest.param("after", "drop", (LOOP, THREADS) * 2 + (PROCESSES,), id="after-drop-mixed"),
    *(
        pytest.param(*case, (runner,) * len(STEPS), id="-".join((*case, runner)), marks=LONG)
        for case in product(get_args(When), ("crash", "drop"))
        for runner in (THREADS, LOOP, PROCESSES)
    ),
]
DEATHS: Final = [
    pytest.param((("finish", "after"), ("commit", "before"), ("commit", "after")), id="at-the-end"),
    pytest.param([*product(STEPS, get_args(When))], id="all", marks=LONG),
]


def prepare(site: Site) -> Site:
    """Make tables of the user's in its database."""
    with psycopg.connect(site.dsn) as connection:
        connection.execute("create table effect (word text)")
        connection.execute("create table account as select 0 as amount")
        connection.execute("""
            create function note_effect(text) returns void language sql
            begin atomic insert into effect values ($1); end""")
    return site


@pytest.fixture
def bank(site: Site) -> Site:
    """A site whose database has tables of the user's."""
    return prepare(site)


class ChildKiller(Killer):
    """A harm that ends the process that speaks, and not its parent."""

    def __init__(self, site: Site) -> None:
        super().__init__()
        self._site = site

    def __call__(self, line: Line) -> bool:
        """Kill who has begun to execute last."""
        pid, *_ = self._site.last_run()
        os.kill(pid, signal.SIGKILL)
        return False


@dataclass(slots=True)
class Case:
    """One worker, and the statement at which it meets harm."""

    step: str
    when: When
    proxy: Proxy
    harm: Killer = field(default_factory=Killer)
    calls: list[str] = field(default_factory=list)

    @property
    def queue(self) -> str:
        """Served by its worker alone, at first."""
        return f"{self.step.replace(' ', '-')}-{self.when}"


def same(site: Site) -> list[str]:
    """Return the rows that are committed: one snapshot, and as many ends, or it fails."""
    [(effects, ends)] = site.query(_BOTH)
    assert effects == ends
    return effects or []


def wait_for_runners(site: Site, count: int) -> None:
    """Wait until those that have died are known to be dead."""
    query = "select count(*)::int from pynenc.runner"
    wait_for(lambda: site.query(query) == [(count,)], site.fleet.explain)


def launch(site: Site, runner: str, case: Case) -> Worker:
    """Start the worker that is to meet harm."""
    options = ("--runner", runner, "--queues", case.queue, "--concurrency", "1")
    return case.harm.aim(site.fleet.launch(*options, dsn=case.proxy.dsn, **PATIENT))


@pytest.mark.parametrize(("when", "harm", "runners"), CASES)
def test_harm_at_every_statement_of_a_transaction(
    bank: Site, when: When, harm: str, runners: Sequence[str]
) -> None:
    """Killed or cut off at any of them: row and SUCCESS are there or neither, in the end once."""
    with ExitStack() as stack:
        cases = [Case(step, when, stack.enter_context(Proxy(bank.dsn))) for step in STEPS]
        for case, runner in zip(cases, runners, strict=True):
            harms: dict[str, Harm] = {"crash": case.harm, "drop": proxy.cut}
            case.proxy.arm(case.step, when, harms[harm])
            task = "deposit_later" if runner == LOOP else "deposit"
            case.calls += bank.call(task, {"word": case.queue}, queue=case.queue)
            launch(bank, runner, case)

        def met() -> bool:
            same(bank)
            return all(case.proxy.cuts for case in cases)

        wait_for(met, bank.fleet.explain)
        bank.fleet.start("--runner", runners[0], **PATIENT)
        wanted = sorted(case.queue for case in cases)
        wait_for(lambda: same(bank) == wanted, bank.fleet.explain, 40)
        for case in cases:
            once = (case.step, when) == ("commit", "after")
            assert len(bank.runs(case.calls)) == (1 if once else 2), case.queue
        living = 1 if harm == "crash" else len(cases) + 1
        wait_for_runners(bank, living)
        bank.check()
        assert same(bank) == wanted


@pytest.mark.parametrize("deaths", DEATHS)
def test_a_process_of_a_runner_dies_in_a_transaction(
    bank: Site, deaths: Sequence[tuple[str, When]]
) -> None:
    """Its runner lives: what was not committed begins again, what was is not begun again."""
    with Proxy(bank.dsn) as line:
        killer, options = ChildKiller(bank), ("--runner", PROCESSES, "--concurrency", "1")
        worker = killer.aim(bank.fleet.launch(*options, dsn=line.dsn, **PATIENT))
        wanted: list[str] = []
        for death in deaths:
            line.arm(*death, killer)
            wanted.append(f"{len(wanted):02} {death}")
            [call] = bank.call("deposit", {"word": wanted[-1]})
            wait_for(lambda: same(bank) == wanted, bank.fleet.explain)
            wait_for(lambda: worker.said().count("process.died") == len(wanted), worker.explain)
            assert len(bank.runs([call])) == (1 if death == ("commit", "after") else 2), death
            assert worker.alive
        bank.check()


#: Where workers stand still, and what they say of it.
STANDS: Final[dict[tuple[str, When], str]] = {
    ("note_effect", "after"): "transaction.lost",
    ("reset role", "before"): "transaction.lost",
    ("finish", "after"): "transaction.unknown",
    ("commit", "after"): "",
}


def test_a_worker_that_stands_still_in_a_transaction(bank: Site) -> None:
    """Replaced meanwhile, what they bring is rolled back, and they say so; committed it stands."""
    with ExitStack() as stack:
        cases = [
            Case(step, when, stack.enter_context(Proxy(bank.dsn)), Freezer())
            for step, when in STANDS
        ]
        for case in cases:
            case.proxy.arm(case.step, case.when, case.harm)
            case.calls += bank.call("deposit", {"word": case.queue}, queue=case.queue)
        zombies = [launch(bank, THREADS, case) for case in cases]
        wait_for(lambda: all(case.proxy.cuts for case in cases), bank.fleet.explain)
        bank.fleet.start("--runner", THREADS, **PATIENT)
        wanted = sorted(case.queue for case in cases)
        wait_for(lambda: same(bank) == wanted, bank.fleet.explain)
        wait_for_runners(bank, 1)
        for case, zombie in zip(cases, zombies, strict=True):
            zombie.signal(signal.SIGCONT)
            _wait_until_told(zombie, STANDS[case.step, case.when])
            assert len(bank.runs(case.calls)) == (1 if case.step == "commit" else 2), case.queue
        for zombie in zombies:
            zombie.wait_until_up(bank.dsn)
        bank.check()
        assert same(bank) == wanted


def _wait_until_told(zombie: Worker, event: str) -> None:
    """Wait until it knows that it was replaced, and what became of its transaction."""
    # Which of them it says depends on whether the server has ended its session by then.
    events = (event, "transaction.cut", "transaction.unknown") if event else ("",)
    wait_for(lambda: any(each in zombie.said() for each in events), zombie.explain)
    wait_for(lambda: "runner.anew" in zombie.said(), zombie.explain)


def test_what_a_worker_that_stands_still_has_locked(bank: Site) -> None:
    """The server ends its transaction after a while without a word, and its locks are free."""
    soon = {"FAULTS_PATCH": json.dumps({f"{OWN}.IDLE": 1.5, f"{SESSIONS}.LOOK": 0.3})}
    gate = str(bank.folder / "gate")
    zombie = bank.fleet.start("--concurrency", "1", **PATIENT, **soon)
    [call] = bank.call("deposit_slowly", {"word": "a", "gate": gate})
    wait_for(lambda: bank.query(LOCKED) == [(1,)], zombie.explain)
    time.sleep(3)  # twice as long as it may be idle: a worker that lives keeps its transaction
    assert bank.query(LOCKED) == [(1,)]
    zombie.signal(signal.SIGSTOP)
    bank.open_gate()
    bank.fleet.start("--concurrency", "1", **PATIENT, **soon)
    wait_for(lambda: same(bank) == ["a"], bank.fleet.explain)
    zombie.signal(signal.SIGCONT)
    wait_for(lambda: "runner.anew" in zombie.said(), zombie.explain)
    assert len(bank.runs([call])) == 2
    zombie.wait_until_up(bank.dsn)
    bank.check()
    assert (same(bank), bank.query("select amount from account")) == (["a"], [(1,)])


def test_a_commit_that_arrives_late(bank: Site) -> None:
    """Asked what became of it, the database waits for the transaction, and the commit counts."""

    def late(line: Line) -> bool:
        proxy.hang_up(line.client)  # the worker knows nothing any more,
        time.sleep(1)
        return True  # and the server hears of it only now

    with Proxy(bank.dsn) as line:
        case = Case("commit", "before", line)
        line.arm("commit", "before", late)
        case.calls += bank.call("deposit", {"word": "a"}, queue=case.queue)
        worker = launch(bank, THREADS, case)
        wait_for(lambda: "transaction.unknown" in worker.said(), worker.explain)
        wait_for(lambda: same(bank) == ["a"], worker.explain)
        wait_for(lambda: "completion.lost" in worker.said(), worker.explain)
        assert "transaction.undone" not in worker.said()
        assert len(bank.runs(case.calls)) == 1
        bank.check()


def test_two_attempts_at_once(bank: Site) -> None:
    """The server tells the lease from its owner's: of two that run to their ends one is written."""
    gate = str(bank.folder / "gate")
    with Proxy(bank.dsn) as line:
        # Its heartbeats stand still, its transaction does not: it does not know that it is dead.
        slow = PATIENT | {"PYNENC__RUNNER__LEASE_MARGIN": "0"}
        first = bank.fleet.start("--concurrency", "1", dsn=line.dsn, **slow)
        [call] = bank.call("deposit_slowly", {"word": "a", "gate": gate})
        bank.wait_for_runs([call], 1)
        line.still = {"pynenc home"}
        second = bank.fleet.start("--concurrency", "1", **PATIENT)
        bank.wait_for_runs([call], 2)
        bank.open_gate()
        wait_for(lambda: same(bank) == ["a"], bank.fleet.explain)
        wait_for(lambda: "transaction.lost" in first.said(), first.explain)
        assert "transaction.lost" not in second.said()
        line.still = set()
        bank.check()
        assert (same(bank), bank.query("select amount from account")) == (["a"], [(1,)])


def test_a_restart_of_the_server_in_a_transaction(server: OwnServer, own_site: Site) -> None:
    """Its connection is gone, its lease is not: what was written is written again, once."""
    prepare(own_site)
    gate = str(own_site.folder / "gate")
    worker = own_site.fleet.start("--concurrency", "1", **KEEN)
    [call] = own_site.call("deposit_slowly", {"word": "a", "gate": gate})
    wait_for(lambda: own_site.query(LOCKED) == [(1,)], worker.explain)
    server.restart(signal.SIGQUIT)
    own_site.open_gate()
    wait_for(lambda: same(own_site) == ["a"], own_site.fleet.explain)
    wait_for(lambda: "transaction.undone" in worker.said(), worker.explain)
    assert len(own_site.runs([call])) == 2
    own_site.check()
    assert (same(own_site), own_site.query("select amount from account")) == (["a"], [(1,)])
