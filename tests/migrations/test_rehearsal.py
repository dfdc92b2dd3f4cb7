"""An upgrade as one does it: processes of the last release and of this one, under load."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import psycopg
import pytest

from pynenc_pg.postgres import deploy
from tests.migrations.last_release import REVISION as LAST
from tests.migrations.last_release import ROOT, unpack
from tests.migrations.support import HEAD, ask, wait_until

_TASKS = """
import os
import sys
import time

import psycopg

from pynenc_pg import Pynenc, PynencBuilder

app = PynencBuilder().app_id("rehearsal").postgres(os.environ["REHEARSAL_DSN"]).build()
RELEASE = os.environ["REHEARSAL_RELEASE"]


@app.task(max_retries=2, retry_for=(ValueError,))
def note(n: int) -> int:
    with psycopg.connect(os.environ["REHEARSAL_DSN"], autocommit=True) as connection:
        again = connection.execute("select count(*) from ran where n = %s", (n,)).fetchone()[0]
        connection.execute("insert into ran values (%s, %s)", (n, RELEASE))
    if n % 50 == 0 and not again:
        raise ValueError(n)
    return n


def call(first: int) -> None:
    n = first
    while not os.path.exists(sys.argv[2]):
        try:
            note(n)
        except Exception as error:
            print(f"ERROR {error!r}: trying again", file=sys.stderr, flush=True)
            time.sleep(0.1)
            continue
        print(n, flush=True)
        n += 1
        time.sleep(0.005)
"""
_CALL = "import sys, rehearsed; rehearsed.call(int(sys.argv[1]))"
_TROUBLE = re.compile(r"^.*(?:WARNING|ERROR|Traceback|PN0).*$", re.MULTILINE)
_FAR = 1_000_000


class _Process:
    """A process of one of the releases."""

    def __init__(self, folder: Path, code: Path, dsn: str, *arguments: str) -> None:
        self.log = folder / f"{time.monotonic_ns()}.log"
        self.out = folder / f"{time.monotonic_ns()}.out"
        release = "this" if code == ROOT else "last"
        environment = {"PYTHONPATH": f"{code}:{folder}", "REHEARSAL_DSN": dsn}
        with self.log.open("wb") as log, self.out.open("wb") as out:
            self.process = subprocess.Popen(
                [sys.executable, *arguments],
                cwd=folder,
                env={**os.environ, **environment, "REHEARSAL_RELEASE": release},
                stdout=out,
                stderr=log,
            )

    def stop(self) -> None:
        """SIGTERM; it ends in good order."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        assert self.process.wait(60) == 0, self.log.read_text()[-3000:]


class _Rehearsal:
    """Both releases, and what they do."""

    def __init__(self, folder: Path, last: Path, dsn: str, stack: ExitStack) -> None:
        self.folder, self.last, self.dsn, self._stack = folder, last, dsn, stack
        self.over = folder / "over"
        self.processes: list[_Process] = []

    def start(self, code: Path, *arguments: str) -> _Process:
        """Start a process of a release; it is ended with the test, however that ends."""
        one = _Process(self.folder, code, self.dsn, *arguments)
        self.processes.append(one)
        self._stack.callback(one.process.wait)
        self._stack.callback(one.process.kill)
        return one

    def worker(self, code: Path) -> _Process:
        """Start a worker."""
        return self.start(code, "-m", "pynenc_pg", "--app", "rehearsed.app", "runner", "start")

    def caller(self, code: Path, first: int) -> _Process:
        """Start what calls tasks, with numbers from the first on."""
        return self.start(code, "-c", _CALL, str(first), str(self.over))

    def ran(self, release: str) -> int:
        """How many runs of a release there were."""
        query = "select count(*) from ran where release = %s"
        return int(ask(self.dsn, query, release)[0][0])

    def goes_on(self, release: str, more: int = 100) -> None:
        """Wait until the workers of a release have run so many more."""
        enough = self.ran(release) + more
        deadline = time.monotonic() + 40
        while self.ran(release) < enough:
            assert time.monotonic() < deadline, self.explain()
            time.sleep(0.05)

    def explain(self) -> str:
        """Say what the processes said, for a failing test."""
        return "\n".join(
            f"{one.process.args!r} ({one.process.poll()}):\n{one.log.read_text()[-1500:]}"
            for one in self.processes
        )

    def watch(self, work: Callable[[], object]) -> float:
        """Do it; return the longest time in which nothing was run meanwhile."""
        with psycopg.connect(self.dsn, autocommit=True) as connection:
            connection.execute("alter table ran add column if not exists at timestamptz")
            connection.execute("alter table ran alter at set default clock_timestamp()")
            work()
            self.goes_on("last", 20)
            query = """select max(extract(epoch from gap)) from (
                           select at - lag(at) over (order by at) as gap from ran
                           where at is not null) g"""
            row = connection.execute(query.encode()).fetchone()
        assert row is not None
        return float(row[0])


