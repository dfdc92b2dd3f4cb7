"""Reads a DSN without ever quoting it."""

from __future__ import annotations

from typing import Any

import psycopg
from psycopg.conninfo import conninfo_to_dict

from pynenc_pg.exceptions import ConfigError


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
