"""The demo from beginning to end."""

from __future__ import annotations

import logging
import signal
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

import psycopg
from rich.console import Console

from pynenc_pg.demo import report
from pynenc_pg.demo.place import Place, database
from pynenc_pg.demo.sources import Sources, find_sources
from pynenc_pg.demo.tasks import Parsed, app, parse_file, summarise
from pynenc_pg.demo.worker import Worker
from pynenc_pg.exceptions import PynencError, ResultTimeoutError
from pynenc_pg.invocation.progress import Meter
from pynenc_pg.invocation.status import InvocationStatus
from pynenc_pg.serializer.wire import decode

if TYPE_CHECKING:
    from pynenc_pg.domain.ids import InvocationId
    from pynenc_pg.invocation.handle import Invocation

R = TypeVar("R")

#: Invocations in one registration.
BATCH = 500
#: Seconds between looks at what has ended.
LOOK_EVERY = 0.2
#: Seconds without a single end after which something must be wrong.
PATIENCE = 60.0


def run() -> None:
    """Parse Python's own source files as tasks of a worker process, and report.

    Raises:
        PynencError: the database or the worker let us down; says which and why.
        SystemExit: interrupted (130).
    """
    began = time.monotonic()
    for number in (signal.SIGINT, signal.SIGTERM):  # SIGINT: a shell's background job ignores it
        signal.signal(number, _interrupt)
    logging.getLogger("pynenc_pg").setLevel(logging.WARNING)
    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = max(console.width, 120)
    try:
        sources = find_sources()
        with database() as place:
            app.conf.postgres.dsn = place.dsn
            console.print(place.description, soft_wrap=True)
            example = _work(console, place, sources)
            report.show_commands(console, place, example)
        console.print(f"\nAll of it took {time.monotonic() - began:.1f} s.")
    except KeyboardInterrupt:
        console.print("\nInterrupted. What was not begun stays in the queue for the next run.")
        raise SystemExit(130) from None


def _work(console: Console, place: Place, sources: Sources) -> InvocationId:
    """Do all tasks and show what came of them; returns the invocation of the summary."""
    with _worker(place.dsn) as worker:
        console.print(f"worker process {worker.pid}, its log is {worker.log}", soft_wrap=True)
        left = app.state_backend.count_ready()
        if left:
            console.print(
                f"an interrupted run left {left:,} invocations; the worker does them first, "
                "so the times below include them"
            )
        console.print(f"one task for each of {sources.describe()}", soft_wrap=True)
        with Meter("parse_file", len(sources.paths), console) as meter:
            ids = _enqueue(sources.paths)
            parsed = _collect(ids, worker, meter)
        summary = summarise(parsed)
        report.show_summary(console, _result(summary, worker), sources)
        with psycopg.connect(place.dsn, autocommit=True) as connection:
            report.show_figures(console, connection, [*ids, summary.invocation_id])
    return summary.invocation_id


@contextmanager
def _worker(dsn: str) -> Iterator[Worker]:
    worker = Worker(dsn)
    failed = False
    try:
        yield worker
    except PynencError:
        failed = True
        raise
    finally:
        app.close()
        worker.stop(keep_log=failed)


def _enqueue(paths: Sequence[str]) -> list[InvocationId]:
    ids: list[InvocationId] = []
    for first in range(0, len(paths), BATCH):
        calls = [{"path": path} for path in paths[first : first + BATCH]]
        ids += [one.invocation_id for one in app.engine.submit(parse_file.definition, calls)]
    return ids


def _collect(ids: Sequence[InvocationId], worker: Worker, meter: Meter) -> list[Parsed]:
    """Wait until all have ended; returns the results of those that succeeded.

    One query asks for all that are still out.
    """
    parsed: list[Parsed] = []
    out = set(ids)
    last_end = time.monotonic()
    while out:
        found = app.state_backend.get_outcomes(list(out))
        parsed += [
            decode(outcome.value or "null", app.serializer)
            for outcome in found.values()
            if outcome.status is InvocationStatus.SUCCESS
        ]
        out.difference_update(found)
        meter.add(len(found))
        if found:
            last_end = time.monotonic()
        elif time.monotonic() - last_end > PATIENCE:
            raise PynencError(worker.complaint(f"nothing has ended for {PATIENCE:.0f} s"))
        worker.check()
        time.sleep(LOOK_EVERY if out else 0)
    return parsed


def _result(invocation: Invocation[R], worker: Worker) -> R:
    """Wait for the result as long as there is a worker to make it."""
    while True:
        try:
            return invocation.result_or_raise(timeout=1.0)
        except ResultTimeoutError:
            worker.check()


def _interrupt(_number: int, _frame: Any) -> NoReturn:
    raise KeyboardInterrupt
