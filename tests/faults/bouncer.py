"""A real PgBouncer in front of the database of a test, with a handful of server connections."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, Literal

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from pynenc_pg.postgres.embedded.account import server_account
from tests.acceptance.workers import wait_for

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
pool_mode = {mode}
default_pool_size = {size}
max_client_conn = 500
"""

needs_pgbouncer: Final = pytest.mark.skipif(
    _PROGRAM is None, reason="pgbouncer is not installed: apt-get install pgbouncer"
)


@contextmanager
def bouncer(dsn: str, mode: Literal["session", "transaction"], size: int) -> Iterator[str]:
    """Run one for the length of a block; yields the DSN of the same database behind it."""
    assert _PROGRAM
    account = server_account()  # it, too, refuses to run as root
    folder = Path(tempfile.mkdtemp(prefix="pynenc_pg-bouncer-"))
    settings = folder / "pgbouncer.ini"
    settings.write_text(
        _SETTINGS.format(target=_target(dsn), port=_PORT, folder=folder, mode=mode, size=size)
    )
    if account is not None:
        for path in (settings, folder):
            os.chown(path, account.uid, account.gid)
    folder.chmod(0o711)
    log = folder / "log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [_PROGRAM, settings],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            cwd="/",
            user=account.uid if account else None,
            group=account.gid if account else None,
            extra_groups=[] if account else None,
        )
    behind = make_conninfo(dsn, host=str(folder), port=_PORT, hostaddr="")
    try:
        wait_for(lambda: _answers(behind), log.read_text)
        yield behind
    finally:
        process.kill()
        process.wait()
        shutil.rmtree(folder, ignore_errors=True)


def _target(dsn: str) -> str:
    """Where it connects, in its own words; the user is ours whoever asks (``auth_type = any``)."""
    given: dict[str, Any] = {"host": "127.0.0.1", "port": 5432, **conninfo_to_dict(dsn)}
    return " ".join(
        f"{key}={given[key]}" for key in ("host", "port", "user", "password") if given.get(key)
    )


def _answers(dsn: str) -> bool:
    try:
        psycopg.connect(dsn, connect_timeout=5).close()
    except psycopg.OperationalError:
        return False
    return True
