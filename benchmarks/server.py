"""A PostgreSQL of the run's own, durable, and empty databases on it."""

from __future__ import annotations

import os
import shutil
import statistics
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any, Final

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from benchmarks import cpu
from benchmarks.measure import Ends
from pynenc_pg.postgres import deploy
from pynenc_pg.postgres.embedded import EmbeddedPostgres

_GONE_WITHIN: Final = 20.0
_SYNCS: Final = 50


class Database:
    """One database, and a session of the measurer's own in it."""

    def __init__(self, dsn: str) -> None:
        """Connect. The session never uses parallel workers, so its cost is its own."""
        self.dsn = dsn
        self.name = str(conninfo_to_dict(dsn)["dbname"])
        self._session = psycopg.connect(dsn, autocommit=True)
        self._session.execute("set max_parallel_workers_per_gather = 0")
        self.backend = self._session.info.backend_pid
        self.postmaster = cpu.parent(self.backend)

    @contextmanager
    def locked(self, table: str) -> Iterator[None]:
        """Let nobody else read or write a table."""
        with self._session.transaction():
            self._session.execute(f"lock table {table} in access exclusive mode".encode())
            yield

    def value(self, query: str, *parameters: object) -> Any:
        """Run a query and return the first column of its first row."""
        row = self._session.execute(query.encode(), parameters or None).fetchone()
        return row[0] if row else None

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        """Run a query and return all its rows."""
        return self._session.execute(query.encode()).fetchall()

    def do(self, command: str) -> None:
        """Run what has no answer."""
        self._session.execute(command.encode())

    def ends(self, table: str, at: str, condition: str = "true") -> Ends:
        """Make what counts the rows that note an end, and tells when the last one was."""
        found = f"from {table} where {condition}"
        latest = f"select extract(epoch from max({at})) {found}"  # noqa: S608 - our own words
        return Ends(
            count=lambda: int(self.value(f"select count(*) {found}")),
            last=lambda: float(self.value(latest)),
        )

    def server_cpu(self) -> float | None:
        """Seconds the whole server has used so far, without this session."""
        return cpu.of_tree(self.postmaster, without=self.backend)

    def close(self) -> None:
        """Leave; harmless twice."""
        self._session.close()


class Server:
    """A server that belongs to the run: it makes checkpoints and changes settings."""

    def __init__(self, dsn: str) -> None:
        """Connect as superuser and make the template of all databases."""
        self._dsn = dsn
        self._numbers = count()
        self.name = f"bench_{os.getpid()}"
        self.admin = psycopg.connect(dsn, autocommit=True)
        self._create(self.name, "template1")
        deploy.migrate(make_conninfo(dsn, dbname=self.name))

    def close(self) -> None:
        """Drop the template and leave."""
        self._drop(self.name)
        self.admin.close()

    @contextmanager
    def fresh(self, *, migrated: bool = True) -> Iterator[Database]:
        """Make a database with our schema and nothing in it, or without; drop it at the end."""
        name = f"{self.name}_{next(self._numbers)}"
        self._create(name, self.name if migrated else "template1")
        self.admin.execute("checkpoint")
        try:
            database = Database(make_conninfo(self._dsn, dbname=name))
            try:
                yield database
            finally:
                database.close()
        finally:
            self._drop(name)

    def setting(self, name: str) -> str:
        """Return what a setting is."""
        row = self.admin.execute("select current_setting(%s)", (name,)).fetchone()
        return str(row[0]) if row else ""

    def commits(self, database: Database) -> int:
        """Transactions committed in a database so far; asking does not add to them."""
        return self.count(
            "select xact_commit from pg_stat_database where datname = %s", database.name
        )

    def statements(self, database: Database) -> int:
        """Statements that clients have sent to a database so far, with ``begin`` and the like."""
        return self.count(
            """select coalesce(sum(calls), 0)::bigint from pg_stat_statements
            join pg_database on pg_database.oid = dbid where datname = %s and toplevel""",
            database.name,
        )

    def count(self, query: str, *parameters: object) -> int:
        """Ask the server for a number, from outside of the databases that are measured."""
        row = self.admin.execute(query.encode(), parameters).fetchone()
        return int(row[0]) if row else 0

    @contextmanager
    def no_autovacuum(self) -> Iterator[None]:
        """Keep autovacuum out: its transactions count too."""
        self.admin.execute("alter system set autovacuum = off")
        self.admin.execute("select pg_reload_conf()")
        try:
            yield
        finally:
            self.admin.execute("alter system reset autovacuum")
            self.admin.execute("select pg_reload_conf()")

    def _create(self, name: str, template: str) -> None:
        self.admin.execute(f"create database {name} template {template}".encode())

    def _drop(self, name: str) -> None:
        self.admin.execute(f"drop database if exists {name} with (force)".encode())


@contextmanager
def embedded(folder: Path, *, counts_statements: bool = False) -> Iterator[Server]:
    """Run an embedded server, fsync on, in a new folder below ``folder``; remove it at the end.

    With ``counts_statements`` it has pg_stat_statements, which costs each statement something.
    """
    home = folder / f"pynenc-bench-{os.getpid()}"
    home.mkdir(mode=0o711)
    postmaster: int | None = None
    try:
        if counts_statements:
            _load_pg_stat_statements(home)
        with EmbeddedPostgres(home) as postgres:
            server = Server(postgres.dsn)
            postmaster = cpu.parent(server.admin.info.backend_pid)
            yield server
            server.close()
    finally:
        _wait_until_gone(postmaster)
        shutil.rmtree(home, ignore_errors=True)


def sync_milliseconds(folder: Path) -> float:
    """How long a small write takes to be on the disk: what each commit waits for."""
    path = folder / f"pynenc-bench-sync-{os.getpid()}"
    times = []
    try:
        with path.open("wb", buffering=0) as file:
            for _ in range(_SYNCS):
                began = time.perf_counter()
                file.write(bytes(8192))
                os.fsync(file.fileno())
                times.append(time.perf_counter() - began)
    finally:
        path.unlink(missing_ok=True)
    return statistics.median(times) * 1000


def _load_pg_stat_statements(home: Path) -> None:
    """Have a server that loads it when it is started again."""
    with (
        EmbeddedPostgres(home) as postgres,
        psycopg.connect(postgres.dsn, autocommit=True) as admin,
    ):
        admin.execute("alter system set shared_preload_libraries = 'pg_stat_statements'")
        admin.execute("create extension pg_stat_statements")
        postmaster = cpu.parent(admin.info.backend_pid)
    _wait_until_gone(postmaster)


def _wait_until_gone(pid: int | None) -> None:
    deadline = time.monotonic() + _GONE_WITHIN
    while pid is not None and cpu.of_process(pid) is not None and time.monotonic() < deadline:
        time.sleep(0.05)
