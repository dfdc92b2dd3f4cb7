"""Reads a DSN without ever quoting it."""

from __future__ import annotations

from typing import Any, Final

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from pynenc_pg.exceptions import ConfigError

_SECRET: Final = frozenset({"password", "sslpassword", "oauth_client_secret"})


def read_dsn(dsn: str, name: str = "the DSN") -> dict[str, Any]:
    """Return the parameters in a DSN; ``name`` is what to call it.

    Raises:
        ConfigError: it cannot be read. The driver's own message would quote it, password and all.
    """
    try:
        return dict(conninfo_to_dict(dsn))
    except psycopg.Error:
        message = (
            f"{name} cannot be read: write postgresql://user@host:5432/database or "
            "host=... dbname=... (it is not shown here, since it may hold a password)"
        )
        raise ConfigError(message) from None


def without_password(dsn: str) -> str:
    """Return a DSN that may be shown: as it is, or without its passwords.

    Raises:
        ConfigError: it cannot be read.
    """
    given = read_dsn(dsn)
    shown = {name: value for name, value in given.items() if name not in _SECRET}
    return dsn if shown == given else make_conninfo("", **shown)
