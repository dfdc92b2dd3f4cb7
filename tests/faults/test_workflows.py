"""Workflows go on after whatever happens, with what was recorded; each child is executed once."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator, Sequence
from itertools import product
from typing import Any, Final, get_args

import pytest
from _pytest.mark import ParameterSet

from tests.acceptance.workers import wait_for
from tests.faults import journeys
from tests.faults.journeys import POINTS, Kind, Point
from tests.faults.proxy import When
from tests.faults.settings import HASTY, KEEN
from tests.faults.site import Site

THREADS: Final = "ThreadRunner"
LOOP: Final = "AsyncRunner"
PROCESSES: Final = "PersistentProcessRunner"
NEWER: Final = {"FAULTS_NEWER": "1"}
#: What the fast suite goes through: the first and the last statement, the end of each attempt, what
#: ran and was not recorded, a child, and what is waited for; all others do what one of them does.
_USUAL: Final = ("after", "crash", THREADS)
_SOME: Final[Sequence[Point]] = (
    *(("workflow_steps", 0), journeys.FUNCTION, ("record_child", 1), ("retry", 0)),
    *(("workflow_steps", 1), ("await_event", 0), ("retry", 1), ("record_step", 8), ("finish", 0)),
)
_KINDS: Final = [
    *product(("crash", "drop"), (THREADS, LOOP, PROCESSES)),
    ("death", PROCESSES),
]
#: Workers of several processes are slow to start: so many groups, one after the other.
_GROUPS: Final = {THREADS: 1, LOOP: 1, PROCESSES: 4}


def _harms() -> Iterator[ParameterSet]:
    yield pytest.param(*_USUAL, _SOME, id=f"{'-'.join(_USUAL)}-some")
    for when, (kind, runner) in product(get_args(When), _KINDS):
        groups = _GROUPS[runner]
        for group in range(groups):
            points = POINTS[group::groups]
            name = f"{when}-{kind}-{runner}-{group}"
            yield pytest.param(when, kind, runner, points, marks=pytest.mark.long, id=name)


@pytest.mark.timeout(300)
@pytest.mark.parametrize(("when", "kind", "runner", "points"), [*_harms()])
def test_harm_at_every_operation_of_a_workflow(
    site: Site, when: When, kind: Kind, runner: str, points: Sequence[Point]
) -> None:
    """Killed or cut off at any of them: the values are those recorded, and children run once."""
    journeys.run(site, when, kind, runner=runner, points=points)


@pytest.mark.long
@pytest.mark.timeout(300)
@pytest.mark.parametrize("kind", ["freeze", "late"])
@pytest.mark.parametrize("runner", [THREADS, LOOP])
def test_a_worker_that_stands_still_in_a_workflow(site: Site, kind: Kind, runner: str) -> None:
    """What it says when another one has gone on is refused: no step of its, and no child."""
    when: When = "before" if kind == "late" else "after"
    journeys.run(site, when, kind, runner=runner)


def test_two_workers_in_one_workflow(site: Site) -> None:
    """Who comes back while another one is at its step records nothing, and calls nobody."""
    zombie = site.fleet.start("--concurrency", "1", **HASTY)
    [call] = _call(site, "held", {"word": "a", "gate": str(site.folder / "gate")})
    steps = "select count(*)::int from visit where what = 'step'"
    wait_for(lambda: site.side(steps) == [(1,)], zombie.explain)
    zombie.signal(signal.SIGSTOP)
    site.ledger.frozen.add(zombie.pid)
    other = site.fleet.start("--concurrency", "1", **HASTY)
    wait_for(lambda: site.side(steps) == [(2,)], other.explain)
    site.open_gate(f"gate-{zombie.pid}")
    zombie.signal(signal.SIGCONT)
    wait_for(lambda: "runner.anew" in zombie.said(), zombie.explain)
    refused = "select pid from visit where what = 'RunnerFencedError'"
    wait_for(lambda: site.side(refused) == [(zombie.pid,)], zombie.explain)
    assert _kinds(site, call) == ["random"]
    assert site.adopt() == []
    site.open_gate(f"gate-{other.pid}")
    site.wait_for_success([call])
    result = _result(site, call)
    assert result == _seen(site, call)
    assert result["step"] == other.pid
    errands = "select count(*)::int from visit where what like 'errand%'"
    assert site.side(errands) == [(1,)]
    site.adopt()
    site.check()


@pytest.mark.parametrize("how", ["stopped", pytest.param("killed", marks=pytest.mark.long)])
def test_all_are_gone_while_workflows_rest(site: Site, how: str) -> None:
    """They sleep, wait and pause with nobody there; whoever comes later goes on with all."""
    workers = [site.fleet.start("--runner", runner, **KEEN) for runner in (THREADS, PROCESSES)]
    words = [str(n) for n in range(5)]
    [[until]] = site.query("select (clock_timestamp() + interval '6 s')::text")
    naps = _call(site, "nap", *({"word": f"nap {word}", "until": until} for word in words))
    letters = _call(site, "letter", *({"word": f"letter {word}"} for word in words))
    rests = _call(site, "rest", *({"word": f"rest {word}"} for word in words))
    calls = [*naps, *letters, *rests]
    wait_for(lambda: site.statuses(calls) == {"retry": 15}, site.fleet.explain)
    reasons = {"sleeping": 5, "event": 5, "paused": 5}
    assert dict(site.query(_REASONS)) == reasons
    for worker in workers:
        if how == "killed":
            worker.kill()
        else:
            assert worker.stop() == 0
    site.client.close()
    wait_for(lambda: site.query(_SESSIONS) == [(0,)])
    for word in words:
        site.query(_LETTER, json.dumps({"word": f"letter {word}"}))
    for call in rests:
        assert site.query("select pynenc.pause_workflow(%s::uuid, false)", call) == [(True,)]
    over = "select clock_timestamp() > %s::timestamptz"
    wait_for(lambda: site.query(over, until) == [(True,)])
    assert site.statuses(calls) == {"retry": 15}
    site.fleet.start(**KEEN, PYNENC__RUNNER__HEARTBEAT="1")
    site.wait_for_success(calls)
    for call in calls:
        assert len(site.runs([call])) == 2
        assert _result(site, call) == _seen(site, call)
    wait_for(lambda: site.query("select count(*) from pynenc.runner") == [(1,)])
    site.check()


def test_a_workflow_that_was_changed(site: Site) -> None:
    """Without a word it fails and says how; with ``patched``, runs of both versions have an end."""
    older = site.fleet.start(**KEEN)
    [careless] = _call(site, "careless", {"word": "careless"})
    [old] = _call(site, "careful", {"word": "old"})
    wait_for(lambda: dict(site.query(_REASONS)) == {"sleeping": 2}, older.explain)
    assert older.stop() == 0
    newer = site.fleet.start(**KEEN, **NEWER)
    [new] = _call(site, "careful", {"word": "new"})
    site.wait_for_success([old, new])
    wait_for(lambda: site.statuses([careless]) == {"failed": 1}, newer.explain)
    said = json.dumps(site.query(_OUTCOME, careless))
    assert "NonDeterminismError" in said
    assert "step 1 of tests.faults.workflow_tasks.careless" in said
    assert "recorded is random" in said
    assert "attempted was uuid" in said
    assert _kinds(site, careless) == ["random", "sleep"]
    # Nothing stood where the second patch is, in either of them.
    ends = ["patched", "task", "uuid"]
    assert _kinds(site, old) == ["random", "sleep", *ends]
    assert _kinds(site, new) == ["patched", "uuid", "sleep", *ends]
    for call, first in ((old, float), (new, str)):
        result = _result(site, call)
        assert result == _seen(site, call)
        assert isinstance(result["first"], first)
        assert result["errand"].endswith(" 0")
    site.adopt()
    site.check()


def test_an_older_deployment_meets_the_run_of_a_newer_one(site: Site) -> None:
    """It does not know of the patch, and says so instead of going its own way."""
    newer = site.fleet.start(**KEEN, **NEWER)
    [call] = _call(site, "careful", {"word": "new"})
    wait_for(lambda: dict(site.query(_REASONS)) == {"sleeping": 1}, newer.explain)
    assert newer.stop() == 0
    older = site.fleet.start(**KEEN)
    wait_for(lambda: site.statuses([call]) == {"failed": 1}, older.explain)
    said = json.dumps(site.query(_OUTCOME, call))
    assert "recorded is patched uuid first" in said
    assert "attempted was random" in said
    assert _kinds(site, call) == ["patched", "uuid", "sleep"]
    site.check()


def _call(site: Site, task: str, *calls: dict[str, str]) -> list[str]:
    return list(site.call(f"workflow_tasks.{task}", *calls))


def _result(site: Site, call: str) -> dict[str, Any]:
    [[value]] = site.query(_OUTCOME, call)
    return dict(value)


def _seen(site: Site, call: str) -> dict[str, Any]:
    """Return what all attempts have seen: at each place one thing, or it fails."""
    query = "select distinct place, value::text from saw where invocation_id = %s"
    seen = site.side(query, call)
    found = {place: json.loads(value) for place, value in seen}
    assert len(found) == len(seen)
    return found


def _kinds(site: Site, call: str) -> list[str]:
    query = "select kind from pynenc.workflow_steps where invocation_id = %s order by step_id"
    return [kind for (kind,) in site.query(query, call)]


_REASONS: Final = """select reason, count(*)::int from pynenc.invocation_state
where status = 'retry' group by 1"""
_OUTCOME: Final = "select value from pynenc.invocation_outcome where invocation_id = %s"
_LETTER: Final = "select pynenc.emit_event('letter', %s::json, 'faults')"
_SESSIONS: Final = """select count(*)::int from pg_stat_activity
where datname = current_database() and application_name like 'pynenc%'"""
