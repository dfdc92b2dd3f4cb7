"""Mixed work for a while, with workers and the server dying all along; and what it cost."""

from __future__ import annotations

import random
import signal
import statistics
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import psycopg

from pynenc_pg.exceptions import OutcomeUnknownError, StoreUnavailableError
from tests.acceptance.workers import wait_for
from tests.faults.fleet import Worker
from tests.faults.server import OwnServer
from tests.faults.settings import HASTY
from tests.faults.site import Client, Site

#: Whoever dies often has bad luck here, and is not at fault.
SETTINGS: Final = HASTY | {
    "PYNENC__RUNNER__MAX_RECOVERIES": "1000",
    "PYNENC__RUNNER__SHUTDOWN_TIMEOUT": "1",
    "PYNENC__RUNNER__GRACE": "0.3",
    # Long enough for a machine that has other things to do.
    "PYNENC__RUNNER__LEASE": "2",
    "PYNENC__RUNNER__HEARTBEAT": "0.5",
    "PYNENC__RUNNER__LEASE_MARGIN": "0.5",
}
WORKERS: Final = 4  # at a time, beside the one that is left alone
#: Calls that may wait; with more, clients hold back.
BACKLOG: Final = 150


@dataclass(frozen=True, slots=True)
class Sample:
    """What is used at one moment: memory of the oldest worker, and of the server's things."""

    megabytes: float
    connections: int
    locks: int


