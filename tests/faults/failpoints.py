"""Workers that meet harm at one statement each, all at once, and what must become of their work.

Every case has a worker behind a proxy of its own, and a queue that it alone serves until harm has
been done. Only then comes an heir, who serves all queues.
"""

from __future__ import annotations

import hashlib
import os
import random
import signal
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from typing import Final, get_args

from pynenc_pg.domain.ids import RunnerId
from pynenc_pg.domain.records import Hold, Payload, RunnerSpec
from tests.acceptance.workers import wait_for
from tests.faults import proxy
from tests.faults.fleet import Worker, freeze
from tests.faults.proxy import Harm, Line, Proxy, When
from tests.faults.settings import HASTY
from tests.faults.site import Site
from tests.support.stores import open_postgres_store

#: What all runners do when they are the eldest, or among them: a case may need to be the first.
ELDEST: Final = ("maintain", "recover")
#: What the beginning, the work and the end of a worker consist of.
VERBS: Final = (
    *ELDEST,
    *("register_runner", "register_tasks", "heartbeat", "claim", "hold", "finish", "retry"),
    *("set_aside", "register", "pause", "resume", "promote", "expire"),
    *("release", "release_strays", "unregister_runner"),
)
HARMS: Final = ("crash", "drop", "stall")
#: Those that come when a worker is asked to stop.
_AT_THE_END: Final = {"release", "unregister_runner"}
#: Has tasks that the others do not know.
_NEWER: Final = {"FAULTS_NEWER": "1"}
#: Long enough for twenty workers that start at once on two cores.
LEASE: Final = 2.0
SETTINGS: Final = HASTY | {"PYNENC__RUNNER__LEASE": str(LEASE)}
#: Seconds a line is held up: more than a lease.
_STALL: Final = LEASE + 0.5


class Killer:
    """A harm that ends a worker on the spot."""

    def __init__(self) -> None:
        self._known = threading.Event()
        self._pid = 0

    def aim(self, worker: Worker) -> Worker:
        """Say which one; what strikes before that waits."""
        self._pid = worker.pid
        self._known.set()
        return worker

    def __call__(self, line: Line) -> bool:
        """Kill it."""
        assert self._known.wait(20)
        with suppress(ProcessLookupError):
            os.kill(self._pid, signal.SIGKILL)
        return False


class Freezer(Killer):
    """A harm that stops a worker, which may be woken later."""

    def __call__(self, line: Line) -> bool:
        """Stop it; what it has said is passed on."""
        assert self._known.wait(20)
        freeze(self._pid)
        return True


@dataclass(slots=True)
class Case:
    """One worker and what it meets."""

    verb: str
    when: When
    harm: str
    proxy: Proxy
    calls: list[str] = field(default_factory=list)
    killer: Killer = field(default_factory=Killer)
    worker: Worker | None = None

    def __str__(self) -> str:
        """Name it."""
        return f"{self.harm} {self.when} {self.verb}"

    @property
    def queue(self) -> str:
        """Served by its worker alone, at first."""
        return f"{self.verb}-{self.when}-{self.harm}"

    @property
    def met(self) -> bool:
        """Whether harm has been done."""
        return self.proxy.cuts > (self.verb == "release_strays")

    def arm(self) -> None:
        """Lie in wait."""
        if self.verb == "release_strays":  # there is nothing to look for unless a claim was lost
            self.proxy.arm("claim", "after", proxy.cut)
        harms: dict[str, Harm] = {
            "crash": self.killer,
            "drop": proxy.cut,
            "stall": self.proxy.stall(_STALL),
        }
        self.proxy.arm(self.verb, self.when, harms[self.harm])

    def wait_until_met(self) -> None:
        """Wait for it."""
        wait_for(lambda: self.met, self.explain)

    def explain(self) -> str:
        """What it is, and what its worker said."""
        return f"{self}\n{self.worker.explain() if self.worker else 'not launched'}"


