"""Many workflows at once: at work, none has to do with another; asleep, they cost nothing."""

from __future__ import annotations

import json
import os
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest

from tests.acceptance.workers import wait_for
from tests.faults.fleet import Worker
from tests.faults.site import Site

THREADS: Final = "ThreadRunner"
PROCESSES: Final = "MultiThreadRunner"
TICKS: Final = os.sysconf("SC_CLK_TCK")


@pytest.mark.timeout(300)
# The fast suite has threads in two processes, which is both.
@pytest.mark.parametrize(
    ("many", "runner"),
    [
        (25, PROCESSES),
        pytest.param(200, PROCESSES, marks=pytest.mark.long),
        pytest.param(200, THREADS, marks=pytest.mark.long),
    ],
)
def test_many_runs_of_one_workflow(site: Site, runner: str, many: int) -> None:
    """Each returns what it has recorded, as both of its attempts have seen it, and nobody else."""
    words = [f"word {n}" for n in range(many)]
    calls = site.call("workflow_tasks.one_of_many", *({"word": word} for word in words))
    several = {"PYNENC__RUNNER__MIN_PROCESSES": "2", "PYNENC__RUNNER__MAX_PROCESSES": "2"}
    site.fleet.launch("--runner", runner, "--concurrency", "16", **several)
    site.wait_for_success(calls, 240)
    ends = dict(site.query(_OUTCOMES))
    steps = _steps(site)
    seen = _seen(site)
    for call, word in zip(calls, words, strict=True):
        result = ends[call]
        kinds = [kind for kind, _ in steps[call]]
        assert kinds == [*["random"] * 3, "uuid", "set_data", *["task"] * 2, "get_data", "random"]
        values = [value for _, value in steps[call]]
        assert result == {
            "random": values[:3],
            "uuid": values[3],
            "data": word,
            "errands": [f"{word} 0", f"{word} 1"],
            "last": values[8],
        }
        assert seen[word] == [result, result]
    assert (
        len({json.dumps(end["random"]) for end in ends.values() if isinstance(end, dict)}) == many
    )
    visits = "select what, word, count(*)::int from visit group by 1, 2"
    executed = {(what, word): times for what, word, times in site.side(visits)}
    assert executed == {(f"errand {n}", word): 1 for word in words for n in range(2)}
    site.adopt()
    site.check()


@dataclass(frozen=True, slots=True)
class Use:
    """What a worker has."""

    threads: int
    connections: int
    owned: int  # invocations
    slots: int

    @classmethod
    def of(cls, site: Site, worker: Worker) -> Use:
        """Look."""
        status = Path(f"/proc/{worker.pid}/status").read_text()
        [threads] = [line.split()[1] for line in status.splitlines() if line.startswith("Threads")]
        [[connections, owned, slots]] = site.query(_USE)
        return cls(int(threads), connections, owned, slots)


