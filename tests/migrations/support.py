"""What the tests of deployment share: rows as sets, a small app, a schema that lies bare."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from pynenc_pg import PynencBuilder
from pynenc_pg.postgres.templates import migrations_path

#: The newest revision.
HEAD = max(f"pynenc_{path.name}" for path in (migrations_path() / "sql").iterdir())

Connection = psycopg.Connection[tuple[Any, ...]]

ROLES = ("producer", "worker", "observer", "operator")


def ask(dsn: str, query: str, *parameters: object) -> list[tuple[Any, ...]]:
    """Run one statement in a session of its own; return its rows."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        cursor = connection.execute(query.encode(), parameters or None)
        return cursor.fetchall() if cursor.description else []


def has_schema(dsn: str, schema: str = "pynenc") -> bool:
    """Whether the schema is there."""
    return bool(ask(dsn, "select from pg_namespace where nspname = %s", schema))


def what_lies_in(dsn: str, schema: str = "pynenc") -> set[str]:
    """Name every relation, function and type in a schema; the row type of a table is the table."""
    rows = ask(
        dsn,
        """with here as (select oid as id from pg_namespace where nspname = %s)
           select 'relation ' || relname from pg_class, here
           where relnamespace = id and relkind <> 'i'
           union all
           select 'function ' || proname from pg_proc, here where pronamespace = id
           union all
           select 'type ' || typname from pg_type, here
           where typnamespace = id and typrelid = 0 and typelem = 0""",
        schema,
    )
    return {row[0] for row in rows}


def wait_until(what: Callable[[], bool], seconds: float = 20) -> None:
    """Look until the database shows something: it sends no signal when a session begins to wait."""
    deadline = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < deadline, "it did not come to that"
        time.sleep(0.01)


@contextmanager
def login(dsn: str, name: str, options: str = "") -> Iterator[str]:
    """Make a user without any rights of its own; yield the DSN it connects with."""
    identifier = sql.Identifier(name)
    with psycopg.connect(dsn, autocommit=True) as admin:
        admin.execute(
            sql.SQL("create role {} login password 'word-of-the-test' ").format(identifier)
            + sql.SQL(options)
        )
        try:
            given = conninfo_to_dict(dsn) | {"user": name, "password": "word-of-the-test"}
            yield make_conninfo("", **given)
        finally:
            admin.execute(sql.SQL("drop owned by {} cascade").format(identifier))
            admin.execute(sql.SQL("drop role {}").format(identifier))


def double(n: int) -> int:
    """Be the task."""
    return 2 * n


def run_a_task(dsn: str, schema: str) -> object:
    """Call a task of an app on that schema, have a worker run it, and return its result."""
    builder = PynencBuilder().app_id("deployed").postgres(dsn, schema=schema).thread_runner(1)
    with builder.build() as app:
        task = app.task(double)
        with ThreadPoolExecutor(1) as pool:
            worker = pool.submit(app.runner.run)
            try:
                invocation = task(21)
                wait_until(lambda: worker.done() or invocation.status.is_final(), 30)
            finally:
                app.runner.stop_runner_loop()
            worker.result(30)  # its error, if it had one
            return invocation.result