@dataclass(slots=True)
class Soak:
    """One run over a site, on a server that may be restarted."""

    site: Site
    server: OwnServer
    seconds: float
    restarts: float  # seconds between two of the server
    seed: int
    samples: list[Sample] = field(default_factory=list)
    did: Counter[str] = field(default_factory=Counter)
    broken: list[BaseException] = field(default_factory=list)
    _over: threading.Event = field(default_factory=threading.Event)

    def run(self) -> None:
        """Go on for the given time, then let all that was accepted come to its end."""
        chance = random.Random(self.seed)
        self.site.open_gate()
        veteran = self.site.fleet.start(**SETTINGS)
        for _ in range(WORKERS):
            self.site.fleet.launch(**SETTINGS)
        client = threading.Thread(target=self._enqueue, args=(random.Random(self.seed + 1),))
        client.start()
        try:
            self._harm(chance, veteran)
        finally:
            self._over.set()
            client.join(60)
        if self.broken:
            raise self.broken[0]
        assert veteran.alive, veteran.explain()
        live = "select count(*)::int from pynenc.invocation_state"
        wait_for(lambda: self.site.query(live) == [(0,)], self.site.fleet.explain, 60)
        self._sample(veteran)
        # One that was fenced leaves its registration to the others, which are about to stop.
        registered = "select count(*)::int from pynenc.runner"
        living = sum(worker.alive for worker in self.site.fleet.workers)
        wait_for(lambda: self.site.query(registered)[0][0] <= living, self.site.fleet.explain)
        self.site.adopt()

    def figures(self) -> str:
        """Say what happened, in lines."""
        query = """
            select percentile_disc(array[0.5, 0.99, 1]) within group (order by waited)
            from (select extract(epoch from at - lag(at) over steps)::float8 as waited, status
                  from pynenc.invocation_history
                  window steps as (partition by invocation_id order by rev)) h
            where status = %s"""
        lines = [f"{len(self.site.ledger.acknowledged)} calls; {dict(self.did)}"]
        for status, what in (("pending", "waited for a worker"), ("resumed", "for a child")):
            ((found,),) = self.site.query(query, status)
            lines.append(f"{what}, seconds: p50, p99, most {found}")
        for name in ("megabytes", "connections", "locks"):
            values = [round(getattr(sample, name), 1) for sample in self.samples]
            lines.append(f"{name}: first {values[0]}, most {max(values)}, last {values[-1]}")
        lines.append(f"megabytes more, once warm: {self.growth():.1f}")
        return "\n".join(lines)

    def growth(self) -> float:
        """Return by how many megabytes the oldest worker grew, once it had warmed up."""
        used = [sample.megabytes for sample in self.samples]
        quarter = max(1, len(used) // 4)
        return statistics.median(used[-quarter:]) - statistics.median(used[quarter : 2 * quarter])

    # --- harm ---------------------------------------------------------------------------------

    def _harm(self, chance: random.Random, veteran: Worker) -> None:
        end = time.monotonic() + self.seconds
        restart_at = time.monotonic() + self.restarts
        sample_at = 0.0
        while time.monotonic() < end:
            time.sleep(chance.uniform(0.2, 1.0))
            now = time.monotonic()
            if now >= sample_at:
                self._sample(veteran)
                sample_at = now + max(1.0, self.seconds / 60)
            if now >= restart_at:
                self.did["restart of the server"] += 1
                self.server.restart(chance.choice([signal.SIGINT, signal.SIGQUIT]), 0.2)
                restart_at = time.monotonic() + self.restarts
                continue
            harm = chance.choices([self._kill, self._ask, self._insist, self._freeze], [5, 3, 1, 1])
            harm[0](self._one(chance, veteran), chance)
            self._replace()

    def _one(self, chance: random.Random, veteran: Worker) -> Worker:
        living = [w for w in self.site.fleet.workers if w.alive and w is not veteran]
        return chance.choice(living)

    def _replace(self) -> None:
        for _ in range(WORKERS + 1 - sum(w.alive for w in self.site.fleet.workers)):
            self.site.fleet.launch(**SETTINGS)

    def _kill(self, worker: Worker, _: random.Random) -> None:
        self.did["kill"] += 1
        worker.kill()

    def _ask(self, worker: Worker, _: random.Random) -> None:
        self.did["stop"] += 1
        worker.stop()

    def _insist(self, worker: Worker, _: random.Random) -> None:
        self.did["stop at once"] += 1
        worker.signal(signal.SIGTERM)
        time.sleep(0.1)
        worker.stop()

    def _freeze(self, worker: Worker, chance: random.Random) -> None:
        self.did["freeze"] += 1
        self.site.ledger.frozen.add(worker.pid)
        worker.signal(signal.SIGSTOP)
        time.sleep(chance.uniform(1, 3))  # shorter and longer than a lease
        worker.signal(signal.SIGCONT)

    # --- work ---------------------------------------------------------------------------------

    def _enqueue(self, chance: random.Random) -> None:
        client = Client(self.site.dsn, self.site.ledger)
        number = 0
        try:
            while not self._over.wait(chance.uniform(0.02, 0.1)):
                number += 1
                try:
                    if self._waiting() < BACKLOG:
                        self._call(client, chance, number)
                except (StoreUnavailableError, OutcomeUnknownError):
                    self.did["unavailable"] += 1
        except BaseException as error:  # noqa: BLE001 - shown by the thread that waits for us
            self.broken.append(error)
        finally:
            client.close()

    def _waiting(self) -> int:
        try:
            return int(self.site.query("select count(*) from pynenc.invocation_state")[0][0])
        except psycopg.OperationalError:
            return BACKLOG

    def _call(self, client: Client, chance: random.Random, number: int) -> None:
        """Make one of the many kinds of calls."""

        def send(task: str, count: int, arguments: dict[str, object], **options: object) -> None:
            client.send(client.batch(task, *[arguments] * count, **options))

        key = chance.randrange(5)
        mark, gate = str(self.site.folder / f"mark-{number}"), str(self.site.folder / "gate")
        kinds: list[Callable[[], None]] = [
            lambda: send("work", 3, {"number": number, "seconds": 0.0}),
            lambda: send("work", 1, {"number": number, "seconds": chance.uniform(0.3, 1.5)}),
            lambda: send("work", 2, {"number": number, "seconds": 0.1}, delay=chance.uniform(0, 2)),
            lambda: send("fail_once", 1, {"mark": mark}),
            lambda: send("parent", 1, {"gate": gate}),
            lambda: send(
                "work", 2, {"number": 0, "seconds": 0.1}, lane=f"key-{key}", slots=1 + key % 3
            ),
        ]
        chance.choice(kinds)()

    def _sample(self, veteran: Worker) -> None:
        pages = int(Path(f"/proc/{veteran.pid}/statm").read_text().split()[1])
        ((connections, locks),) = self.site.query(
            """select (select count(*) from pg_stat_activity where application_name like 'pynenc%'),
                      (select count(*) from pg_locks where locktype = 'advisory')"""
        )
        self.samples.append(Sample(pages * 4096 / 1e6, connections, locks))
