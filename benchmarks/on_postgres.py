"""What the other task queues on PostgreSQL have in common: no results, and no way to hold work."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, ClassVar, Final, TypeVar

from benchmarks import measure, stores
from benchmarks.clock import ears
from benchmarks.stored import Stored
from benchmarks.stores import Postgres

if TYPE_CHECKING:
    from benchmarks.children import Child
    from benchmarks.contract import Bench
    from benchmarks.measure import Ends

_BLOCKED: Final = """select count(distinct application_name) from pg_stat_activity
    where datname = %s and wait_event_type = 'Lock'"""
_LOOK_AGAIN: Final = 0.002


class Telling(ABC):
    """A client whose task tells by a datagram when it was started."""

    def __init__(self, ends: Ends) -> None:
        """Know where ends are noted, and that there are none yet."""
        self._ends = ends
        self._called = 0

    @abstractmethod
    def nothing(self) -> object:
        """Call the task that does nothing."""

    @abstractmethod
    def many(self, count: int) -> object:
        """Call it many times at once."""

    @abstractmethod
    def tell(self, number: int) -> object:
        """Call the task that tells."""

    def clock(self) -> int:
        """Call the task that tells when it was started; return the number of the call."""
        number = ears().number()
        self.tell(number)
        self._called += 1
        return number

    def began(self, call: int) -> float:
        """Wait for what it tells."""
        return ears().began(call)

    def ended(self, _call: int) -> None:
        """Wait until as many ends are noted as calls were made."""
        what = f"{self._called} ends"
        measure.wait(lambda: self._ends.count() >= self._called, what, poll=_LOOK_AGAIN)


ClientT = TypeVar("ClientT", bound=Telling)


class OnPostgres(Stored[ClientT]):
    """Its tables are in a database of its own."""

    #: Where workers fetch jobs from.
    TABLE: ClassVar[str]
    #: The table where the end of a job is noted, the column that says when, and what rows do so.
    ENDS: ClassVar[tuple[str, str, str]]

    @abstractmethod
    def install(self, store: Postgres) -> None:
        """Make the tables."""

    @contextmanager
    def store(self, bench: Bench) -> Iterator[Postgres]:
        """Make a database with its tables."""
        with stores.postgres(bench, migrated=False) as store:
            self.install(store)
            yield store

    def environment(self, store: Postgres) -> Mapping[str, str]:
        """The database, and where to tell."""
        return {**store.environment, **ears().environment}

    @contextmanager
    def filled(
        self, store: Postgres, client: ClientT, count: int, processes: int
    ) -> Iterator[tuple[list[Child], Callable[[], object]]]:
        """Lock the table: workers are up when each of them waits for it with its first fetch."""
        measure.fill(client.many, count)
        with ExitStack() as lock:
            lock.enter_context(store.database.locked(self.TABLE))
            with self.workers(store, processes) as started:
                measure.wait(
                    lambda: store.server.count(_BLOCKED, store.database.name) == processes,
                    f"{processes} workers at the lock",
                    workers=started,
                )
                yield started, lock.close

    def ends(self, store: Postgres) -> Ends:
        """Ask its table."""
        return store.database.ends(*self.ENDS)

    def ended(self, client: ClientT) -> Callable[[int], object]:
        """Look for the end."""
        return client.ended
