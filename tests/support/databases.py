"""Migrated databases for one test after the other.

Making and dropping one costs checkpoints, more than most tests do with it. So one is used again,
emptied, where the test has left nothing behind but rows and tables of its own.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from typing import Any

import psycopg
from psycopg import sql
from psycopg.conninfo import make_conninfo

#: Bytes beyond which emptying it, and what is left of it, costs more than another one.
_LARGE = 40_000_000
#: Seconds for sessions to be gone that a test has closed.
_GONE = 0.3
_SESSIONS = "select count(*) from pg_stat_activity where datname = %s"
_TABLES = """select array_agg(c.oid::regclass::text) from pg_class c
where c.relnamespace = 'pynenc'::regnamespace and c.relkind = 'r'"""
#: Everything that is no row of ours: what it is, and when it was written.
_SHAPE = """
select md5(string_agg(what, ',' order by what)) from (
    select concat('class ', oid, relname, relkind, relacl, reloptions) from pg_class
    where oid >= 16384 and relkind <> 't'
    union all select concat('function ', oid, xmin) from pg_proc where oid >= 16384
    union all select concat('trigger ', oid, xmin) from pg_trigger
    union all select concat('constraint ', oid, xmin) from pg_constraint where oid >= 16384
    union all select concat('index ', indexrelid, xmin) from pg_index where indexrelid >= 16384
    union all select concat('column ', attrelid, attnum, attname, attisdropped, atthasdef)
    from pg_attribute where attrelid >= 16384
    union all select concat('schema ', oid, nspname, xmin) from pg_namespace
    union all select concat('type ', oid, xmin) from pg_type where oid >= 16384
    union all select concat('extension ', oid, xmin) from pg_extension
    union all select concat('default ', oid, xmin) from pg_default_acl
    union all select concat('settings ', setrole, setconfig) from pg_db_role_setting
    where setdatabase = (select oid from pg_database where datname = current_database())
    union all select concat('status ', status_transition) from pynenc.status_transition
    union all select concat('status ', status) from pynenc.status
    union all select concat('version ', alembic_version) from pynenc.alembic_version
) all_of_it (what)"""
#: Tables that a test has made for its own tasks; whatever else it has made stays, and is seen.
_TIDY = """do $$
declare
    v_name text;
begin
    for v_name in select c.oid::regclass::text from pg_class c
                  where c.relnamespace = 'public'::regnamespace and c.relkind = 'r' loop
        execute 'drop table if exists ' || v_name || ' cascade';
    end loop;
end $$"""
_EMPTY = """do $$
declare
    v_name text;
begin
    perform set_config('session_replication_role', 'replica', true);
    for v_name in select c.oid::regclass::text from pg_class c
                  where c.relnamespace = 'pynenc'::regnamespace and c.relkind = 'r'
                    and c.oid::regclass::text <> all ({seeded})
                    and pg_relation_size(c.oid) > 0 loop
        execute 'delete from ' || v_name;
    end loop;
    for v_name in select c.oid::regclass::text from pg_class c
                  where c.relnamespace = 'pynenc'::regnamespace and c.relkind = 'S' loop
        perform setval(v_name, 1, false);
    end loop;
end $$"""


class Databases:
    """Of one server; one is lent at a time, or several."""

    def __init__(self, server_dsn: str, template: str, prefix: str) -> None:
        """Nothing is made."""
        self._server_dsn = server_dsn
        self._template = template
        self._prefix = prefix
        self._numbers = count()
        self._free: list[str] = []
        self._fresh: tuple[str, list[str]] | None = None  # the shape, and what has rows at first

    @contextmanager
    def lend(self) -> Iterator[str]:
        """Yield the DSN of an empty one."""
        with psycopg.connect(self._server_dsn, autocommit=True) as admin:
            name = self._free.pop() if self._free else self._make(admin)
            yield self._dsn(name)
            if self._emptied(admin, name):
                self._free.append(name)
            else:
                self._drop(admin, name)

    def close(self) -> None:
        """Drop those that are free."""
        with psycopg.connect(self._server_dsn, autocommit=True) as admin:
            while self._free:
                self._drop(admin, self._free.pop())

    def _dsn(self, name: str) -> str:
        return make_conninfo(self._server_dsn, dbname=name)

    def _make(self, admin: psycopg.Connection[Any]) -> str:
        name = f"{self._prefix}_{next(self._numbers)}".replace("-", "_")
        admin.execute(f"create database {name} template {self._template} strategy file_copy")
        if self._fresh is None:
            with psycopg.connect(self._dsn(name)) as connection:
                self._fresh = _ask(connection, _SHAPE), _seeded(connection)
        return name

    def _emptied(self, admin: psycopg.Connection[Any], name: str) -> bool:
        deadline = time.monotonic() + _GONE
        while _ask(admin, _SESSIONS, (name,)):
            if time.monotonic() > deadline:
                return False
            time.sleep(0.01)
        try:
            with psycopg.connect(self._dsn(name)) as connection:
                shape, seeded = self._fresh or ("", [])
                connection.execute(_TIDY)
                large = _ask(connection, "select pg_database_size(current_database())") > _LARGE
                if large or _ask(connection, _SHAPE) != shape:
                    return False
                connection.execute(sql.SQL(_EMPTY).format(seeded=sql.Literal(seeded)))
        except psycopg.Error:  # it was dropped, renamed, closed to us
            return False
        return True

    @staticmethod
    def _drop(admin: psycopg.Connection[Any], name: str) -> None:
        admin.execute(f"drop database if exists {name} with (force)")


def _seeded(connection: psycopg.Connection[Any]) -> list[str]:
    """Return the tables that have rows."""
    tables = _ask(connection, _TABLES)
    return [name for name in tables if _ask(connection, f"select exists (select from {name})")]


def _ask(connection: psycopg.Connection[Any], query: str, parameters: Any = None) -> Any:
    row = connection.execute(query.encode(), parameters).fetchone()
    assert row is not None
    return row[0]
