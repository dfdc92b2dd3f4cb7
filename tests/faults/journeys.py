"""Workflows that meet harm at one statement each, all at once, and what must become of them.

Every case has a worker behind a proxy of its own, and a queue that it alone serves until harm has
been done; their children are executed elsewhere. Then comes an heir, who serves all queues.
"""

from __future__ import annotations

import json
import os
import signal
import threading
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, Literal

from tests.acceptance.workers import wait_for
from tests.faults import proxy
from tests.faults.failpoints import Freezer, Killer
from tests.faults.fleet import Worker
from tests.faults.proxy import Harm, Line, Proxy, When
from tests.faults.settings import HASTY, KEEN
from tests.faults.site import Site

Point = tuple[str, int]
#: The statements of a journey in their order, of one verb each, by how many came before: the steps
#: from random to ``step``, the children, sleep; the second attempt; the third.
POINTS: Final[Sequence[Point]] = (
    *(("workflow_steps", 0), *(("record_step", n) for n in range(6))),
    *(*(("record_child", n) for n in range(3)), ("record_step", 6), ("retry", 0)),
    *(("workflow_steps", 1), ("await_event", 0), ("retry", 1)),
    *(("workflow_steps", 2), ("await_event", 1), ("record_step", 7), ("record_step", 8)),
    ("finish", 0),
)
#: The one that records what a function has returned, which ran before.
FUNCTION: Final = ("record_step", 5)
#: Seconds for all of them, on a machine that does other things, too.
PATIENCE: Final = 90
#: After these the attempt is over.
ENDS: Final = {("retry", 0), ("retry", 1), ("finish", 0)}
#: What is done to a worker: killed; its process that executes killed; its connection cut; stopped
#: until the end; stopped, and what it said comes when all is over.
Kind = Literal["crash", "death", "drop", "freeze", "late", "none"]
#: It goes on when others have taken over.
_STANDS: Final = ("freeze", "late")
_PATIENT: Final = {"PYNENC__RUNNER__MAX_RECOVERIES": "100"}
#: Looks often at what is left.
_KEEN: Final = KEEN | _PATIENT | {"PYNENC__RUNNER__HEARTBEAT": "1"}
_STEPS: Final = """select invocation_id::text, path, run, kind, about, value::text, key,
event_id::text, child_id::text, at from pynenc.workflow_steps order by step_id"""
_END: Final = """select value, retries, recoveries from pynenc.invocation_outcome
where invocation_id = %s"""
_WAITS: Final = "select invocation_id::text, filter->>'word' from pynenc.workflow_wait"
_EMIT: Final = "select pynenc.emit_event('arrived', %s::json, 'faults')"
_LEFT: Final = """select invocation_id from pynenc.workflow_wait
union all select invocation_id from pynenc.workflow_wake"""


class Latecomer(Freezer):
    """A harm that stops a worker, and has what it said arrive much later."""

    def __init__(self) -> None:
        super().__init__()
        self.let_go = threading.Event()

    def __call__(self, line: Line) -> bool:
        """Stop it, and hold the line."""
        super().__call__(line)
        return self.let_go.wait(120)


class ProcessKiller(Killer):
    """A harm that ends the process that executes, and not its parent."""

    pid: Callable[[], int]

    def __call__(self, line: Line) -> bool:
        """Kill it."""
        assert self._known.wait(20)
        os.kill(self.pid(), signal.SIGKILL)
        return False


_AIMED: Final[dict[Kind, type[Killer]]] = {
    "freeze": Freezer,
    "late": Latecomer,
    "death": ProcessKiller,
}


@dataclass(frozen=True, slots=True)
class Recorded:
    """What stands written of a step."""

    kind: str
    about: str
    value: str | None
    key: str | None
    event_id: str | None
    child_id: str | None
    at: datetime

    @property
    def plan(self) -> tuple[str, str, str | None]:
        """What is the same in all journeys: the call's own arguments are not."""
        return self.kind, self.about.split(" ")[0], self.key


@dataclass(slots=True)
class Case:
    """A journey, and the statement at which its worker meets harm."""

    point: Point
    when: When
    kind: Kind
    proxy: Proxy
    aimed: Killer
    invocation_id: str = ""
    worker: Worker | None = None

    def __str__(self) -> str:
        """Name it: also the queue, and the word that its journey is told."""
        return f"{self.kind}-{self.when}-{self.point[0]}-{self.point[1]}"

    @property
    def met(self) -> bool:
        """Whether harm has been done."""
        return self.kind == "none" or self.proxy.cuts > 0

    def launch(self, site: Site, task: str, runner: str) -> None:
        """Lie in wait, and begin."""
        [self.invocation_id] = site.call(
            f"workflow_tasks.{task}", {"word": str(self)}, queue=str(self)
        )
        if isinstance(self.aimed, ProcessKiller):
            self.aimed.pid = lambda: site.runs([self.invocation_id])[-1][0]
        if self.kind != "none":
            harm: Harm = proxy.cut if self.kind == "drop" else self.aimed
            self.proxy.arm(self.point[0], self.when, harm, skip=self.point[1])
        options = ("--runner", runner, "--queues", str(self), "--concurrency", "1")
        settings = HASTY | _PATIENT if self.kind in _STANDS else _KEEN
        self.worker = site.fleet.launch(*options, dsn=self.proxy.dsn, **settings)
        self.aimed.aim(self.worker)