@pytest.fixture
def rehearsal(empty_database_dsn: str, tmp_path: Path) -> Iterator[_Rehearsal]:
    """The last release, unpacked, with its schema."""
    last = tmp_path / "last"
    if not unpack(last):
        pytest.skip("the history of the last release is not here")
    (tmp_path / "rehearsed.py").write_text(_TASKS)
    ask(empty_database_dsn, "create table ran (n int, release text)")
    deploy.migrate(empty_database_dsn, revision=LAST)
    with ExitStack() as stack:
        yield _Rehearsal(tmp_path, last, empty_database_dsn, stack)


@pytest.mark.long
def test_a_rolling_upgrade_and_back(rehearsal: _Rehearsal) -> None:
    """Migrate, then workers, then callers; all stop, and back. Nothing is lost or runs twice."""
    one = rehearsal
    old = [one.worker(one.last) for _ in range(2)]
    callers = [one.caller(one.last, 0)]
    one.goes_on("last")
    pause = one.watch(lambda: deploy.migrate(one.dsn))
    print(f"nothing ran for {pause:.2f} s while the schema went up")  # noqa: T201 - for the docs
    new = [one.worker(ROOT) for _ in range(2)]
    one.goes_on("this")
    one.goes_on("last")
    callers.append(one.caller(ROOT, _FAR))
    old.pop().stop()
    one.goes_on("this")
    one.goes_on("last")
    for worker in new:
        worker.stop()
    one.over.touch()
    for caller in callers:
        assert caller.process.wait(60) == 0, caller.log.read_text()[-3000:]
    state = "select count(*) from pynenc.invocation_state"
    wait_until(lambda: ask(one.dsn, state) == [(0,)], 60)
    for caller in callers:  # no call has failed
        assert caller.log.read_text() == ""
    one.over.unlink()
    old.pop().stop()
    deploy.downgrade(one.dsn, revision=LAST)
    old.append(one.worker(one.last))
    callers.append(one.caller(one.last, 2 * _FAR))
    one.goes_on("last")
    one.over.touch()
    assert callers[-1].process.wait(60) == 0
    wait_until(lambda: ask(one.dsn, state) == [(0,)], 60)
    old.pop().stop()
    _check(one, callers)


def _check(one: _Rehearsal, callers: list[_Process]) -> None:
    called = {int(n) for caller in callers for n in caller.out.read_text().split()}
    runs = Counter(dict(ask(one.dsn, "select n, count(*) from ran group by n")))
    assert set(runs) == called
    assert {n for n, times in runs.items() if times != 1 + (n % 50 == 0)} == set()
    ended = "select status::text, count(*) from pynenc.invocation_outcome group by 1"
    assert ask(one.dsn, ended) == [("success", len(called))]
    assert deploy.migrate(one.dsn).current == HEAD
    assert ask(one.dsn, "select * from pynenc.broken(null, null, 5)") == []
    for process in one.processes:
        troubles = _TROUBLE.findall(process.log.read_text())
        # A claim that is under way while functions are exchanged fails, and is tried again.
        assert len(troubles) <= 2, troubles
