"""Servers, and names that no other test uses: roles belong to the whole server."""

from __future__ import annotations

import re
import shutil
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg import sql

from pynenc_pg.postgres.embedded import EmbeddedPostgres, binaries
from tests.migrations.support import ROLES
from tests.support.sql import temporary_database
from tests.tools.snapshot import of_database


@pytest.fixture(scope="session")
def used_names(server_dsn: str) -> Iterator[list[str]]:
    """Collect names of schemas; their roles go at the very end, after the databases they are in."""
    names: list[str] = []
    yield names
    with psycopg.connect(server_dsn, autocommit=True) as admin:
        for name in names:
            for role in ROLES:
                role_name = sql.Identifier(f"{name}_{role}")
                admin.execute(sql.SQL("drop role if exists {}").format(role_name))


@pytest.fixture
def unused_name(used_names: list[str]) -> str:
    """A name for a schema whose roles nobody has."""
    name = f"test_{uuid.uuid4().hex[:12]}"
    used_names.append(name)
    return name


@pytest.fixture
def oldest_server_dsn(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A server of the oldest version that is supported, where one is installed."""
    places = (place for rule in binaries.PATTERNS for place in Path("/").glob(rule.lstrip("/")))
    oldest = str(binaries.MINIMUM)
    found = next((place for place in places if oldest in re.findall(r"\d+", str(place))), None)
    if found is None:
        pytest.skip(f"PostgreSQL {oldest} is not installed here")
    monkeypatch.setenv(binaries.ENV, str(found))
    home = Path(tempfile.mkdtemp(prefix="pynenc-pg-oldest-"))
    home.chmod(0o755)  # as root, the server runs as somebody else
    try:
        with EmbeddedPostgres(home, durable=False) as server:
            yield server.dsn
    finally:
        shutil.rmtree(home, ignore_errors=True)


@pytest.fixture(scope="session")
def fresh(server_dsn: str, template: str) -> str:
    """The snapshot of a schema fresh from the migrations."""
    with temporary_database(server_dsn, template) as dsn:
        return of_database(dsn)