@pytest.mark.timeout(900)
@pytest.mark.parametrize("many", [100, pytest.param(10_000, marks=pytest.mark.long)])
def test_sleeping_workflows(site: Site, many: int) -> None:
    """While they sleep none has a thread, connection or slot; each wakes within a second."""
    worker = site.fleet.start("--concurrency", "4")
    alone = _drain(site)
    quiet = _cpu(worker) if many > 1000 else 0.0
    before = Use.of(site, worker)
    began = time.monotonic()
    calls = _sleepers(site, many, wakes_in=4 + many / 80)
    asleep = "select count(*)::int from pynenc.invocation_state where reason = 'sleeping'"
    wait_for(lambda: site.query(asleep) == [(many,)], worker.explain, 600)
    laid = time.monotonic() - began
    wait_for(lambda: Use.of(site, worker).owned == 0, worker.explain)
    after = Use.of(site, worker)
    assert after.threads <= before.threads
    assert after.connections <= before.connections + 2  # the pool is of four, and grows to that
    assert (after.owned, after.slots) == (0, 0)
    if many > 1000:  # there is time for it
        beside, still = _drain(site), _cpu(worker)
        print(f"500 calls alone {alone:.2f} s, beside {many:,} asleep {beside:.2f} s")  # noqa: T201
        print(f"CPU of the worker alone {quiet:.1%}, with them {still:.1%}")  # noqa: T201
        print(f"laid to sleep in {laid:.0f} s")  # noqa: T201
    assert site.query(asleep) == [(many,)]
    site.wait_for_success(calls, 300)
    late = sorted(float(seconds) for (seconds,) in site.query(_LATE))
    assert len(late) == many
    assert late[0] >= 0
    p95 = late[many * 95 // 100]
    said = f"p50 {statistics.median(late):.3f} s, p95 {p95:.3f} s, last {late[-1]:.3f} s"
    print(f"{many:,} wake-ups: {said}")  # noqa: T201
    assert p95 < 1
    assert _attempts(site, calls) == {2}
    site.check()


def _sleepers(site: Site, many: int, wakes_in: float) -> list[str]:
    """Call workflows that sleep; a hundred wake in a second."""
    query = """select to_json(clock_timestamp() + make_interval(secs => %s + n / 100.0))#>>'{}'
               from generate_series(1, %s) n"""
    untils = [until for (until,) in site.query(query, wakes_in, many)]
    calls: list[str] = []
    for first in range(0, many, 500):
        some = ({"until": until} for until in untils[first : first + 500])
        calls += site.call("workflow_tasks.sleeper", *some)
    return calls


def _drain(site: Site) -> float:
    """Return the seconds that it takes to be done with other calls."""
    began = time.monotonic()
    calls = site.call("workflow_tasks.nothing", *({"number": n} for n in range(500)))
    site.wait_for_success(calls)
    return time.monotonic() - began


def _cpu(worker: Worker) -> float:
    """Return the share of a core that it uses while there is nothing to do."""

    def used() -> int:
        stat = Path(f"/proc/{worker.pid}/stat").read_text().rpartition(")")[2].split()
        return int(stat[11]) + int(stat[12])

    began, before = time.monotonic(), used()
    time.sleep(2)
    return (used() - before) / TICKS / (time.monotonic() - began)


def _steps(site: Site) -> dict[str, list[tuple[str, object]]]:
    found: dict[str, list[tuple[str, object]]] = {}
    for which, kind, value in site.query(_STEPS):
        found.setdefault(which, []).append((kind, value))
    return found


def _seen(site: Site) -> dict[str, list[dict[str, object]]]:
    """Return what each attempt has seen, by word."""
    query = """select word, json_object_agg(place, value) from saw
               group by word, invocation_id, fence order by fence"""
    found: dict[str, list[dict[str, object]]] = {}
    for word, values in site.side(query):
        found.setdefault(word, []).append(values)
    return found


def _attempts(site: Site, calls: Sequence[str]) -> set[int]:
    """How often they were begun."""
    query = """select distinct count(*)::int from pynenc.invocation_history
               where status = 'running' and invocation_id = any (%s::uuid[])
               group by invocation_id"""
    return {count for (count,) in site.query(query, list(calls))}


_OUTCOMES: Final = "select invocation_id::text, value from pynenc.invocation_outcome"
_STEPS: Final = """select invocation_id::text, kind, value from pynenc.workflow_steps
order by step_id"""
_USE: Final = """
select (select count(*)::int from pg_stat_activity
        where datname = current_database() and application_name like 'pynenc%'),
       (select count(*)::int from pynenc.invocation_state where runner_id is not null),
       (select count(*)::int from pynenc.slot)"""
_LATE: Final = """
select extract(epoch from r.at - (s.value#>>'{}')::timestamptz)
from pynenc.workflow_steps s
cross join lateral (select h.at from pynenc.invocation_history h
                    where h.invocation_id = s.invocation_id and h.status = 'running'
                    order by h.rev desc limit 1) r
where s.kind = 'sleep'"""
