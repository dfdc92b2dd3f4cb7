"""An app on a database where a user has a table, too."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest

from pynenc_pg import Pynenc
from tests.app import concurrency_tasks, tasks
from tests.transactions.sessions import CREATE, KINDS, Session, configure_django


@pytest.fixture
def app(database_dsn: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Pynenc]:
    """The app of ``tests.app.tasks``."""
    monkeypatch.setattr(tasks.app.conf.postgres, "dsn", database_dsn)
    monkeypatch.setattr(tasks.app.conf, "runner_cls", "ThreadRunner")
    yield tasks.app
    tasks.app.close()


@pytest.fixture
def keyed(database_dsn: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Pynenc]:
    """The app of ``tests.app.concurrency_tasks``, on the same database."""
    monkeypatch.setattr(concurrency_tasks.app.conf.postgres, "dsn", database_dsn)
    yield concurrency_tasks.app
    concurrency_tasks.app.close()


@pytest.fixture
def dsn(app: Pynenc, database_dsn: str) -> str:
    """Its database, with the user's table."""
    assert app.conf.postgres.dsn == database_dsn
    with psycopg.connect(database_dsn) as connection:
        connection.execute(CREATE)
    return database_dsn


@pytest.fixture(params=KINDS, ids=lambda kind: kind.__name__)
def kind(request: pytest.FixtureRequest) -> type[Session]:
    """Each kind of session in turn."""
    configure_django()
    found: type[Session] = request.param
    return found
