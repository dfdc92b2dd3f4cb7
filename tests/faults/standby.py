"""A copy of a server that follows it, and can be made to fall behind."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest

from pynenc_pg.exceptions import EmbeddedServerError
from pynenc_pg.postgres.embedded import EmbeddedPostgres
from tests.acceptance.workers import wait_for
from tests.faults.fleet import freeze
from tests.faults.server import OwnServer, folder_for_a_server

_SENDER = "select pid from pg_stat_replication where state = 'streaming'"
_BEHIND = """select pg_wal_lsn_diff(pg_current_wal_lsn(), replay_lsn) <= 0 from pg_stat_replication
    where state = 'streaming'"""


def program(name: str, dsn: str) -> str:
    """Return a client program that is not older than the server."""
    with psycopg.connect(dsn) as connection:
        major = connection.info.server_version // 10000
    folders = [Path("/usr/lib/postgresql") / str(major) / "bin"]
    try:
        found = EmbeddedPostgres().binaries
        if found.version >= major:
            folders.append(found.bin_dir)
    except EmbeddedServerError:
        pass
    path = shutil.which(name, path=os.pathsep.join(map(str, folders)))
    if path is None:
        pytest.skip(f"there is no {name} for PostgreSQL {major}")
    return path


class Standby(OwnServer):
    """Follows another server from a copy of its data."""

    def __init__(self, home: Path, primary: OwnServer, *settings: str) -> None:
        super().__init__(home, *settings)
        shutil.rmtree(self._data)
        copy = [
            program("pg_basebackup", primary.dsn), "-D", str(self._data), "-R", "-c", "fast",
            "-d", primary.dsn,
        ]  # fmt: skip
        subprocess.run(copy, check=True, timeout=60)
        if self._account:
            for path in (self._data, *self._data.rglob("*")):
                os.chown(path, self._account.uid, self._account.gid)
        self._primary = primary
        self._sender = 0

    def both(self, *more: str) -> str:
        """Return the DSN that names both servers, and wants the one that can be written."""
        hosts = f"host={self._primary.sockets},{self.sockets} port=5432,5432"
        return " ".join(
            (hosts, "user=postgres dbname=postgres target_session_attrs=read-write", *more)
        )

    def catch_up(self) -> None:
        """Wait until it has replayed all that the primary has written."""
        with psycopg.connect(self._primary.dsn, autocommit=True) as connection:
            wait_for(lambda: connection.execute(_BEHIND).fetchall() == [(True,)])

    def fall_behind(self) -> None:
        """Have nothing more reach it: the process that sends to it stands still."""
        self.catch_up()
        with psycopg.connect(self._primary.dsn, autocommit=True) as connection:
            ((self._sender,),) = connection.execute(_SENDER).fetchall()
        freeze(self._sender)

    def go_on(self) -> None:
        """Let it follow again."""
        os.kill(self._sender, signal.SIGCONT)

    def take_over(self) -> None:
        """Promote it, once its primary is gone as with its machine: nothing more is sent."""
        if self._primary.process is not None:
            self._primary.process.kill()
            self._primary.stop(signal.SIGKILL)
        if self._sender:
            os.kill(self._sender, signal.SIGKILL)
        self.promote()

    def promote(self) -> None:
        """Make it one that can be written."""
        with psycopg.connect(self.dsn, autocommit=True) as connection:
            assert connection.execute("select pg_promote()").fetchone() == (True,)


@contextmanager
def standby(primary: OwnServer, *settings: str) -> Iterator[Standby]:
    """Run a standby of a server that runs."""
    with folder_for_a_server() as home:
        made = Standby(home, primary, *settings)
        made.start()
        try:
            yield made
        finally:
            made.stop(signal.SIGQUIT)


def ask(dsn: str, query: str) -> list[tuple[Any, ...]]:
    """Ask a server something."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        return connection.execute(query.encode()).fetchall()
