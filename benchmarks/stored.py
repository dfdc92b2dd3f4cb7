"""What calls take on the disk, of contenders whose store is a database."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from benchmarks import measure
from benchmarks.library import Client, Library
from benchmarks.stores import Postgres

if TYPE_CHECKING:
    from benchmarks.contract import Bench, Figures

ClientT = TypeVar("ClientT", bound=Client)


class Stored(Library[Postgres, ClientT]):
    """One more measure."""

    def storage(self, bench: Bench) -> Figures:
        """Weigh all tables with calls in the queue, and when they have ended."""
        count = bench.scale.part(self.SHARE).drain
        with self.store(bench) as store:
            database, ends = store.database, self.ends(store)
            with self.client(store) as client:
                client.nothing()  # so that what is made once is there
                with self.workers(store) as started:
                    measure.wait(lambda: ends.count() == 1, "its end", workers=started)
                before = database.size()
                measure.fill(client.many, count)
            queued = database.size()
            with self.workers(store) as started:
                measure.wait(lambda: ends.count() > count, "the ends", workers=started)
            finished = database.size()
        return {
            "disk_queued": (queued - before) / count,
            "disk_finished": (finished - before) / count,
        }