def run(site: Site, when: When, harm: str, verbs: Sequence[str] = VERBS) -> None:
    """Go through verbs with one harm; fail if anything is lost, doubled or stranded."""
    with ExitStack() as stack:
        cases = {
            verb: Case(verb, when, harm, stack.enter_context(Proxy(site.dsn))) for verb in verbs
        }
        _do_harm(site, cases)
        site.open_gate("end")
        site.fleet.start(**SETTINGS, **_NEWER)
        for case in cases.values():
            _check(site, case)
        wait_for(lambda: site.statuses(site.adopt()).keys() == {"success"}, site.fleet.explain)
        site.check()


def _do_harm(site: Site, cases: Mapping[str, Case]) -> None:
    """Let each meet its own."""
    if "recover" in cases:
        _vanish(site, cases["recover"])
    for case in cases.values():
        _enqueue(site, case)
    eldest = [case for case in cases.values() if case.verb in ELDEST]
    others = [case for case in cases.values() if case not in eldest]
    for case in eldest:
        _launch(site, case)
        case.wait_until_met()
    site.fleet.start("--queues", "children", **SETTINGS)
    for case in others:
        _launch(site, case)
    for case in others:
        if case.verb in _AT_THE_END:
            _ask_to_stop(site, case)
    if "resume" in cases:
        _wait_for_a_wait(site, cases["resume"])
    site.open_gate("child")
    for case in cases.values():
        case.wait_until_met()


def collecting(site: Site, when: When, harm: str) -> None:
    """The only worker meets harm at removing what nobody refers to; another one goes on with it.

    What is referred to, or too young, stays.
    """
    old = _leave_payloads(site, "old")
    young = _leave_payloads(site, "young")
    site.query(
        "update pynenc.payload set created_at = created_at - interval '2 days' "
        "where sha256 = any (%s::bytea[]) returning 1",
        [bytes.fromhex(n) for n in old],
    )
    often = {"FAULTS_PATCH": '{"pynenc_pg.runner.duties.MAINTAIN_EVERY": 0.2}'}
    with Proxy(site.dsn) as between:
        case = Case("collect", when, harm, between)
        case.calls += site.call("say_much", {"word": "kept"})
        case.arm()
        case.worker = site.fleet.launch(dsn=between.dsn, **SETTINGS, **often)
        case.killer.aim(case.worker)
        case.wait_until_met()
        site.fleet.start(**SETTINGS, **often)
        there = "select encode(sha256, 'hex') from pynenc.payload"
        wait_for(lambda: not {n for (n,) in site.query(there)} & {*old}, site.fleet.explain)
        _check(site, case)
        assert {n for (n,) in site.query(there)} > {*young}
        site.check()


def _leave_payloads(site: Site, word: str) -> list[str]:
    """Store large values that nobody refers to."""
    contents = [f"{word} {n}".encode() * 300 for n in range(3)]
    made = [Payload(hashlib.sha256(content).hexdigest(), content) for content in contents]
    site.client.store.client_data_store.hold(made)
    return [each.sha256 for each in made]


def by_chance(site: Site, seed: int) -> None:
    """Three workers meet harm at any verbs, the n-th time, and are replaced when they die of it."""
    chance = random.Random(seed)
    site.open_gate()
    calls = site.work(12, 0.02) + site.work(6, 0.0, delay=0.3) + site.parents("parent", 6)
    calls += site.call("say_much", *[{"word": f"word {n} "} for n in range(4)])
    for n in range(4):
        calls += site.call("fail_once", {"mark": str(site.folder / f"mark-{n}")})
    with ExitStack() as stack:
        proxies = [stack.enter_context(Proxy(site.dsn)) for _ in range(3)]
        killers = [Killer() for _ in proxies]
        for each, killer in zip(proxies, killers, strict=True):
            for _ in range(4):
                harms: list[Harm] = [killer, proxy.cut, each.stall(chance.uniform(0, _STALL))]
                harm = chance.choice(harms)
                verb, when = chance.choice(VERBS), chance.choice(get_args(When))
                each.arm(verb, when, harm, times=chance.randint(1, 2), skip=chance.randint(0, 4))
        workers: list[Worker | None] = [None] * len(proxies)
        # Whoever is there when they die has bad luck, and is not at fault.
        settings = SETTINGS | {"PYNENC__RUNNER__MAX_RECOVERIES": "1000"}

        def done() -> bool:
            for n, worker in enumerate(workers):
                if worker is None or not worker.alive:
                    workers[n] = killers[n].aim(site.fleet.launch(dsn=proxies[n].dsn, **settings))
            return site.statuses(calls) == {"success": len(calls)}

        wait_for(done, lambda: f"{site.stranded()}\n{site.fleet.explain()}", 60)
        for each in proxies:
            each.disarm()
        site.fleet.start(**settings)
        time.sleep(_STALL)  # a run that was given up may yet call a child: what is held up comes
        wait_for(lambda: not _dead(site), site.fleet.explain)
        wait_for(lambda: site.statuses(site.adopt()).keys() == {"success"}, site.fleet.explain)
        site.check()


