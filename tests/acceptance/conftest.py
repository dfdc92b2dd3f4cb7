"""An app in the test's process that shares its database with worker processes."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest

from pynenc_pg import Pynenc
from tests.acceptance import tasks


@pytest.fixture
def app(database_dsn: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Pynenc]:
    """The app of ``tests.acceptance.tasks``, on a database of its own."""
    monkeypatch.setattr(tasks.app.conf.postgres, "dsn", database_dsn)
    with psycopg.connect(database_dsn, autocommit=True) as connection:
        connection.execute("create table begun (number int, pid int, at timestamptz)")
    yield tasks.app
    tasks.app.close()
