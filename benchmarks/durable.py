"""Who runs workflows: this project, and DBOS, each in one process with a database of its own."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from typing import Final, Protocol

from benchmarks import ours
from benchmarks.apps import workflow_app
from benchmarks.children import Child, children, hear, tell
from benchmarks.server import Database, Server

_PATIENCE: Final = 300.0


@dataclass(frozen=True, slots=True)
class Span:
    """From before the first to after the last step of a run, by the clock of its process."""

    began: float
    ended: float
    called: int  # steps that were not read back

    @property
    def seconds(self) -> float:
        """How long that is."""
        return self.ended - self.began


class Runs(Protocol):
    """A process that runs workflows."""

    database: Database

    def steps(self, count: int, many: int = 1) -> list[Span]:
        """Run so many at once, of so many steps that do nothing."""
        ...

    def replay(self, count: int) -> Span:
        """Run one whose first ``count`` steps are recorded, and one more that is not."""
        ...


class Ours:
    """``pynenc-pg runner start``, called from the measurer's process."""

    def __init__(self, database: Database) -> None:
        """Its database has our schema."""
        self.database = database

    def steps(self, count: int, many: int = 1) -> list[Span]:
        """See ``Runs``."""
        with client(self.database):
            calls = workflow_app.steps.parallelize([(count,)] * many)
            return [_span(result) for result in calls.results]

    def randoms(self, count: int, many: int = 1) -> list[Span]:
        """Do the same with ``wf.random()``."""
        with client(self.database):
            calls = workflow_app.randoms.parallelize([(count,)] * many)
            return [_span(result) for result in calls.results]

    def replay(self, count: int) -> Span:
        """See ``Runs``: a fork has the steps before one."""
        with client(self.database):
            whole = workflow_app.steps(count + 1)
            whole.result_or_raise(_PATIENCE)
            run = workflow_app.app.get_workflow(whole.invocation_id)
            return _span(run.fork(str(count + 1)).result_or_raise(_PATIENCE))


class Dbos:
    """``benchmarks.apps.dbos_app``, which starts the workflows itself."""

    def __init__(self, database: Database, process: Child) -> None:
        """It is up."""
        self.database = database
        self._process = process

    def steps(self, count: int, many: int = 1) -> list[Span]:
        """See ``Runs``."""
        return self._asked(f"run {count} {many}")

    def replay(self, count: int) -> Span:
        """See ``Runs``."""
        [span] = self._asked(f"replay {count}")
        return span

    def _asked(self, line: str) -> list[Span]:
        tell(self._process, line)
        assert self._process.stdout is not None  # noqa: S101 - children() made it so
        answer = self._process.stdout.readline()
        if not answer:
            message = f"the process of DBOS ended when it was told {line!r}"
            raise RuntimeError(message)
        return [_span(found) for found in json.loads(answer)]


@contextmanager
def client(database: Database) -> Iterator[None]:
    """Call workflows of ours from this process."""
    workflow_app.app.conf.postgres.dsn = database.dsn
    try:
        yield
    finally:
        workflow_app.app.close()


def worker(
    database: Database, concurrency: int, connections: int | None = None
) -> AbstractContextManager[list[Child]]:
    """Run one worker process of ours, with as many connections for its calls as by default."""
    command = ("-m", "pynenc_pg", "--app", "benchmarks.apps.workflow_app", "runner", "start")
    environment = ours.environment(database)
    if connections is not None:
        environment["PYNENC__POSTGRES__POOL_SIZE"] = str(connections)
    return children(environment, (*command, "--concurrency", str(concurrency)))


@contextmanager
def run_ours(server: Server, concurrency: int, connections: int | None = None) -> Iterator[Ours]:
    """Make a database and a worker process."""
    with server.fresh() as database, worker(database, concurrency, connections):
        ours.wait_idle(database, 1)
        yield Ours(database)


@contextmanager
def run_dbos(server: Server, *, pings: bool = True) -> Iterator[Dbos]:
    """Make a database, in which DBOS makes its schema, and its process."""
    from benchmarks.apps import dbos_app  # noqa: PLC0415 - only where it is installed

    command = ("-m", "benchmarks.apps.dbos_app")
    with server.fresh(migrated=False) as database:
        environment = {dbos_app.URL: database.url, dbos_app.PINGS: "yes" if pings else ""}
        with children(environment, command, talk=True) as (process,):
            hear(process, "ready")
            yield Dbos(database, process)


def about_dbos() -> str:
    """Tell how it is set."""
    return f"{version('dbos')} on the same PostgreSQL, default settings"


def _span(found: Sequence[float]) -> Span:
    began, ended, called = found
    return Span(began, ended, int(called))
