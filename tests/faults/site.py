"""A queue under test: its database, its workers, a client that keeps a ledger, and the checker."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import psycopg

from pynenc_pg.domain.ids import InvocationId, new_invocation_id
from pynenc_pg.domain.records import Batch, NewInvocation
from pynenc_pg.engine.submit import call_id
from pynenc_pg.exceptions import OutcomeUnknownError
from pynenc_pg.serializer.built_in import make_serializer
from pynenc_pg.serializer.wire import encode_arguments
from tests.acceptance.workers import wait_for
from tests.faults.fleet import Fleet, Nursery
from tests.faults.settings import SLACK
from tests.support import checker
from tests.support.stopwatch import Stopwatch
from tests.support.stores import open_postgres_store

_SERIALIZER = make_serializer("JsonPickleSerializer")
#: The runs of bodies in one invocation, oldest first: process, lease, begin, end.
Run = tuple[int, int, Any, Any]


class Client:
    """Registers calls under ids of its own making, and writes down what it was answered."""

    def __init__(self, dsn: str, ledger: checker.Ledger) -> None:
        self.store = open_postgres_store(dsn, "faults", pool_size=4)
        self.ledger = ledger

    def batch(self, task: str, *calls: dict[str, Any], **options: Any) -> Batch:
        """Put a batch together; ``lane`` is a concurrency key."""
        lane = options.pop("lane", None)
        task_id = f"tests.faults.{task if '.' in task else f'tasks.{task}'}"
        texts = [encode_arguments(call, _SERIALIZER) for call in calls]
        made = [
            NewInvocation(new_invocation_id(), call_id(task_id, text), text, lane_key=lane)
            for text in texts
        ]
        if lane is not None:
            limit = (lane, options.get("slots", 1))
            self.ledger.lanes |= {one.invocation_id: limit for one in made}
        return replace(Batch(task_id=task_id, invocations=made), **options)

    def send(self, batch: Batch) -> list[InvocationId]:
        """Register; an unknown outcome is written down and raised."""
        ids = [one.invocation_id for one in batch.invocations]
        try:
            self.store.orchestrator.register(batch)
        except OutcomeUnknownError:
            self.ledger.unknown += ids
            raise
        self.ledger.acknowledged += ids
        return ids

    def close(self) -> None:
        """Close its connections."""
        self.store.close()


class Eye:
    """Looks at a database again and again, over one connection while that lasts."""

    def __init__(self, dsn: str) -> None:
        self._dsn = dsn
        self._connection: psycopg.Connection[tuple[Any, ...]] | None = None
        self._lock = threading.Lock()

    def ask(self, query: str, parameters: Sequence[object]) -> list[tuple[Any, ...]]:
        """Return what it sees; a connection that has gone with its server is replaced."""
        with self._lock:
            if self._connection is not None:
                with suppress(psycopg.OperationalError):
                    return self._connection.execute(query.encode(), parameters or None).fetchall()
                self._connection.close()
            self._connection = psycopg.connect(self._dsn, autocommit=True)
            return self._connection.execute(query.encode(), parameters or None).fetchall()

    def close(self) -> None:
        """Close it."""
        if self._connection is not None:
            self._connection.close()


class Site:
    """All of it for one test."""

    def __init__(self, dsn: str, bodies: str, nursery: Nursery, folder: Path) -> None:
        self.dsn = dsn
        self.bodies = bodies
        self.folder = folder
        self.fleet = Fleet(nursery, folder, dsn, bodies)
        self.ledger = checker.Ledger()
        self.client = Client(dsn, self.ledger)
        self._queue = Eye(dsn)
        self._side = Eye(bodies)
        self._watch = Stopwatch()

    @property
    def slack(self) -> float:
        """Seconds that are added to a promise, so far: others wait for a processor, too."""
        return SLACK + self._watch.hindered

    def call(self, task: str, *calls: dict[str, Any], **options: Any) -> list[InvocationId]:
        """Register calls of one task."""
        return self.client.send(self.client.batch(task, *calls, **options))

    def work(self, count: int, seconds: float, **options: Any) -> list[InvocationId]:
        """Register so many calls that take so long."""
        calls = [{"number": n, "seconds": seconds} for n in range(count)]
        return self.call("work", *calls, **options)

    def hold(self, count: int, gate: str = "gate", **options: Any) -> list[InvocationId]:
        """Register calls that go on until ``open_gate``."""
        calls = [{"number": n, "gate": str(self.folder / gate)} for n in range(count)]
        return self.call("hold", *calls, **options)

    def parents(self, task: str, count: int, gate: str = "gate") -> list[InvocationId]:
        """Register calls that each wait for a child, which goes on until ``open_gate``."""
        return self.call(task, *[{"gate": str(self.folder / gate)}] * count)

    def adopt(self) -> list[str]:
        """Return the calls that tasks have made; from here on the ledger knows of them."""
        query = "select invocation_id::text from pynenc.invocation where parent_id is not null"
        made = [which for (which,) in self.query(query)]
        self.ledger.acknowledged += [i for i in made if i not in self.ledger.acknowledged]
        return made

    def open_gate(self, gate: str = "gate") -> None:
        """Let those that hold go on."""
        (self.folder / gate).touch()

    def query(self, query: str, *parameters: object) -> list[tuple[Any, ...]]:
        """Look at the database."""
        return self._queue.ask(query, parameters)

    def side(self, query: str, *parameters: object) -> list[tuple[Any, ...]]:
        """Look at what task bodies have written down."""
        return self._side.ask(query, parameters)

    def runs(self, ids: Sequence[str]) -> list[Run]:
        """Return the runs of these, oldest first."""
        return self._side.ask(
            """select pid, fence, began, ended from body_run
               where invocation_id = any (%s::uuid[]) order by began""",
            (list(ids),),
        )

    def last_run(self) -> Run:
        """Return the run that began last."""
        query = "select pid, fence, began, ended from body_run order by began desc limit 1"
        [found] = self._side.ask(query, ())
        return found

    def statuses(self, ids: Sequence[str]) -> dict[str, int]:
        """Count these by status."""
        return dict(
            self.query(
                """select status::text, count(*)::int from pynenc.invocations
                   where invocation_id = any (%s::uuid[]) group by 1""",
                list(ids),
            )
        )

    def history(self, invocation_id: str) -> list[str]:
        """Return its statuses in order."""
        query = """select status::text from pynenc.invocation_history
                   where invocation_id = %s order by rev"""
        return [status for (status,) in self.query(query, invocation_id)]

    def stranded(self) -> str:
        """Return who has not ended, each with its way so far, for a failing test."""
        query = """
            select s.invocation_id, s.status, s.runner_id, s.lease, s.due_at, array_agg(
                       concat_ws(' ', h.status, h.reason, h.changed_by, h.at::time) order by h.rev)
            from pynenc.invocation_state s join pynenc.invocation_history h using (invocation_id)
            group by s.invocation_id"""
        return "\n".join(map(str, self.query(query)))

    def wait_for_runs(self, ids: Sequence[str], count: int, timeout: float = 30) -> None:
        """Wait until so many runs of these have begun."""
        wait_for(lambda: len(self.runs(ids)) >= count, self.fleet.explain, timeout)

    def wait_for_success(self, ids: Sequence[str], timeout: float = 60) -> None:
        """Wait until all of these have ended well."""
        wanted = {"success": len(ids)}
        wait_for(lambda: self.statuses(ids) == wanted, self.fleet.explain, timeout)

    def check(self) -> None:
        """Stop everybody, and have the checker look at what is left."""
        self.fleet.stop()
        self.client.close()
        wait_for(
            lambda: not checker.remains(self.dsn),
            lambda: "\n".join([*checker.remains(self.dsn), self.fleet.explain()]),
        )
        found = checker.complaints(self.dsn, self.ledger, self.bodies)
        assert not found, "\n".join([*found, self.fleet.explain()])

    def close(self) -> None:
        """End what is left of it."""
        self.fleet.close()
        self.client.close()
        self._queue.close()
        self._side.close()
