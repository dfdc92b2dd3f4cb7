"""Who somebody is to the database: one of its roles, for a block or as a user."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from tests.support.sql import Connection, connect

DENIED: Final = "42501"


@contextmanager
def acting_as(connection: Connection, role: str) -> Iterator[Connection]:
    """Be a role, undo everything."""
    with connection.transaction(force_rollback=True):
        connection.execute(sql.SQL("set local role {}").format(sql.Identifier(f"pynenc_{role}")))
        yield connection


@contextmanager
def logged_in(dsn: str, role: str) -> Iterator[Connection]:
    """Connect as a user of its own who has been granted a role."""
    name = f"test_{role}_{secrets.token_hex(4)}"
    password = secrets.token_hex(16)
    with psycopg.connect(dsn, autocommit=True) as admin:
        admin.execute(
            sql.SQL("create role {} login password {} in role {}").format(
                sql.Identifier(name), sql.Literal(password), sql.Identifier(f"pynenc_{role}")
            )
        )
        try:
            given = {
                k: v for k, v in conninfo_to_dict(dsn).items() if k not in {"user", "password"}
            }
            with connect(make_conninfo("", **given, user=name, password=password)) as connection:
                yield connection
        finally:
            admin.execute(sql.SQL("drop owned by {}").format(sql.Identifier(name)))
            admin.execute(sql.SQL("drop role {}").format(sql.Identifier(name)))
