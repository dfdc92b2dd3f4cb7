"""A PostgreSQL of the test's own that can be killed, stopped, frozen and started again."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

import psycopg

from pynenc_pg.postgres import deploy
from pynenc_pg.postgres.embedded import binaries, cluster, folders
from pynenc_pg.postgres.embedded.account import server_account
from tests.acceptance.workers import wait_for
from tests.support.clusters import seed


class OwnServer:
    """Durable as in production: fsync is on. No supervisor: the test is the one that restarts."""

    def __init__(self, home: Path, *settings: str) -> None:
        self._account = server_account()
        found = binaries.find(self._account)
        folders.prepare_home(home, self._account)
        self.sockets = folders.socket_folder(home, self._account)
        self._data = cluster.create(home, found, self._account, durable=True)
        self._command = cluster.server_command(found, self._data, self.sockets, durable=True)
        self._command += [word for setting in settings for word in ("-c", setting)]
        self._log = home / "server.log"
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def dsn(self) -> str:
        """The DSN of the database that is always there."""
        host = quote(os.fsencode(self.sockets), safe="/")
        return f"postgresql://{cluster.USER}@/postgres?host={host}&port={cluster.PORT}"

    @property
    def data(self) -> Path:
        """Its data folder."""
        return self._data

    @property
    def ended(self) -> bool:
        """Whether it has ended, by itself or not."""
        return self.process is None or self.process.poll() is not None

    @property
    def said(self) -> str:
        """Its log."""
        return self._log.read_text()

    def start(self) -> None:
        """Start it and wait until it answers."""
        account = self._account
        with self._log.open("ab") as log:
            self.process = subprocess.Popen(
                self._command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd="/",
                env=cluster.environment(),
                user=account.uid if account else None,
                group=account.gid if account else None,
                extra_groups=[] if account else None,
            )
        wait_for(self.answers, self._log.read_text)

    def admit(self, network: str) -> None:
        """Let in whoever comes from there, from the next start on."""
        with (self._data / "pg_hba.conf").open("a") as rules:
            rules.write(f"host all all {network} trust\n")

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """Stop it: SIGINT is a fast stop, SIGQUIT an immediate one, without a checkpoint."""
        if self.process is not None:
            self.process.send_signal(how)
            self.process.wait(30)
            self.process = None

    def restart(self, how: signal.Signals, pause: float = 0.0) -> None:
        """Stop it, leave it down for a while, start it again."""
        self.stop(how)
        time.sleep(pause)
        self.start()

    def answers(self) -> bool:
        """Whether it lets somebody in."""
        try:
            psycopg.connect(self.dsn, connect_timeout=5).close()
        except psycopg.OperationalError:
            return False
        return True


@contextmanager
def folder_for_a_server() -> Iterator[Path]:
    """Yield a folder that also the account can reach to which root lends a server."""
    outer = Path(tempfile.mkdtemp(prefix="pynenc_pg-faults-"))
    outer.chmod(0o711)
    yield outer / "home"
    shutil.rmtree(outer, ignore_errors=True)


@contextmanager
def migrated() -> Iterator[Path]:
    """Yield the home of a server that has stopped in good order; its database is migrated."""
    with folder_for_a_server() as home:
        server = OwnServer(home, "min_wal_size=32MB")
        server.start()
        deploy.migrate(server.dsn)
        server.stop()
        yield home


@contextmanager
def own_server(pattern: Path, *settings: str) -> Iterator[OwnServer]:
    """Run a server for one test, with what is in the pattern (see ``migrated``)."""
    with folder_for_a_server() as home:
        seed(home, pattern)
        server = OwnServer(home, *settings)
        server.start()
        try:
            yield server
        finally:
            server.stop(signal.SIGQUIT)