def _dead(site: Site) -> bool:
    """Whether a runner is still there whose process is not."""
    living = {worker.pid for worker in site.fleet.workers if worker.alive}
    return any(pid not in living for (pid,) in site.query("select pid from pynenc.runner"))


def _wait_for_a_wait(site: Site, case: Case) -> None:
    """Until that one's task waits: its wait is to end with the verb, and not at its beginning."""
    wait_for(lambda: "paused" in site.statuses(case.calls), case.explain)


def _check(site: Site, case: Case) -> None:
    """All of its work is done, by whomever, and its worker lives unless it was to die."""
    assert case.worker is not None
    wanted = {"success": len(case.calls)}
    wait_for(
        lambda: site.statuses(case.calls) == wanted,
        lambda: f"{case.explain()}\n{site.fleet.explain()}",
    )
    if case.harm == "crash" or case.verb in _AT_THE_END:
        case.worker.wait()  # after the answer, which takes its time
    else:
        assert case.worker.alive, case.explain()


def _enqueue(site: Site, case: Case) -> None:
    """Everything a task can do: end, fail and be tried again, wait for another, come later."""
    if case.verb in _AT_THE_END:
        case.calls += site.hold(2, "end", queue=case.queue)
        return
    if case.verb == "set_aside":
        case.calls += site.call("changed", {"number": 1, "colour": "red"}, queue=case.queue)
    mark = str(site.folder / case.queue)
    case.calls += site.call("say_much", {"word": case.queue}, queue=case.queue)
    case.calls += site.work(2, 0.0, queue=case.queue)
    case.calls += site.call("fail_once", {"mark": mark}, queue=case.queue)
    case.calls += site.call("parent", {"gate": str(site.folder / "child")}, queue=case.queue)
    case.calls += site.work(1, 0.0, queue=case.queue, delay=0.1)


def _launch(site: Site, case: Case) -> None:
    case.arm()
    environment = SETTINGS | {"FAULTS_PATCH": '{"pynenc_pg.runner.duties.SWEEPERS": 1000}'}
    arguments = ("--queues", case.queue, "--concurrency", "2")
    case.worker = site.fleet.launch(*arguments, dsn=case.proxy.dsn, **environment)
    case.killer.aim(case.worker)


def _ask_to_stop(site: Site, case: Case) -> None:
    site.wait_for_runs(case.calls, 2)
    assert case.worker is not None
    for _ in range(2):
        case.worker.signal(signal.SIGTERM)
        time.sleep(0.2)  # two of one kind at once are one signal


def _vanish(site: Site, case: Case) -> None:
    """Leave work in the hands of a runner that is dead, for the one who recovers."""
    case.calls += site.work(2, 0.0, queue=case.queue)
    store = open_postgres_store(site.dsn, "faults")
    me = RunnerId("vanished")
    store.orchestrator.register_runner(RunnerSpec(me, "Test", lease=0.01))
    claimed = store.orchestrator.claim(me, (case.queue,), 10)
    store.orchestrator.start(me, [Hold(c.invocation_id, c.lease) for c in claimed])
    store.close()
