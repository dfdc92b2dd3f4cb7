"""A private PostgreSQL in a folder, shared by every process that opens the same folder."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import time
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Self
from urllib.parse import quote

import psycopg

from pynenc_pg.exceptions import EmbeddedServerError
from pynenc_pg.postgres.embedded import cluster, folders, locks
from pynenc_pg.postgres.embedded.account import Account, server_account
from pynenc_pg.postgres.embedded.binaries import Binaries, find

if TYPE_CHECKING:
    from types import TracebackType

logger = logging.getLogger(__name__)

DATABASE = "pynenc"
_SUPERVISOR = Path(__file__).with_name("supervisor.py")
# Longer than a stop may take (supervisor.FAST_STOP), which a newcomer waits for.
_LOCK_WAIT = 120.0
_START_WAIT = 60.0
_SPAWN_WAIT = 30.0
_POLL = 0.02
_LOG_LIMIT = 5_000_000
_LOG_TAIL = 4_000


class EmbeddedPostgres:
    """A private PostgreSQL in a folder; shared by every process that opens the same folder.

    >>> with EmbeddedPostgres() as server:  # doctest: +SKIP
    ...     psycopg.connect(server.dsn)

    The first to open a folder makes the database and starts the server, the others join it, and it
    stops within a second of the last one's `close` or death. An object that is dropped without
    `close` holds the server until its process ends. A forked child holds nothing until it calls
    `start` itself.
    """

    def __init__(self, home: Path | str | None = None, *, durable: bool = True) -> None:
        """Name the folder (default: one per user); nothing is touched before `start`.

        ``durable=False`` is for throw-away test servers: they may lose everything in a power cut.
        It is the starter's to choose; whoever joins a running server takes it as it is.
        """
        if not locks.SUPPORTED:
            msg = (
                "The embedded PostgreSQL runs on Linux and macOS only. On Windows, install "
                "PostgreSQL and give its DSN, or use WSL."
            )
            raise EmbeddedServerError(msg)
        folder = folders.default_home() if home is None else Path(home).expanduser()
        self.home = folder.resolve()
        self.durable = durable
        self._users: locks.LockFile | None = None
        self._dsn: str | None = None

    @property
    def dsn(self) -> str:
        """The DSN of the database ``pynenc``, as the superuser; known once started."""
        if self._dsn is None:
            msg = f"The embedded server in {self.home} has no DSN before start(): call that first."
            raise EmbeddedServerError(msg)
        return self._dsn

    @cached_property
    def binaries(self) -> Binaries:
        """The PostgreSQL this object starts; a server it joins may be another."""
        return find(self._account)

    @cached_property
    def _account(self) -> Account | None:
        return server_account(cluster.data_folders(self.home))

    def start(self) -> str:
        """Join the running server or start it, and return the DSN.

        Call it again at any time: it revives a server that was lost with its supervisor.
        """
        users, dsn = self._users, self._dsn
        if users and users.is_open and dsn and self._answer(dsn) is None:
            return dsn
        try:
            folders.prepare_home(self.home, self._account)
            # Also the mutex of this process's threads.
            with locks.exclusive(self.home / "boot.lock", timeout=_LOCK_WAIT):
                if self._users is None or not self._users.is_open:
                    self._users = locks.LockFile(self.home / "users.lock")
                # Waits for a server that is being stopped.
                self._users.lock(shared=True, timeout=_LOCK_WAIT)
                self._dsn = dsn = self._boot()
        except OSError as error:
            self.close()
            msg = (
                f"The embedded server's folder {self.home} cannot be used: {error}. Choose another "
                "one, as in 'embedded:///an/absolute/folder'."
            )
            raise EmbeddedServerError(msg) from error
        except BaseException:
            self.close()
            raise
        return dsn

    def close(self) -> None:
        """Let go of the server; it stops within a second of its last user. Harmless twice."""
        users, self._users = self._users, None
        if users is not None:
            users.close()

    def __enter__(self) -> Self:
        """Start."""
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close."""
        self.close()

    def _boot(self) -> str:
        """Have a server that answers and has the database. The boot lock is held."""
        deadline = time.monotonic() + _START_WAIT
        while True:
            sockets = folders.socket_folder(self.home, self._account)
            dsn = _dsn(sockets, DATABASE)
            trouble = self._answer(_dsn(sockets, "postgres"), create=True)
            if trouble is None:
                return dsn
            if time.monotonic() > deadline:
                msg = (
                    f"The embedded server in {self.home} did not answer within {_START_WAIT:.0f} "
                    f"s: {trouble}\nThe end of {self._log}:\n{self._log_tail()}"
                )
                raise EmbeddedServerError(msg)
            if locks.is_free(self.home / "sup.lock"):
                began = time.monotonic()
                self._spawn_supervisor(sockets)
                # Making the database has a limit of its own.
                deadline += time.monotonic() - began
            time.sleep(_POLL)

    def _answer(self, dsn: str, *, create: bool = False) -> str | None:
        """Ask the server whose it is: None if it answers and is ours, else what is wrong.

        A pid file or an open socket proves neither. *create* also makes the missing database.
        """
        try:
            with psycopg.connect(dsn, autocommit=True, connect_timeout=5) as connection:
                data = Path(str(_value(connection, "SHOW data_directory")))
                if data.parent != self.home:
                    return f"it serves {data}"
                known = "SELECT count(*) FROM pg_database WHERE datname = %s"
                if create and not _value(connection, known, DATABASE):
                    connection.execute(
                        f"CREATE DATABASE {DATABASE} TEMPLATE template0 ENCODING 'UTF8'"
                    )
        except psycopg.Error as error:
            return str(error).strip()
        return None

    def _spawn_supervisor(self, sockets: Path) -> None:
        """Start the process that runs the server; returns when the folder has a supervisor."""
        data = cluster.create(self.home, self.binaries, self._account, durable=self.durable)
        account = self._account
        command = [
            *(sys.executable or "python3", "-I", "-S", str(_SUPERVISOR)),
            *(str(self.home), str(data), str(sockets)),
            *(str(account.uid if account else -1), str(account.gid if account else -1)),
            *cluster.server_command(self.binaries, data, sockets, durable=self.durable),
        ]
        with self._open_log() as log:
            done = subprocess.run(
                command,
                stdin=subprocess.DEVNULL,
                # Not a pipe: the server would hold it open, and we would wait for its end.
                stdout=log,
                stderr=log,
                cwd="/",
                env=cluster.environment(),
                start_new_session=True,
                timeout=_SPAWN_WAIT,
                check=False,
            )
        if done.returncode:
            msg = f"{command[0]} could not run the supervisor:\n{self._log_tail()}"
            raise EmbeddedServerError(msg)

    @property
    def _log(self) -> Path:
        return self.home / "server.log"

    def _open_log(self) -> BinaryIO:
        if self._log.exists() and self._log.stat().st_size > _LOG_LIMIT:
            self._log.replace(self._log.with_suffix(".log.1"))
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW
        return os.fdopen(os.open(self._log, flags, 0o600), "ab")

    def _log_tail(self) -> str:
        try:
            return self._log.read_bytes()[-_LOG_TAIL:].decode(errors="replace")
        except FileNotFoundError:
            return "(there is no log)"


def _dsn(sockets: Path, database: str) -> str:
    # The port is named because the client would take another from PGPORT.
    host = quote(os.fsencode(sockets), safe="/")
    return f"postgresql://{cluster.USER}@/{database}?host={host}&port={cluster.PORT}"


def _value(connection: psycopg.Connection[tuple[object, ...]], sql: str, *args: object) -> object:
    row = connection.execute(sql.encode(), args or None).fetchone()
    return row[0] if row else None
