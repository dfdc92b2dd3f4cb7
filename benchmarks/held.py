"""``python -m benchmarks.held``: work goes on while somebody holds a snapshot open.

No row that dies after a snapshot can be cleared away as long as it is held, and each call leaves
dead rows in the hot table. Calls are run at a steady rate by the verbs: before, while it is held,
and after its release.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import psycopg
from rich.console import Console

from benchmarks.contract import Figures
from benchmarks.server import Database, embedded
from benchmarks.storage import BATCH, RUNNER, call, end, p95, shown, worker
from pynenc_pg.postgres.orchestrator import PgOrchestrator

#: Seconds of claims that are looked at together, to tell whether they are as fast as before.
_WINDOW: Final = 5.0
_AS_BEFORE: Final = 1.5  # times the p95 of before: from one window to the next it differs by that
_KEPT: Final = 0.95  # of the rate
_BEFORE: Final = 15.0
_PATIENCE: Final = 60.0
_DEAD: Final = """select coalesce(sum(n_dead_tup), 0)::bigint from pg_stat_user_tables
where schemaname = 'pynenc' and relname = 'invocation_state'"""


@dataclass(slots=True)
class Phase:
    """What was done in a span of time."""

    name: str
    done: int = 0
    claims: list[float] = field(default_factory=list)  # how long they took
    seconds: float = 0.0
    dead: int = 0  # rows of the hot table at its end

    @property
    def rate(self) -> float:
        """Calls a second."""
        return self.done / self.seconds


@dataclass(frozen=True, slots=True)
class Found:
    """The spans: before, under the snapshot, and pieces of the time after its release."""

    before: Phase
    held: Phase
    released: list[Phase]

    @property
    def slower(self) -> float:
        """How many times as long claims took under the snapshot (p95)."""
        return p95(self.held.claims) / p95(self.before.claims)

    @property
    def recovered(self) -> float | None:
        """Seconds from the release until all had been as before for a while; None: never."""
        if not self.as_before(self.released[-1]):
            return None
        return sum(phase.seconds for phase in self.released)

    def as_before(self, phase: Phase) -> bool:
        """Whether claims are as fast as before in it, and as many calls are run."""
        fast = p95(phase.claims) <= _AS_BEFORE * p95(self.before.claims)
        return fast and phase.rate >= _KEPT * self.before.rate

    def told(self, rate: float) -> str:
        """Return a line for each span, of calls at that rate, and one of their comparison."""
        lines = [
            f"{phase.name} ({phase.seconds:.0f} s): {phase.rate:,.0f} calls/s of {rate:,.0f}, "
            f"claims {shown(phase.claims)}, {phase.dead:,} dead rows at its end"
            for phase in (self.before, self.held, *self.released)
        ]
        lines.append(
            f"p95 held / before: {self.slower:.2f}; as before {self.recovered} s after the release"
        )
        return "\n".join(lines)

    def figures(self) -> Figures:
        """Return rows of the table."""
        return {
            "held_rate": self.held.rate,
            "held_claim": 1_000 * statistics.median(self.held.claims),
            "held_slower": self.slower,
            "held_recovered": self.recovered or _PATIENCE,
        }


def main() -> None:
    """Measure, and print a line for each span."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.held", description=__doc__)
    parser.add_argument("--seconds", type=float, default=600.0, help="that the snapshot is held")
    parser.add_argument("--rate", type=float, default=2_000.0, help="calls a second")
    asked = parser.parse_args()
    with embedded(Path(tempfile.gettempdir())) as server, server.fresh() as database:
        found = under_snapshot(database, asked.seconds, asked.rate)
    Console(soft_wrap=True).print(found.told(asked.rate))


def under_snapshot(database: Database, seconds: float, rate: float) -> Found:
    """Run calls before, while and after a snapshot is held for ``seconds``.

    The last for as long as it takes until all is as before, for a minute at most.
    """
    window = min(_WINDOW, seconds)
    with worker(database.dsn) as orchestrator:
        churn(orchestrator, "warm", min(1.0, seconds), rate)
        before = _phase(orchestrator, database, "before", min(_BEFORE, seconds), rate)
        with snapshot(database.dsn):
            held = _phase(orchestrator, database, "held", seconds, rate)
        found = Found(before, held, [])
        while True:
            found.released.append(_phase(orchestrator, database, "released", window, rate))
            late = len(found.released) * window >= _PATIENCE
            if late or found.as_before(found.released[-1]):
                return found


def _phase(
    orchestrator: PgOrchestrator, database: Database, name: str, seconds: float, rate: float
) -> Phase:
    phase = churn(orchestrator, name, seconds, rate)
    phase.dead = database.value(_DEAD)
    return phase


@contextmanager
def snapshot(dsn: str) -> Iterator[None]:
    """Hold a snapshot open: nothing that dies meanwhile can be cleared away."""
    with psycopg.connect(dsn) as session:
        session.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        session.execute("select count(*) from pynenc.invocation_state")
        yield


def churn(orchestrator: PgOrchestrator, name: str, seconds: float, rate: float) -> Phase:
    """Call, claim and end at a steady rate, a hundredth of a second's calls at a time.

    Raises:
        RuntimeError: a claim did not find what had been called.
    """
    phase, began = Phase(name), time.perf_counter()
    while (now := time.perf_counter() - began) < seconds:
        behind = int(now * rate) - phase.done
        if behind < max(1, rate / 100):
            time.sleep(0.001)
            continue
        n = min(behind, BATCH)
        call(orchestrator, n)
        started = time.perf_counter()
        held = orchestrator.claim(RUNNER, (), n, begin_below=3)
        phase.claims.append(time.perf_counter() - started)
        if len(held) != n:
            message = f"of {n} calls a claim found {len(held)}"
            raise RuntimeError(message)
        end(orchestrator, held)
        phase.done += n
    phase.seconds = time.perf_counter() - began
    return phase


if __name__ == "__main__":
    main()
