"""A contender made of bare loops: what a session can do, without any Python task layer."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, ClassVar, Final, Protocol

from benchmarks import crowd, measure, ours
from benchmarks.children import children, hear, last_done, let
from benchmarks.measure import Ends

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager
    from typing import Any

    from benchmarks.contract import Bench, Figures
    from benchmarks.loops import Verbs
    from benchmarks.measure import Drained
    from benchmarks.server import Database

_SMALL: Final = 100
_LARGE: Final = 500


class Caller(Protocol):
    """Calls, and waits for what is told of the ends."""

    def send(self) -> Any:
        """Call."""
        ...

    def began(self, call: Any) -> float:
        """Wait for the end of a call, and return when it was started."""
        ...

    def close(self) -> None:
        """Leave."""
        ...


class FromLoops(ABC):
    """What is left open is what differs between the guarded and the unguarded one."""

    NAME: str
    #: What its processes run: ``benchmarks.loops`` with its verbs.
    MODULE: ClassVar[str]

    @abstractmethod
    def about(self) -> str:
        """Tell what it is."""

    @abstractmethod
    def database(self, bench: Bench) -> AbstractContextManager[Database]:
        """Make a database with its tables."""

    @abstractmethod
    def verbs(self, database: Database) -> Verbs:
        """Open a session."""

    @abstractmethod
    def caller(self, database: Database) -> Caller:
        """Open what calls and waits."""

    @contextmanager
    def held(self, database: Database) -> Iterator[Callable[[], None]]:  # noqa: ARG002 - some need it
        """Keep workers from what is queued until they are let."""
        yield lambda: None

    def command(self, *arguments: str) -> tuple[str, ...]:
        """``python`` with these is a process of it."""
        return "-m", self.MODULE, *arguments

    def enqueue(self, bench: Bench) -> Figures:
        """One call a transaction, and a thousand."""
        scale = bench.scale
        size = min(measure.BULK, scale.bulk)
        return {
            "enqueue_single": self._register(bench, scale.single, 1),
            "enqueue_bulk": self._register(bench, scale.bulk // size, size) * size,
        }

    def _register(self, bench: Bench, times: int, size: int) -> float:
        with self.database(bench) as database, closing(self.verbs(database)) as verbs:
            verbs.register(size)
            return measure.rate(times, lambda: [verbs.register(size) for _ in range(times)])

    def drain(self, bench: Bench) -> Figures:
        """Take and end, and again."""
        small, large = self._drain(bench, 1, _SMALL), self._drain(bench, 1, _LARGE)
        best = max(small, large, key=lambda drained: drained.rate)
        return {
            "drain_100": small.rate,
            "drain_500": large.rate,
            "drain_1": best.rate,
            "drain_2": self._drain(bench, 2).rate,
            **best.cost(bench.scale.drain),
        }

    def many(self, bench: Bench) -> Figures:
        """Do so in more processes than there are cores."""
        return crowd.drains(bench.scale, lambda processes: self._drain(bench, processes).rate)

    def _drain(self, bench: Bench, processes: int, batch: int = _LARGE) -> Drained:
        count = bench.scale.drain
        with self.database(bench) as database, self.held(database) as free:
            with closing(self.verbs(database)) as verbs:
                measure.fill(verbs.register, count)
            arguments = self.command("drain", str(batch))
            with children(ours.environment(database), arguments, processes, talk=True) as started:
                ended: list[float] = []

                def wait() -> int:
                    ended.append(last_done(started))
                    return count

                def go() -> None:
                    free()
                    let(started)

                for child in started:
                    hear(child, "ready")
                ends = Ends(wait, lambda: ended[-1])
                return measure.timed_drain(count, started, database.server_cpu, ends, go)

    def producers(self, bench: Bench) -> Figures:
        """Register from many threads, each with a session of its own, and from many processes."""
        with self.database(bench) as database:
            sessions = [self.verbs(database) for _ in range(bench.scale.producers)]
            figures = crowd.threads(bench.scale, [session.register for session in sessions])
            for session in sessions:
                session.close()
        with self.database(bench) as database:
            given = ours.environment(database)
            quiet, telling = self.command("enqueue"), self.command("call")
            return figures | crowd.processes(
                bench.scale, given, quiet, telling, self.command("sleep")
            )

    def pick_up(self, bench: Bench) -> Figures:
        """One process that listens, takes and ends; one that calls and waits."""
        with self.database(bench) as database:
            given = ours.environment(database)
            with children(given, self.command("serve"), talk=True) as (child,):
                hear(child, "ready")
                with closing(self.caller(database)) as caller:
                    return measure.latencies(bench.scale, caller.send, caller.began)
