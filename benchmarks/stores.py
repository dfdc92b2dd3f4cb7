"""Stores: a database on the PostgreSQL of the run, a Redis of its own, a SQLite file."""

from __future__ import annotations

import shutil
import socket
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext, suppress
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from psycopg.conninfo import conninfo_to_dict

from benchmarks import cpu
from benchmarks.measure import wait

if TYPE_CHECKING:
    from benchmarks.contract import Bench
    from benchmarks.server import Database, Server

_HERE: Final = "127.0.0.1"
REDIS: Final = "redis-server"
#: What Redis advises for data one wants to keep, and nothing else: each command is written to a
#: file, and that is forced to the disk every second. Up to a second can be lost; PostgreSQL loses
#: nothing. Not "always", which no task queue on Redis documents.
_DURABLE: Final = ("--appendonly", "yes", "--appendfsync", "everysec", "--save", "")

_VARIABLES: Final = {
    "host": "PGHOST",
    "port": "PGPORT",
    "user": "PGUSER",
    "password": "PGPASSWORD",
    "dbname": "PGDATABASE",
}


@dataclass(frozen=True, slots=True)
class Postgres:
    """A database."""

    server: Server
    database: Database

    @property
    def dsn(self) -> str:
        """Of the database."""
        return self.database.dsn

    @property
    def environment(self) -> dict[str, str]:
        """The database as the variables that libpq and other drivers read."""
        parts = conninfo_to_dict(self.dsn)
        return {
            variable: str(parts[part]) for part, variable in _VARIABLES.items() if parts.get(part)
        }

    def server_cpu(self) -> float | None:
        """Without the measurer's session."""
        return self.database.server_cpu()

    @contextmanager
    def undisturbed(self) -> Iterator[Callable[[], int]]:
        """Count transactions: outside of ``begin`` a statement is one."""
        self.database.close()
        with self.server.no_autovacuum():
            yield lambda: self.server.commits(self.database)


@contextmanager
def postgres(bench: Bench, *, migrated: bool) -> Iterator[Postgres]:
    """Make a database, with our schema or with nothing."""
    with bench.server.fresh(migrated=migrated) as database:
        yield Postgres(bench.server, database)


@dataclass(frozen=True, slots=True)
class Redis:
    """A Redis server."""

    name: str  # that no other has
    url: str
    process: subprocess.Popen[bytes]
    client: Any

    def server_cpu(self) -> float | None:
        """With the processes that rewrite its file."""
        return cpu.of_tree(self.process.pid)

    def undisturbed(self) -> AbstractContextManager[Callable[[], int]]:
        """Count commands."""
        asked = count()
        # A command is counted when it is done, so each question is in the answer to the next one.
        return nullcontext(
            lambda: int(self.client.info("stats")["total_commands_processed"]) - next(asked)
        )


@contextmanager
def redis(bench: Bench) -> Iterator[Redis]:
    """Run an empty Redis on a loopback port; end it and remove its data.

    Not on a socket: pynenc-redis cannot use one.
    """
    from redis import Redis as Connection  # noqa: PLC0415 - only there with a peer that needs it
    from redis.exceptions import ConnectionError as Refused  # noqa: PLC0415

    with ExitStack() as stack:
        home = Path(stack.enter_context(tempfile.TemporaryDirectory(dir=bench.folder)))
        log = stack.enter_context((home / "log").open("wb"))
        port = _free_port()
        address = ("--bind", _HERE, "--port", str(port), "--dir", str(home))
        process = subprocess.Popen(
            [REDIS, *address, *_DURABLE], stdout=log, stderr=log, start_new_session=True
        )
        stack.callback(_end, process)
        client = Connection(host=_HERE, port=port)
        stack.callback(client.close)

        def answers() -> bool:
            with suppress(Refused):
                return bool(client.ping())
            return False

        wait(answers, "Redis", poll=0.02)
        yield Redis(home.name, f"redis://{_HERE}:{port}/0", process, client)


def _free_port() -> int:
    with socket.socket() as asked:
        asked.bind((_HERE, 0))
        return int(asked.getsockname()[1])


def redis_version() -> str | None:
    """Return the version of the Redis server on the PATH, if there is one."""
    if shutil.which(REDIS) is None:
        return None
    done = subprocess.run([REDIS, "--version"], capture_output=True, text=True, check=True)
    return next(word[2:] for word in done.stdout.split() if word.startswith("v="))


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(20)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


@dataclass(frozen=True, slots=True)
class Sqlite:
    """A file: the server is whoever opens it."""

    name: str  # that no other has
    path: Path

    def server_cpu(self) -> float | None:
        """Nothing to tell."""
        return None

    def undisturbed(self) -> AbstractContextManager[None]:
        """Nothing that counts statements."""
        return nullcontext()


@contextmanager
def sqlite(bench: Bench) -> Iterator[Sqlite]:
    """Make a place for a file."""
    with tempfile.TemporaryDirectory(dir=bench.folder, prefix="sqlite-") as folder:
        yield Sqlite(Path(folder).name, Path(folder) / "bench.db")