@dataclass(slots=True)
class Journeys:
    """All cases of a test, watched: what is recorded may never be seen to be another."""

    site: Site
    cases: list[Case]
    steps: dict[str, dict[tuple[str, int], Recorded]] = field(default_factory=dict)
    emitted: set[str] = field(default_factory=set)

    def look(self) -> None:
        """Compare what is recorded with what was, and let what is waited for happen, once."""
        for which, path, run, *facts in self.site.query(_STEPS):
            those = self.steps.setdefault(which, {})
            new = Recorded(*facts)
            assert those.setdefault((path, run), new) == new
        for which, word in self.site.query(_WAITS):
            if which not in self.emitted:
                self.emitted.add(which)
                self.site.query(_EMIT, json.dumps({"word": word}))

    def wait_until_met(self) -> None:
        """Wait until harm has been done to all."""

        def met() -> bool:
            self.look()
            return all(case.met for case in self.cases)

        wait_for(met, self._explain, PATIENCE)

    def wait_for_ends(self) -> None:
        """Wait until all have arrived."""
        ids = [case.invocation_id for case in self.cases]

        def arrived() -> bool:
            self.look()
            return self.site.statuses(ids) == {"success": len(ids)}

        wait_for(arrived, self._explain, PATIENCE)

    def _explain(self) -> str:
        left = [str(case) for case in self.cases if not case.met]
        return f"not met: {left}\n{self.site.stranded()}\n{self.site.fleet.explain()}"


def run(
    site: Site, when: When, kind: Kind, *, runner: str, points: Sequence[Point] = POINTS
) -> None:
    """Have a journey meet harm at each of its statements; all of them end as one without harm."""
    task = "ajourney" if runner == "AsyncRunner" else "journey"
    aimed = _AIMED.get(kind, Killer)
    with ExitStack() as stack:
        cases = [
            Case(point, when, each, stack.enter_context(Proxy(site.dsn)), aimed())
            for point, each in [(("nothing", 0), "none"), *((p, kind) for p in points)]
        ]
        stack.callback(_let_go, cases)
        site.fleet.start("--queues", "errands", **_KEEN)
        for case in cases:
            case.launch(site, task, runner)
        journeys = Journeys(site, cases)
        journeys.wait_until_met()
        site.fleet.start("--runner", runner, **_KEEN)
        journeys.wait_for_ends()
        if kind in _STANDS:
            _thaw(site, cases)
        journeys.look()
        site.adopt()
        control = [step.plan for step in journeys.steps[cases[0].invocation_id].values()]
        for case in cases:
            _check(site, case, list(journeys.steps[case.invocation_id].values()), control)
        # A run that was woken when it was not asleep leaves its wake to the next look at those.
        wait_for(lambda: site.query(_LEFT) == [], site.fleet.explain)
        _wait_for_the_dead(site)
        site.check()


def _let_go(cases: list[Case]) -> None:
    for case in cases:
        if isinstance(case.aimed, Latecomer):
            case.aimed.let_go.set()


def _thaw(site: Site, cases: list[Case]) -> None:
    """Let them go on who believe that the journeys are theirs, and wait until they know better."""
    zombies = [case.worker for case in cases if case.worker and case.kind != "none"]
    site.ledger.frozen |= {zombie.pid for zombie in zombies}
    _let_go(cases)
    for zombie in zombies:
        zombie.signal(signal.SIGCONT)
    for zombie in zombies:
        wait_for(lambda: "runner.anew" in zombie.said(), zombie.explain)  # noqa: B023 - at once
        zombie.wait_until_up(site.dsn)


def _wait_for_the_dead(site: Site) -> None:
    """Wait until those that were killed are known to be dead."""

    def known() -> bool:
        living = sum(worker.alive for worker in site.fleet.workers)
        [[known]] = site.query("select count(distinct pid)::int from pynenc.runner")
        return bool(known <= living)

    wait_for(known, site.fleet.explain)


def _check(site: Site, case: Case, steps: list[Recorded], control: list[Any]) -> None:
    """One result, of what is recorded, as seen by each attempt; each child executed once."""
    name = str(case)
    assert [step.plan for step in steps] == control, name
    [[result, retries, recoveries]] = site.query(_END, case.invocation_id)
    assert result == told_by(steps, name), name
    seen = site.side("select distinct place, value::text from saw where word = %s", name)
    assert {place: json.loads(value) for place, value in seen} == result, name
    assert len(seen) == len(result), name
    done = dict(site.side("select what, count(*)::int from visit where word = %s group by 1", name))
    again = case.kind in ("crash", "death") and (case.point, case.when) == (FUNCTION, "before")
    if case.kind in _STANDS:  # before it: it cannot know then that another one was faster
        assert done.pop("step") in (1, 2), name
    else:
        assert done.pop("step") == 1 + again, name
    assert done == {"errand 0": 1, "errand 1": 1, "errand 2": 1}, name
    called = "select invocation_id::text from pynenc.invocation where parent_id = %s order by 1"
    assert [i for (i,) in site.query(called, case.invocation_id)] == sorted(result["children"])
    assert retries == 0, name
    if case.kind == "crash":
        over = case.when == "after" and case.point in ENDS
        # What it waits for may have come: then the next attempt can begin before the worker dies.
        begun = over and case.point == ("retry", 1) and recoveries == 1
        assert recoveries == (0 if over and not begun else 1), name
    if case.kind not in _STANDS:
        assert len(site.runs([case.invocation_id])) <= 3 + recoveries, name


def told_by(steps: list[Recorded], word: str) -> dict[str, Any]:
    """Return the result that a journey has, by what stands written alone."""
    values = [json.loads(step.value or "null") for step in steps]
    return {
        "random": values[0],
        "uuid": values[1],
        "utc_now": steps[2].at.isoformat(),
        "data": word,
        "step": values[5],
        "children": [step.child_id for step in steps[6:9]],
        "errand 0": f"{word} 0",
        "event": {"word": word},
        "patched": True,
        "errands": [f"{word} {number}" for number in range(3)],
    }
