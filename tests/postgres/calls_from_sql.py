"""Calls as somebody makes them who has a driver for PostgreSQL and nothing else."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from psycopg import sql

from pynenc_pg import Pynenc
from pynenc_pg.domain.ids import RunnerId
from pynenc_pg.domain.records import RunnerSpec
from tests.support.sql import Connection


def tell(app: Pynenc, name: str = "teller") -> RunnerId:
    """Register a runner that tells what the app knows."""
    runner_id = RunnerId(f"{app.conf.app_id}/{name}/{secrets.token_hex(2)}")
    app.orchestrator.register_runner(RunnerSpec(runner_id, "Test", lease=3600))
    app.orchestrator.register_tasks(runner_id, app.engine.known.tasks())
    return runner_id


def on(dsn: str, app: Pynenc, monkeypatch: pytest.MonkeyPatch) -> Iterator[Pynenc]:
    """Put an app on the database, and tell of its tasks."""
    monkeypatch.setattr(app.conf.postgres, "dsn", dsn)
    monkeypatch.setattr(app.conf, "runner_cls", "ThreadRunner")
    tell(app)
    yield app
    app.close()


def enqueue(connection: Connection, task: str, arguments: object = None, **options: Any) -> str:
    """Call ``pynenc.enqueue`` with what is given."""
    said = {"task": task, "arguments": json.dumps({} if arguments is None else arguments)}
    said |= options
    named = sql.SQL(", ").join(
        sql.SQL("{} => {}").format(sql.Identifier(name), sql.Placeholder(name)) for name in said
    )
    row = connection.execute(sql.SQL("select pynenc.enqueue({})").format(named), said).fetchone()
    assert row is not None
    return str(row[0])


def code(connection: Connection, *arguments: Any, **options: Any) -> str | None:
    """Return the SQLSTATE a call is refused with; there must be a way out."""
    with pytest.raises(psycopg.Error) as caught:
        enqueue(connection, *arguments, **options)
    assert caught.value.diag.message_hint
    return caught.value.sqlstate


def code_of(connection: Connection, statement: str) -> str | None:
    """Return the SQLSTATE of a statement."""
    with pytest.raises(psycopg.Error) as caught:
        connection.execute(statement.encode())
    return caught.value.sqlstate
