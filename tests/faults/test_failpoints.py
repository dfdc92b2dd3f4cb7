"""Harm at every statement: before the database hears of it, and after it has answered."""

from __future__ import annotations

import os
from collections.abc import Iterator
from itertools import product
from typing import Final, get_args

import pytest
from _pytest.mark import ParameterSet

from tests.acceptance.workers import wait_for
from tests.faults import failpoints
from tests.faults.failpoints import Killer
from tests.faults.proxy import Proxy, When
from tests.faults.settings import KEEN
from tests.faults.site import Site

MOMENTS: Final = [*product(get_args(When), failpoints.HARMS)]
#: The fast suite does harm at each verb once, at those that begin and end an attempt in both ways.
_CRASHED: Final = (
    *("recover", "register_runner", "heartbeat", "claim", "hold", "finish"),
    *("set_aside", "register", "resume", "release"),
)
_DROPPED: Final = (
    *("maintain", "register_tasks", "claim", "finish", "retry", "pause"),
    *("promote", "expire", "release_strays", "unregister_runner"),
)
_SAMPLE: Final = {("before", "crash"): _CRASHED, ("after", "drop"): _DROPPED}
assert {*_CRASHED, *_DROPPED} == {*failpoints.VERBS}


def _sweep() -> Iterator[ParameterSet]:
    """Each verb with each harm is for ``make test-long``."""
    for moment in MOMENTS:
        name = "-".join(moment)
        if moment in _SAMPLE:
            yield pytest.param(*moment, _SAMPLE[moment], id=f"{name}-some")
        yield pytest.param(*moment, failpoints.VERBS, marks=pytest.mark.long, id=f"{name}-all")


@pytest.mark.parametrize(("when", "harm", "verbs"), [*_sweep()])
def test_harm_at_every_statement(site: Site, when: When, harm: str, verbs: tuple[str, ...]) -> None:
    """Killed, cut off or held up at any verb: all is done, nothing twice, survivors work on."""
    failpoints.run(site, when, harm, verbs)


@pytest.mark.parametrize(
    ("when", "harm"),
    [
        pytest.param(*moment, marks=[] if moment in _SAMPLE else pytest.mark.long)
        for moment in MOMENTS
    ],
)
def test_harm_while_large_values_are_collected(site: Site, when: When, harm: str) -> None:
    """What nobody refers to is removed by whoever is left; what is referred to stays."""
    failpoints.collecting(site, when, harm)


@pytest.mark.long
@pytest.mark.parametrize("seed", range(int(os.environ.get("PYNENC_FAULT_SEEDS", "40"))))
def test_harm_by_chance(site: Site, seed: int) -> None:
    """Whatever happens to three workers at any of their statements: all is done, nothing twice."""
    failpoints.by_chance(site, seed)


@pytest.mark.parametrize(("when", "runs"), [("before", 2), ("after", 1)])
def test_death_around_the_completing_statement(site: Site, when: When, runs: int) -> None:
    """Killed before it the task runs once more, under a later lease; killed after it, never."""
    with Proxy(site.dsn) as proxy:
        killer = Killer()
        proxy.arm("finish", when, killer)
        victim = killer.aim(site.fleet.start("--concurrency", "1", dsn=proxy.dsn, **KEEN))
        [call] = site.work(1, 0)
        wait_for(lambda: not victim.alive, victim.explain)
        site.fleet.start(**KEEN)
        site.wait_for_success([call])
        leases = [fence for _, fence, *_ in site.runs([call])]
        assert len(leases) == runs
        assert leases == sorted(set(leases))
        outcome = "select lease from pynenc.invocation_outcome where invocation_id = %s"
        assert site.query(outcome, call) == [(leases[-1],)]
        wait_for(lambda: len(site.query("select from pynenc.runner")) == 1, site.fleet.explain)
        site.check()


@pytest.mark.parametrize(("when", "end"), [("before", "success"), ("after", "failed")])
def test_death_around_the_start_of_a_suspect(site: Site, when: When, end: str) -> None:
    """At its last recovery, work that was not begun is not to blame for the death; begun, it is."""
    once = KEEN | {"PYNENC__RUNNER__MAX_RECOVERIES": "1"}
    first = site.fleet.start("--concurrency", "1", **once)
    calls = site.hold(1)
    site.wait_for_runs(calls, 1)
    first.kill()
    with Proxy(site.dsn) as proxy:
        killer = Killer()
        proxy.arm("start", when, killer)
        second = killer.aim(site.fleet.launch(dsn=proxy.dsn, **once))
        wait_for(lambda: not second.alive, second.explain)
    site.open_gate()
    site.fleet.start(**once)
    wait_for(lambda: site.statuses(calls) == {end: 1}, site.fleet.explain)
    site.check()
