"""An app on a database where a user has a table, too."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest

from pynenc_pg import Pynenc
from tests.app import concurrency_tasks, tasks
from tests.support.sql import temporary_database
from tests.transactions.sessions import CREATE, KINDS, Session, configure_django


@pytest.fixture(scope="module")
def shared_dsn(server_dsn: str, template: str) -> Iterator[str]:
    """One database for all: each test finds it empty."""
    with temporary_database(server_dsn, template) as dsn:
        with psycopg.connect(dsn) as connection:
            connection.execute(CREATE)
        yield dsn


@pytest.fixture
def app(shared_dsn: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Pynenc]:
    """The app of ``tests.app.tasks``."""
    monkeypatch.setattr(tasks.app.conf, "runner_cls", "ThreadRunner")
    yield from _on(shared_dsn, tasks.app, monkeypatch)


@pytest.fixture
def keyed(shared_dsn: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Pynenc]:
    """The app of ``tests.app.concurrency_tasks``, on the same database."""
    yield from _on(shared_dsn, concurrency_tasks.app, monkeypatch)


def _on(dsn: str, app: Pynenc, monkeypatch: pytest.MonkeyPatch) -> Iterator[Pynenc]:
    monkeypatch.setattr(app.conf.postgres, "dsn", dsn)
    yield app
    app.purge()
    app.close()


@pytest.fixture
def dsn(app: Pynenc, shared_dsn: str) -> Iterator[str]:
    """The database of the app, with the user's table."""
    assert app.conf.postgres.dsn == shared_dsn
    yield shared_dsn
    with psycopg.connect(shared_dsn) as connection:
        connection.execute("truncate orders")


@pytest.fixture(params=KINDS, ids=lambda kind: kind.__name__)
def kind(request: pytest.FixtureRequest) -> type[Session]:
    """Each kind of session in turn."""
    configure_django()
    found: type[Session] = request.param
    return found
