"""Calls for tomorrow do not slow down those of today."""

from __future__ import annotations

import statistics
import time

import pytest

from tests.support.plans import Watched, watched
from tests.support.sql import (
    Connection,
    claim,
    connect,
    finish,
    one,
    register,
    register_runner,
    start,
    temporary_database,
)

DAY = 86_400.0
BATCH = 10_000


def latencies(c: Connection, rounds: int) -> list[float]:
    """Return the milliseconds of each claim, of one call that was registered just before."""
    taken = []
    for _ in range(rounds):
        register(c)
        began = time.perf_counter()
        held = claim(c, limit=10)
        taken.append((time.perf_counter() - began) * 1000)
        assert len(held) == 1
        start(c, held)
        finish(c, held)
    return sorted(taken)


def plans(c: Connection) -> Watched:
    """Watch a claim that finds one."""
    register(c)
    with watched(c) as seen:
        held = claim(c, limit=10)
    start(c, held)
    finish(c, held)
    return seen


@pytest.mark.timeout(900)
@pytest.mark.parametrize(
    ("many", "rounds"), [(10_000, 50), pytest.param(1_000_000, 300, marks=pytest.mark.long)]
)
def test_calls_for_tomorrow(server_dsn: str, template: str, many: int, rounds: int) -> None:
    """A claim reads the same indexes and no more rows, with statistics and without."""
    with temporary_database(server_dsn, template) as dsn, connect(dsn) as c:
        register_runner(c)
        compare(c, many, rounds)


def compare(c: Connection, many: int, rounds: int) -> None:
    """Compare claims before and after."""
    before = latencies(c, rounds), plans(c)
    for _ in range(many // BATCH):
        register(c, BATCH, delay=DAY)
    waiting = "select count(*) from invocation_state where due_at is not null"
    assert one(c, waiting) == many
    for known in ("none", "fresh"):
        if known == "fresh":
            c.execute("analyze")
        after = latencies(c, rounds), plans(c)
        assert after[1].indexes() == before[1].indexes()
        assert after[1].rows <= before[1].rows + 2
        assert after[1].buffers <= before[1].buffers + 20
        for name, (times, _) in {"before": before, known: after}.items():
            p99 = times[len(times) * 99 // 100]
            said = f"p50 {statistics.median(times):.2f} ms, p99 {p99:.2f} ms"
            print(f"{many:,} {name}: {said}")  # noqa: T201 - a figure for the docs
