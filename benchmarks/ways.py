"""``python -m benchmarks.ways``: workers and clients near the database, far from it, and pooled.

Directly over a socket file; over a way that takes 10 ms in each direction; through PgBouncer in
transaction mode with 20 sessions, with and without ``direct_dsn`` round it.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from rich.console import Console
from rich.table import Table

from benchmarks import measure, tasks
from benchmarks.children import children, hear
from benchmarks.contenders.worker import Client, Worker
from benchmarks.contract import Bench, Figures, Scale
from benchmarks.server import embedded
from pynenc_pg.postgres.embedded.account import server_account

if TYPE_CHECKING:
    from benchmarks.stores import Postgres

_FAR: Final = 0.01  # seconds in each direction
_POOL: Final = 20
#: Distributions put it where an ordinary user's PATH does not look.
_PROGRAM: Final = shutil.which("pgbouncer", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
_PORT: Final = 6432
_SETTINGS: Final = """
[databases]
* = {target}
[pgbouncer]
listen_port = {port}
unix_socket_dir = {folder}
auth_type = any
pool_mode = transaction
default_pool_size = {size}
max_client_conn = 500
log_connections = 0
log_disconnections = 0
"""
_SESSIONS: Final = """select count(*) from pg_stat_activity
    where datname = %s and application_name like 'pynenc%%'"""


@dataclass(frozen=True, slots=True)
class Dsns:
    """How the database is reached; ``direct`` is the way round a pooler."""

    dsn: str
    direct: str | None = None


class Way(Worker):
    """The whole thing over one of them."""

    def __init__(self, name: str, open_way: Callable[[str], AbstractContextManager[Dsns]]) -> None:
        """``open_way`` is given the DSN of the database."""
        self.name = name
        self._open_way = open_way
        self._dsns = Dsns("")

    @contextmanager
    def store(self, bench: Bench) -> Iterator[Postgres]:
        """Make a database and the way to it."""
        with super().store(bench) as store, self._open_way(store.dsn) as self._dsns:
            yield store

    @contextmanager
    def client(self, store: Postgres) -> Iterator[Client]:
        """Call over it."""
        with super().client(store) as client:
            conf = tasks.app.conf.postgres
            conf.dsn, conf.direct_dsn = self._dsns.dsn, self._dsns.direct
            try:
                yield client
            finally:
                conf.direct_dsn = None

    def environment(self, store: Postgres) -> Mapping[str, str]:  # noqa: ARG002 - it is reached otherwise
        """Have workers take it, too."""
        found = {"PYNENC__POSTGRES__DSN": self._dsns.dsn}
        if self._dsns.direct is not None:
            found["PYNENC__POSTGRES__DIRECT_DSN"] = self._dsns.direct
        return found

    def drained(self, bench: Bench, processes: int) -> Figures:
        """Work off a full queue; tell the rate, and how many sessions the server had at most."""
        rate, sessions, _ = self.watched_drain(bench, processes, _SESSIONS)
        return {f"drain_{processes}": rate, f"sessions_{processes}": max(sessions)}


@contextmanager
def near(dsn: str) -> Iterator[Dsns]:
    """Go there directly."""
    yield Dsns(dsn)


@contextmanager
def far(dsn: str) -> Iterator[Dsns]:
    """Go a long way."""
    parts = conninfo_to_dict(dsn)
    path = f"{parts['host']}/.s.PGSQL.{parts.get('port', 5432)}"
    command = ("-m", "benchmarks.distance", path, str(_FAR))
    with children({}, command, talk=True) as (carrier,):
        port = hear(carrier, "ready")
        yield Dsns(make_conninfo(dsn, host="127.0.0.1", port=port))


@contextmanager
def pooled(dsn: str) -> Iterator[Dsns]:
    """Go through PgBouncer, and round it with what needs a session of its own."""
    with pooled_alone(dsn) as behind:
        yield Dsns(behind.dsn, dsn)


@contextmanager
def pooled_alone(dsn: str) -> Iterator[Dsns]:
    """Go through PgBouncer with everything."""
    account, parts = server_account(), conninfo_to_dict(dsn)
    target = " ".join(f"{key}={parts[key]}" for key in ("host", "port", "user") if parts.get(key))
    folder = Path(tempfile.mkdtemp(prefix="pynenc-ways-"))
    settings = folder / "pgbouncer.ini"
    settings.write_text(
        _SETTINGS.format(target=target, port=_PORT, folder=folder, size=_POOL), encoding="utf-8"
    )
    if account is not None:  # it refuses to run as root
        for path in (settings, folder):
            os.chown(path, account.uid, account.gid)
    folder.chmod(0o711)
    process = subprocess.Popen(
        [str(_PROGRAM), str(settings)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        cwd="/",
        user=account.uid if account else None,
        group=account.gid if account else None,
        extra_groups=[] if account else None,
    )
    behind = make_conninfo(dsn, host=str(folder), port=_PORT)
    try:
        measure.wait(lambda: _answers(behind), "PgBouncer", poll=0.05)
        yield Dsns(behind)
    finally:
        process.kill()
        process.wait()
        shutil.rmtree(folder, ignore_errors=True)


def _answers(dsn: str) -> bool:
    with suppress(psycopg.OperationalError):
        psycopg.connect(dsn, connect_timeout=5).close()
        return True
    return False


WAYS: Final = {
    "near": near,
    "far": far,
    "pooled": pooled,
    "pooled-alone": pooled_alone,
}


def main(arguments: list[str] | None = None) -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.ways", description=__doc__)
    parser.add_argument("--calls", type=int, default=20_000, help="in bulk, and to work off")
    parser.add_argument("--single", type=int, default=500, help="one by one, and chained: a fifth")
    parser.add_argument("--processes", type=int, nargs="*", default=[2, 32])
    parser.add_argument("--ways", nargs="+", choices=list(WAYS), default=list(WAYS))
    asked = parser.parse_args(arguments)
    console = Console(width=110)
    gentle, chained = max(5, asked.single // 10), max(5, asked.single // 5)
    scale = Scale(
        single=asked.single, bulk=asked.calls, drain=asked.calls, gentle=gentle, chained=chained
    )
    found: dict[str, Figures] = {}
    with embedded(Path(tempfile.gettempdir())) as server:
        bench = Bench(scale, server)
        for name in asked.ways:
            if name.startswith("pooled") and _PROGRAM is None:
                console.print(f"{name}: left out, there is no pgbouncer")
                continue
            way = Way(name, WAYS[name])
            found[name] = way.enqueue(bench) | way.pick_up(bench)
            for processes in asked.processes:
                found[name] |= way.drained(bench, processes)
    console.print(_table(found))


def _table(found: Mapping[str, Figures]) -> Table:
    made = Table("", *found)
    for row in next(iter(found.values())):
        values = [figures[row] for figures in found.values()]
        made.add_row(row, *[f"{each:,.0f}" if each >= 100 else f"{each:.3g}" for each in values])  # noqa: PLR2004
    return made


if __name__ == "__main__":
    main()
