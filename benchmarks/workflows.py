"""``python -m benchmarks.workflows``: what a step costs, and ten thousand workflows that sleep.

Workflows of steps that do nothing: one alone, several at once, and one whose steps are recorded
already; beside DBOS, where that is installed. Then calls of a task that is no workflow, drained by
turns with nobody asleep and with many; and how late those are that wake up.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, ExitStack
from functools import partial
from pathlib import Path
from typing import Any, Final

from rich.console import Console

from benchmarks import durable, ours, peers
from benchmarks.apps import workflow_app
from benchmarks.durable import Runs, Span
from benchmarks.measure import wait
from benchmarks.server import Database, Server, embedded

#: Seconds: sessions report what they did up to 10 s later.
_REPORTED: Final = 12.0
_WARM_UP: Final = 10  # steps
_ASLEEP: Final = "select count(*) from pynenc.invocation_state where reason = 'sleeping'"
_ENDED: Final = "select count(*) from pynenc.invocation_outcome"
#: By the history: from the first start to the last end of the calls that were made last.
_SPAN: Final = """select extract(epoch from max(at) - min(at))::float8
from pynenc.invocation_history h join pynenc.invocation i using (invocation_id)
where task_id = 'benchmarks.apps.workflow_app.idle' and h.status in ('running', 'success')
  and h.invocation_id > coalesce(%s::uuid, '00000000-0000-0000-0000-000000000000')"""
_LAST: Final = "select max(invocation_id::text) from pynenc.invocation"
#: From the time that was slept to, until RUNNING was noted.
_LATE: Final = """
select array_agg(extract(epoch from r.at - (s.value#>>'{}')::timestamptz)::float8)
from pynenc.workflow_steps s cross join lateral (
    select max(h.at) as at, count(*) as times from pynenc.invocation_history h
    where h.invocation_id = s.invocation_id and h.status = 'running') r
where s.kind = 'sleep' and r.times = 2"""
_UNTIL: Final = """
select array_agg((to_json(clock_timestamp() + make_interval(secs => %s + n * %s))#>>'{}')::text)
from generate_series(1, %s) n"""
_FAR: Final = 86_400.0  # seconds

Contender = Callable[[], AbstractContextManager[Any]]


def main() -> None:
    """Measure, and print a line for each figure."""
    asked = _asked()
    console = Console()
    _tell_load(console)
    with embedded(Path(tempfile.gettempdir())) as server:
        if asked.rounds:
            rates(server, asked, console.print)
        if asked.asleep:
            sleep(server, asked, console.print)
    if asked.costs:
        with embedded(Path(tempfile.gettempdir()), counts_statements=True) as server:
            costs(server, asked, console.print)
    _tell_load(console)


def _tell_load(console: Console) -> None:
    loads = ", ".join(f"{load:.1f}" for load in os.getloadavg())
    console.print(f"{time.strftime('%H:%M')}: load average of 1, 5 and 15 minutes {loads}")


def _asked() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.workflows", description=__doc__)
    parser.add_argument("--steps", type=int, default=100, help="of each run")
    parser.add_argument("--at-once", type=int, default=10, metavar="RUNS")
    parser.add_argument("--rounds", type=int, default=15, help="0: not measured, as below")
    parser.add_argument("--costs", type=int, default=2_000, metavar="STEPS")
    parser.add_argument("--asleep", type=int, default=10_000, metavar="RUNS")
    parser.add_argument("--calls", type=int, default=20_000, help="of each drain beside them")
    parser.add_argument("--drains", type=int, default=15, metavar="ROUNDS")
    parser.add_argument("--wake", type=int, default=300, metavar="RUNS")
    parser.add_argument("--with", dest="peers", choices=["dbos"], nargs="?")
    return parser.parse_args()


def _contenders(
    server: Server, asked: argparse.Namespace, tell: Callable[[str], object]
) -> dict[str, Contender]:
    found: dict[str, Contender] = {
        "ours": partial(durable.run_ours, server, asked.at_once),
        f"ours, {asked.at_once} connections": partial(
            durable.run_ours, server, asked.at_once, asked.at_once
        ),
    }
    if asked.peers:
        missing = peers.PEERS["dbos"].missing()
        if missing:
            tell(f"left out: dbos: {missing}")
        else:
            tell(f"dbos: {durable.about_dbos()}")
            found["dbos"] = partial(durable.run_dbos, server)
            found["dbos, no pings"] = partial(durable.run_dbos, server, pings=False)
    return found


# --- steps ------------------------------------------------------------------------------------


def rates(server: Server, asked: argparse.Namespace, tell: Callable[[str], object]) -> None:
    """Take each measure of one after the other, in each other round from the last to the first."""
    count, many = asked.steps, asked.at_once
    measures: dict[str, Callable[[Any], float]] = {
        "step, alone": lambda runs: _rate(runs.steps(count), count),
        f"step, {many} at once": lambda runs: _rate(runs.steps(count, many), count),
        f"replay of {count}, ms": lambda runs: _replayed(runs.replay(count)),
        "random, alone": lambda runs: _rate(runs.randoms(count), count),
        f"random, {many} at once": lambda runs: _rate(runs.randoms(count, many), count),
    }
    with ExitStack() as stack:
        up = {
            name: stack.enter_context(contender())
            for name, contender in _contenders(server, asked, tell).items()
        }
        for runs in up.values():
            runs.steps(_WARM_UP, many)
        for what, measure in measures.items():
            cannot = "dbos" if what.startswith("random") else "nobody"
            able = {name: runs for name, runs in up.items() if not name.startswith(cannot)}
            _tell_rounds(what, able, measure, asked.rounds, tell)


def _tell_rounds(
    what: str,
    up: dict[str, Runs],
    measure: Callable[[Any], float],
    rounds: int,
    tell: Callable[[str], object],
) -> None:
    found: dict[str, list[float]] = {name: [] for name in up}
    for number in range(rounds):
        for name in list(up) if number % 2 == 0 else reversed(list(up)):
            found[name].append(measure(up[name]))
    for name, figures in found.items():
        said = f"{what}, {name}: {_spread(figures)}"
        if "dbos" in found and name != "dbos":
            ratios = [one / other for one, other in zip(figures, found["dbos"], strict=True)]
            said += f"; by dbos within a round {_spread(ratios, '.3g')}"
        tell(said)


def _rate(spans: Sequence[Span], count: int) -> float:
    """Return steps per second, from the first begin to the last end."""
    if any(span.called != count for span in spans):
        message = f"runs of {count} steps called {[span.called for span in spans]}"
        raise RuntimeError(message)
    seconds = max(span.ended for span in spans) - min(span.began for span in spans)
    return count * len(spans) / seconds


def _replayed(span: Span) -> float:
    """Return milliseconds."""
    if span.called != 1:
        message = f"a replay called {span.called} steps instead of the one that was not recorded"
        raise RuntimeError(message)
    return 1000 * span.seconds


def costs(server: Server, asked: argparse.Namespace, tell: Callable[[str], object]) -> None:
    """Count what the server was sent while one workflow ran, less what it is sent without one."""
    contenders = _contenders(server, asked, lambda _: None)
    for name, contender in contenders.items():
        with contender() as runs, server.no_autovacuum():
            runs.steps(_WARM_UP)
            time.sleep(_REPORTED)
            idle = _sent(server, runs, lambda: None)
            sent = _sent(server, runs, lambda: runs.steps(asked.costs))
            statements, commits = (
                (more - sent[0] * less / idle[0]) / asked.costs
                for more, less in zip(sent[1:], idle[1:], strict=True)
            )
            tell(
                f"{name}: {statements:.2f} statements and {commits:.2f} transactions a step, "
                f"of {asked.costs}; beside it {idle[1] / idle[0]:.1f} statements a second"
            )


def _sent(server: Server, runs: Runs, work: Callable[[], object]) -> tuple[float, int, int]:
    """Return the seconds of some work, and the statements and commits in them."""
    began = time.perf_counter()
    commits, statements = server.commits(runs.database), server.statements(runs.database)
    work()
    time.sleep(_REPORTED)
    return (
        time.perf_counter() - began,
        server.statements(runs.database) - statements,
        server.commits(runs.database) - commits,
    )


# --- sleep ------------------------------------------------------------------------------------


def sleep(server: Server, asked: argparse.Namespace, tell: Callable[[str], object]) -> None:
    """Drain by turns a database where nobody sleeps and one where many do; then wake some."""
    with server.fresh() as none, server.fresh() as many:
        seconds = _lay(many, asked.asleep, _FAR, 0.0)
        tell(f"{asked.asleep:,} laid to sleep in {seconds:.1f} s")
        found: dict[str, list[float]] = {"none": [], "many": []}
        for number in range(asked.drains):
            turns = [("none", none), ("many", many)]
            for name, database in turns if number % 2 == 0 else reversed(turns):
                found[name].append(_drain(database, asked.calls))
        ratios = [with_ / without for without, with_ in zip(*found.values(), strict=True)]
        for name, figures in found.items():
            tell(f"drain, {name} asleep: {_spread(figures)} per s")
        tell(f"drain, ratio within a round: {_spread(ratios, '.3f')}")
        late = sorted(1000 * one for one in _wake(many, asked))
        p95 = late[len(late) * 95 // 100]
        tell(f"wake-up: p50 {statistics.median(late):.1f} ms, p95 {p95:.1f} ms, of {len(late)}")


def _lay(database: Database, count: int, first: float, between: float) -> float:
    """Return the seconds until as many as are called sleep, from the first of them on."""
    before = database.value(_ASLEEP)
    untils = database.value(_UNTIL, first, between, count)
    with durable.client(database), durable.worker(database, 4):
        began = time.perf_counter()
        workflow_app.sleeper.parallelize([(until,) for until in untils])
        wait(lambda: database.value(_ASLEEP) == before + count, f"{count} that sleep")
        return time.perf_counter() - began


def _drain(database: Database, calls: int) -> float:
    last, done = database.value(_LAST), database.value(_ENDED) + calls
    with durable.client(database):
        workflow_app.app.pause_queue("default")
        workflow_app.idle.parallelize([()] * calls)
        with durable.worker(database, 4):
            ours.wait_idle(database, 1)
            workflow_app.app.resume_queue("default")
            wait(lambda: database.value(_ENDED) == done, f"{calls} calls", poll=0.5)
    return calls / float(database.value(_SPAN, last))


def _wake(database: Database, asked: argparse.Namespace) -> list[float]:
    """Return how late some were that woke one after the other, while nothing else was done."""
    before = database.value(_ASLEEP)
    untils = database.value(_UNTIL, 10 + asked.wake / 50, 0.02, asked.wake)
    with durable.client(database), durable.worker(database, 4):
        workflow_app.sleeper.parallelize([(until,) for until in untils])
        wait(lambda: database.value(_ASLEEP) == before + asked.wake, "those that are to wake")
        wait(lambda: database.value(_ASLEEP) == before, "those that wake")
        wait(lambda: len(database.value(_LATE) or ()) == asked.wake, "their ends")
    return [float(seconds) for seconds in database.value(_LATE)]


def _spread(figures: Sequence[float], how: str = ",.1f") -> str:
    low, median, high = min(figures), statistics.median(figures), max(figures)
    return f"{median:{how}} ({low:{how}} - {high:{how}}, of {len(figures)})"


if __name__ == "__main__":
    main()
