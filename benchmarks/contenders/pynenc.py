"""pynenc: on Redis, or in a SQLite file where there is none; ``pynenc runner start`` processes."""

from __future__ import annotations

import importlib
import os
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from pynenc.invocation.status import InvocationStatus

from benchmarks import measure, stores
from benchmarks.apps import REDIS, pynenc_app
from benchmarks.clock import ears
from benchmarks.library import Library
from benchmarks.measure import Ends
from benchmarks.stores import Redis, Sqlite

if TYPE_CHECKING:
    from benchmarks.children import Child
    from benchmarks.contract import Bench

_A_MOMENT: Final = 0.05
_COMMAND: Final = ("-m", "pynenc", "--app=benchmarks.apps.pynenc_app", "runner", "start")
#: Its tasks take the places of their functions, which the types do not show.
_TASKS: Final[Any] = pynenc_app


class _Client:
    """The tasks of a module that was loaded for one store."""

    def nothing(self) -> object:
        return _TASKS.nothing()

    def many(self, count: int) -> object:
        return _TASKS.nothing.parallelize([()] * count)

    def clock(self) -> Any:
        return _TASKS.started()

    def began(self, call: Any) -> float:
        return float(call.result)

    def waiting(self, what: str, n: int, patience: float) -> float | None:
        """Return how long a task took that waits for others; nothing if it took too long."""
        began = time.perf_counter()
        call = getattr(_TASKS, what)(n)
        while not call.status.is_final():
            if time.perf_counter() - began > patience:
                return None
            time.sleep(0.01)
        call.result  # noqa: B018 - or what it raised
        return time.perf_counter() - began

    def reactions(self, count: int) -> list[float]:
        """Return the seconds from what is watched to what it starts, of causes one by one.

        A look at the triggers has just ended when something was started: from there each cause has
        another share of the time to the next look, all of them together its whole.
        """
        self.began(self.clock())  # until a worker has told of the triggers
        self._reaction()
        between = 60 * float(_TASKS.app.conf.atomic_service_check_interval_minutes)
        found = []
        for number in range(count):
            time.sleep(max(_A_MOMENT, between * (number + 0.5) / count))
            found.append(self._reaction())
        return found

    def _reaction(self) -> float:
        number = ears().number()
        call = _TASKS.watched(number)
        started = ears().began(number)
        ended = _TASKS.app.orchestrator.get_invocation_status_record(call.invocation_id).timestamp
        return started - float(ended.timestamp())


class _Pynenc(Library[Redis | Sqlite, _Client]):
    NAME = "pynenc"
    SHARE = 40
    #: Of its runners; ``thread`` has two of them.
    runner = "process"
    #: Of its triggers, if they are measured: ``LOOKS`` of the app.
    looks: str | None = None

    def about(self) -> str:
        where = "SQLite"
        if _has_redis():
            where = f"Redis {stores.redis_version()} (pynenc-redis {version('pynenc-redis')})"
        return f"{version('pynenc')} on {where}, persistent process runner, runner_tuning()"

    def store(self, bench: Bench) -> AbstractContextManager[Redis | Sqlite]:
        return stores.redis(bench) if _has_redis() else stores.sqlite(bench)

    @contextmanager
    def client(self, store: Redis | Sqlite) -> Iterator[_Client]:
        own = self.environment(store)
        os.environ.update(own)
        try:
            # It reads its settings when it is made, and keeps what it knows of a store.
            importlib.reload(pynenc_app)
            yield _Client()
            # The history is written by threads in the background.
            _TASKS.app.state_backend.wait_for_all_async_operations()
        finally:
            for variable in own:
                os.environ.pop(variable, None)

    def environment(self, store: Redis | Sqlite) -> Mapping[str, str]:
        place = (
            {REDIS: store.url} if isinstance(store, Redis) else {pynenc_app.SQLITE: str(store.path)}
        )
        return {
            **place,
            pynenc_app.APP: f"bench_{store.name}",
            pynenc_app.RUNNER: self.runner,
            **({} if self.looks is None else {pynenc_app.LOOKS: self.looks}),
            **ears().environment,
        }

    def command(self) -> Sequence[str]:
        return _COMMAND

    @contextmanager
    def filled(
        self, store: Redis | Sqlite, client: _Client, count: int, processes: int
    ) -> Iterator[tuple[list[Child], Callable[[], object]]]:
        """Keep each worker with a task until all are up: one runs one task, and fetches no more."""
        with tempfile.TemporaryDirectory() as folder:
            opened = Path(folder) / "open"
            gates = [ears().number() for _ in range(processes)]
            for number in gates:
                _TASKS.gate(number, str(opened))
            measure.fill(client.many, count)
            with self.workers(store, processes) as started:
                for number in gates:
                    ears().began(number)
                yield started, opened.touch

    def ends(self, store: Redis | Sqlite) -> Ends:  # noqa: ARG002 - its app knows
        orchestrator, task = _TASKS.app.orchestrator, _TASKS.nothing.task_id
        success = [InvocationStatus.SUCCESS]
        return Ends(
            count=lambda: int(orchestrator.count_invocations(task, success)),
            last=lambda: max(
                orchestrator.get_invocation_status_record(invocation).timestamp.timestamp()
                for invocation in orchestrator.get_task_invocation_ids(task)
            ),
            poll=1.0,
        )


def _has_redis() -> bool:
    try:
        version("pynenc-redis")
    except PackageNotFoundError:
        return False
    return stores.redis_version() is not None


CONTENDER: Final = _Pynenc()
