"""The tasks that write in a transaction of their own, with runners at work on them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from pynenc_pg import Pynenc
from tests.app.conftest import working
from tests.transactions.own import tasks

PATIENCE = 20
RUNNERS = ("ThreadRunner", "AsyncRunner")


@pytest.fixture
def app(database_dsn: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Pynenc]:
    """The app, on an empty store with the user's tables."""
    with psycopg.connect(database_dsn) as connection:
        connection.execute(tasks.CREATE)
    monkeypatch.setattr(tasks.app.conf.postgres, "dsn", database_dsn)
    monkeypatch.setattr(tasks.app.conf, "runner_cls", "ThreadRunner")
    tasks.hooks.clear()
    yield tasks.app
    tasks.app.close()


@pytest.fixture
def work(app: Pynenc) -> Iterator[Pynenc]:
    """The app, with threads at work."""
    with working(app.runner):
        yield app


@pytest.fixture(params=RUNNERS)
def both(
    request: pytest.FixtureRequest, app: Pynenc, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Pynenc]:
    """The app, with threads at work or a loop."""
    monkeypatch.setattr(app.conf, "runner_cls", request.param)
    with working(app.runner):
        yield app


def ask(app: Pynenc, query: str) -> list[Any]:
    """Return the first column."""
    dsn = app.conf.postgres.dsn
    assert dsn is not None
    with psycopg.connect(dsn) as connection:
        return [row[0] for row in connection.execute(query.encode())]


def effects(app: Pynenc) -> list[str]:
    """Return what is committed of what tasks have written."""
    return ask(app, "select word from effect order by 1")
