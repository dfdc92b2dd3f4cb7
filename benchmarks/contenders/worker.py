"""The whole thing at default settings: ``@app.task``, and ``pynenc-pg runner start`` processes."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING, Final

from benchmarks import crowd, measure, ours, stores, tasks
from benchmarks.held import under_snapshot
from benchmarks.stored import Stored
from benchmarks.stores import Postgres
from pynenc_pg.invocation.handle import Invocation

if TYPE_CHECKING:
    from benchmarks.children import Child
    from benchmarks.contract import Bench, Figures
    from benchmarks.measure import Ends


_STARTED: Final = """select array[count(*), count(distinct invocation_id)]
    from pynenc.invocation_history where status = 'running'"""
_SHARES: Final = "select count(*)::int from pynenc.invocation_outcome group by runner_id"
_WAITING: Final = """select count(*) from pg_stat_activity
    where datname = %s and wait_event in ('transactionid', 'tuple')"""
_DEADLOCKS: Final = "select deadlocks from pg_stat_database where datname = %s"
_PRODUCER: Final = ("-m", "benchmarks.producer")
#: It is told of each call and works never: the database cannot tell it from an idle worker.
_SLEEPER: Final = ("-m", "benchmarks.bare", "sleep")


class Client:
    """The app of this process."""

    def nothing(self) -> object:
        """Call the task that does nothing."""
        return tasks.nothing()

    def many(self, count: int) -> object:
        """Call it so often, in one round trip."""
        return tasks.app.engine.submit(tasks.nothing.definition, [{}] * count)

    def clock(self) -> Invocation[float]:
        """Call the task that tells when it began."""
        return tasks.clock()

    def began(self, call: Invocation[float]) -> float:
        """Wait for what it tells."""
        return call.result


class Worker(Stored[Client]):
    """``pynenc-pg runner start`` processes, and this process as the client."""

    NAME = "worker"

    def about(self) -> str:
        """Tell what it is."""
        return "this project at default settings"

    def store(self, bench: Bench) -> AbstractContextManager[Postgres]:
        """Make a database with the schema."""
        return stores.postgres(bench, migrated=True)

    @contextmanager
    def client(self, store: Postgres) -> Iterator[Client]:
        """Call from this process."""
        tasks.app.conf.postgres.dsn = store.dsn
        try:
            yield Client()
        finally:
            tasks.app.close()

    def environment(self, store: Postgres) -> Mapping[str, str]:
        """Tell a worker where its database is."""
        return ours.environment(store.database)

    def command(self) -> Sequence[str]:
        """Start a worker."""
        return "-m", "pynenc_pg", "--app", "benchmarks.tasks:app", "runner", "start"

    @contextmanager
    def filled(
        self, store: Postgres, client: Client, count: int, processes: int
    ) -> Iterator[tuple[list[Child], Callable[[], object]]]:
        """Queue calls while nothing is given out, and let it go at once."""
        ours.pause(store.database, paused=True)
        measure.fill(client.many, count)
        with self.workers(store, processes) as started:
            ours.wait_idle(store.database, processes)
            time.sleep(self.SETTLED)
            yield started, lambda: ours.pause(store.database, paused=False)

    def ends(self, store: Postgres) -> Ends:
        """Ask the outcomes."""
        return ours.ends(store.database)

    def check(self, store: Postgres, count: int) -> None:
        """A run in which a call was started twice, or anybody was in a deadlock, has no figures."""
        started = store.database.value(_STARTED)
        deadlocks = store.server.count(_DEADLOCKS, store.database.name)
        if started != [count, count] or deadlocks:
            message = f"of {count} calls there were {started} starts, with {deadlocks} deadlocks"
            raise RuntimeError(message)

    def producers(self, bench: Bench) -> Figures:
        """Call from many threads and coroutines of this process, and from many processes."""
        scale = bench.scale
        with self.store(bench) as store, self.client(store) as client:
            figures = crowd.threads(scale, [client.nothing] * scale.producers)
        with self.store(bench) as store, self.client(store):
            figures |= crowd.coroutines(scale, tasks.nothing.acall)
        with self.store(bench) as store:
            return figures | crowd.processes(
                scale, self.environment(store), _PRODUCER, _PRODUCER, _SLEEPER
            )

    def many(self, bench: Bench) -> Figures:
        """Work off a full queue with more processes than there are cores."""
        last: Figures = {}

        def drain(processes: int) -> float:
            rate, waiting, shares = self.watched_drain(bench, processes, _WAITING)
            last.update(crowd.shares(shares, processes))
            last["crowd_waiting"] = sum(waiting) / len(waiting)
            return rate

        return crowd.drains(bench.scale, drain) | last

    def snapshot(self, bench: Bench) -> Figures:
        """Run calls at a steady rate by the verbs, while somebody holds a snapshot open."""
        scale = bench.scale
        with self.store(bench) as store:
            return under_snapshot(store.database, scale.held, scale.held_rate).figures()

    def watched_drain(
        self, bench: Bench, processes: int, query: str
    ) -> tuple[float, list[int], list[int]]:
        """Work off a full queue.

        Return the rate, what ``query`` answered of the database's name meanwhile, and how many
        calls each process has ended.
        """
        count, seen = bench.scale.drain, list[int]()
        with self.store(bench) as store, self.client(store) as client:
            with self.filled(store, client, count, processes) as (workers, go):
                ends = crowd.watched(
                    self.ends(store), lambda: store.server.count(query, store.database.name), seen
                )
                drained = measure.timed_drain(count, workers, store.server_cpu, ends, go)
            self.check(store, count)
            shares = [found for (found,) in store.database.rows(_SHARES)]
        return drained.rate, seen, shares


CONTENDER: Final = Worker()
