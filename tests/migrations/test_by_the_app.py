"""``app.migrate()``."""

from __future__ import annotations

import psycopg
import pytest

from pynenc_pg import Pynenc, PynencBuilder
from pynenc_pg.exceptions import StoreError
from pynenc_pg.postgres import deploy
from tests.migrations.support import HEAD


def _app(dsn: str) -> Pynenc:
    return PynencBuilder().app_id("migrates").postgres(dsn, schema="own").build()


def test_an_app_makes_its_tables(empty_database_dsn: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """In its own schema. Alembic is not even imported where there is nothing to do."""
    asked: list[tuple[str, str]] = []
    with _app(empty_database_dsn) as app:
        with pytest.raises(StoreError, match="db migrate"):
            app.queues()
        app.migrate()
        assert deploy.status(empty_database_dsn, "own").current == HEAD
        assert app.queues() == []

        monkeypatch.setattr(deploy, "migrate", lambda *given: asked.append(given))
        app.migrate()
        _note(empty_database_dsn, "pynenc_9999")  # of a later version, which is left alone
        app.migrate()
        assert asked == []
        _note(empty_database_dsn, "pynenc_0001")
        app.migrate()
        assert asked == [(empty_database_dsn, "own")]


def _note(dsn: str, revision: str) -> None:
    with psycopg.connect(dsn) as connection:
        connection.execute("update own.alembic_version set version_num = %s", [revision])


def test_in_memory_there_is_nothing_to_do() -> None:
    """So a program may say it in any case."""
    with Pynenc("memory") as app:
        app.migrate()
