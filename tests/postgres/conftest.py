"""Sessions for races: our own, the other side's, and threads for what has to wait."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.support.sql import Connection, connect, register_runner


@pytest.fixture
def c(database_dsn: str) -> Iterator[Connection]:
    """Our own session, with one runner registered."""
    with connect(database_dsn) as connection:
        register_runner(connection)
        yield connection


@pytest.fixture
def other(database_dsn: str) -> Iterator[Connection]:
    """The other side's session, which may hold a transaction open."""
    with connect(database_dsn) as connection:
        yield connection


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    """Threads for what has to wait."""
    with ThreadPoolExecutor(16) as pool:
        yield pool
