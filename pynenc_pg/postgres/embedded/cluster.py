"""The data folder of an embedded server: how it is made, named and told apart."""

from __future__ import annotations

import logging
import os
import shutil
import subprocess
import time
from typing import TYPE_CHECKING

from pynenc_pg.exceptions import EmbeddedServerError
from pynenc_pg.postgres.embedded import folders

if TYPE_CHECKING:
    from pathlib import Path

    from pynenc_pg.postgres.embedded.account import Account
    from pynenc_pg.postgres.embedded.binaries import Binaries

logger = logging.getLogger(__name__)

USER = "postgres"
PORT = 5432
_INIT_TIMEOUT = 120
_BUILTIN_LOCALE_SINCE = 17
_THROW_AWAY = ("fsync=off", "synchronous_commit=off", "full_page_writes=off")


def data_folder(home: Path, version: int) -> Path:
    """Name the data of one major version: another version could not read it."""
    return home / f"data-{version}"


def data_folders(home: Path) -> list[Path]:
    """List the data folders of every version in *home*."""
    return sorted(home.glob("data-*"))


def environment() -> dict[str, str]:
    """Build the environment of the server and its helpers: nothing of the caller's settings.

    ``PGDATA``, ``PGOPTIONS`` and their kind would steer it. The library paths stay: without them
    some installations of Python and of PostgreSQL do not even load.
    """
    kept = ("LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH")
    return {
        "PATH": "/usr/bin:/bin",
        "LC_ALL": "C",
        # Spares initdb a comparison of all time zones with the machine's.
        "TZ": "UTC",
        **{name: os.environ[name] for name in kept if name in os.environ},
    }


def server_command(
    binaries: Binaries, data: Path, socket_folder: Path, *, durable: bool
) -> list[str]:
    """Build the command line of the server, which carries every setting of ours."""
    settings = [
        "listen_addresses=",
        f"unix_socket_directories={socket_folder}",
        "unix_socket_permissions=0700",
        f"port={PORT}",
        "max_connections=300",
        "logging_collector=off",
        "log_destination=stderr",
        *(() if durable else _THROW_AWAY),
    ]
    options = [word for setting in settings for word in ("-c", setting)]
    return [str(binaries.postgres), "-D", str(data), *options]


def create(home: Path, binaries: Binaries, account: Account | None, *, durable: bool) -> Path:
    """Return the data folder for *binaries*, made where missing. Call with the boot lock held.

    It is made under another name and renamed when whole, so that a half-made one is never taken
    for a database; an ``initdb`` whose starter was killed goes on writing for a while.
    """
    for leftover in home.glob("init-*"):
        shutil.rmtree(leftover, ignore_errors=True)
    data = data_folder(home, binaries.version)
    if data.exists():
        return data
    _warn_of_older(home, binaries.version)
    draft = home / f"init-{os.getpid()}-{time.time_ns()}"
    try:
        folders.make_for_account(draft, account)
        _initdb(draft, binaries, account, durable=durable)
        draft.rename(data)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    if durable:
        _sync(home)
    return data


def _initdb(draft: Path, binaries: Binaries, account: Account | None, *, durable: bool) -> None:
    """Run initdb into *draft*, with a sort order that no C library has a say in."""
    if binaries.version >= _BUILTIN_LOCALE_SINCE:
        locales = [["--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"]]
    else:
        # Not every C library has the first.
        locales = [["--locale=C.UTF-8"], ["--locale=C"]]
    output = ""
    for locale in locales:
        command = [str(binaries.initdb), "-D", str(draft), "-U", USER, "-E", "UTF8", "-A", "trust"]
        command += ["--no-instructions", *locale, *([] if durable else ["--no-sync"])]
        try:
            done = subprocess.run(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                errors="replace",
                timeout=_INIT_TIMEOUT,
                check=False,
                cwd="/",
                env=environment(),
                user=account.uid if account else None,
                group=account.gid if account else None,
                extra_groups=[] if account else None,
            )
        except (OSError, subprocess.SubprocessError) as error:
            msg = f"{binaries.initdb} could not be run: {error}"
            raise EmbeddedServerError(msg) from error
        if done.returncode == 0:
            return
        output += done.stdout
    msg = f"{binaries.initdb} could not make the database in {draft}:\n{output}"
    raise EmbeddedServerError(msg)


def _warn_of_older(home: Path, version: int) -> None:
    for other in data_folders(home):
        logger.warning(
            "embedded.other_version: %s belongs to another major version of PostgreSQL and is "
            "left alone; version %d begins with an empty database. To carry the contents over, "
            "run the old version (its bin folder in PYNENC_PG_BIN), pg_dump the database "
            "'pynenc', and restore it here.",
            other,
            version,
        )


def _sync(folder: Path) -> None:
    """Make a rename in *folder* survive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
