"""A task queue as its users run it: a store, calls from one process, worker processes."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Protocol, TypeVar

from benchmarks import measure
from benchmarks.children import Child, children

if TYPE_CHECKING:
    from benchmarks.contract import Bench, Figures
    from benchmarks.measure import Drained, Ends


class Store(Protocol):
    """Where calls are kept: something of the measure's own, with nothing in it."""

    def server_cpu(self) -> float | None:
        """Seconds the server has used so far, if there is one."""
        ...

    def undisturbed(self) -> AbstractContextManager[Callable[[], int] | None]:
        """Leave it to the worker; give what counts the statements executed so far, if known."""
        ...


class Client(Protocol):
    """The process that calls tasks."""

    def nothing(self) -> object:
        """Call the task that does nothing."""
        ...

    def many(self, count: int) -> object:
        """Call it many times at once."""
        ...

    def clock(self) -> Any:
        """Call the task that tells when it was started."""
        ...

    def began(self, call: Any) -> float:
        """Wait for what it tells."""
        ...


StoreT = TypeVar("StoreT", bound=Store)
ClientT = TypeVar("ClientT", bound=Client)


class Library(ABC, Generic[StoreT, ClientT]):
    """A contender made of these; what is left open is what differs from one to another."""

    NAME: str
    #: Calls to accept and work off are divided by this, where so many would take too long.
    SHARE: ClassVar[int] = 1
    #: And calls one after the other by this, where each has a long wait.
    SLOW: ClassVar[int] = 1
    #: Whether many calls in one are cheaper than one by one.
    BULK: ClassVar[bool] = True
    #: Seconds a worker needs after its first look at the queue until it has settled.
    SETTLED: ClassVar[float] = 2.0

    @abstractmethod
    def about(self) -> str:
        """Tell its version, where it keeps its data, and what is not at its default."""

    @abstractmethod
    def store(self, bench: Bench) -> AbstractContextManager[StoreT]:
        """Make a store."""

    @abstractmethod
    def client(self, store: StoreT) -> AbstractContextManager[ClientT]:
        """Begin to call."""

    @abstractmethod
    def environment(self, store: StoreT) -> Mapping[str, str]:
        """What tells worker processes where the store is."""

    @abstractmethod
    def command(self) -> Sequence[str]:
        """What starts a worker process: ``python`` with these."""

    @abstractmethod
    def filled(
        self, store: StoreT, client: ClientT, count: int, processes: int
    ) -> AbstractContextManager[tuple[Sequence[Child], Callable[[], object]]]:
        """Queue ``count`` calls that workers, which are up, are kept from; and what lets them."""

    @abstractmethod
    def ends(self, store: StoreT) -> Ends:
        """Tell where ends are noted."""

    def ended(self, client: ClientT) -> Callable[[Any], object] | None:  # noqa: ARG002 - some need it
        """Return what waits for the end of a call, where that has no result to wait for."""
        return None

    def check(self, store: StoreT, count: int) -> None:
        """Look whether all went as promised when ``count`` calls were worked off."""

    def workers(self, store: StoreT, count: int = 1) -> AbstractContextManager[list[Child]]:
        """Run worker processes."""
        return children(self.environment(store), self.command(), count)

    def enqueue(self, bench: Bench) -> Figures:
        """One call at a time, and many in one."""
        scale = bench.scale.part(self.SHARE)
        with self.store(bench) as store, self.client(store) as client:
            client.nothing()
            single = measure.rate(
                scale.single, lambda: [client.nothing() for _ in range(scale.single)]
            )
        if not self.BULK:
            return {"enqueue_single": single}
        with self.store(bench) as store, self.client(store) as client:
            client.many(min(measure.BULK, scale.bulk))
            bulk = measure.rate(scale.bulk, lambda: measure.fill(client.many, scale.bulk))
        return {"enqueue_single": single, "enqueue_bulk": bulk}

    def drain(self, bench: Bench) -> Figures:
        """Worker processes that are up get a full queue."""
        count = bench.scale.part(self.SHARE).drain
        one = self._drain(bench, count, 1)
        return {
            "drain_1": one.rate,
            "drain_2": self._drain(bench, count, 2).rate,
            **one.cost(count),
        }

    def _drain(self, bench: Bench, count: int, processes: int) -> Drained:
        with self.store(bench) as store, self.client(store) as client:
            with self.filled(store, client, count, processes) as (workers, go):
                ends = self.ends(store)
                drained = measure.timed_drain(count, workers, store.server_cpu, ends, go)
            self.check(store, count)
            return drained

    def pick_up(self, bench: Bench) -> Figures:
        """Call one idle worker process."""
        with (
            self.store(bench) as store,
            self.client(store) as client,
            self.workers(store),
        ):
            self._up(client)
            scale = bench.scale.slower(self.SLOW)
            return measure.latencies(scale, client.clock, client.began, self.ended(client))

    def idle(self, bench: Bench) -> Figures:
        """Leave one worker process alone with its store."""
        with self.store(bench) as store, self.workers(store) as (worker,):
            with self.client(store) as client:
                self._up(client)
            with store.undisturbed() as statements:
                return measure.idle_cost(bench.scale, worker, statements)

    def _up(self, client: ClientT) -> None:
        """Wait until a worker has done something, and then has nothing to do any more."""
        client.began(client.clock())
        time.sleep(self.SETTLED)
