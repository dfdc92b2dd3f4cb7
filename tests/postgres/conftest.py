"""Sessions for races and for the guard, threads for what has to wait, a folder for a server."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.postgres.embedded_users import eventually, running
from tests.support import clusters
from tests.support.plain_sql import undone
from tests.support.sql import Connection, connect, register_runner, temporary_database


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


@pytest.fixture(scope="module")
def session(server_dsn: str, template: str) -> Iterator[Connection]:
    """One session on one database: each test undoes what it did."""
    with temporary_database(server_dsn, template) as dsn, connect(dsn) as connection:
        yield connection


@pytest.fixture
def connection(session: Connection) -> Iterator[Connection]:
    """A transaction that is rolled back."""
    with undone(session):
        # What is called into a new queue can be claimed at once, as after a commit.
        session.execute("set constraints pynenc.add_queues immediate")
        yield session


def _outer() -> Path:
    """Make a folder that also the account can reach to which root lends a server."""
    outer = Path(tempfile.mkdtemp(prefix="pynenc_pg-test-", dir="/var/tmp"))
    outer.chmod(0o711)
    return outer


@pytest.fixture
def empty_home(tmp_path: Path) -> Iterator[Path]:
    """Name a folder for a server; as root it lies where the server's account can go."""
    folder = (tmp_path if os.geteuid() else _outer()) / "home"
    yield folder
    eventually(lambda: not running(folder), 10)
    shutil.rmtree(folder if os.geteuid() else folder.parent, ignore_errors=True)


@pytest.fixture(scope="session")
def pattern() -> Iterator[Path]:
    """The home of a server that has never run, to be copied: making one is dear."""
    outer = _outer()
    yield clusters.make(outer / "pattern")
    shutil.rmtree(outer)


@pytest.fixture
def home(empty_home: Path, pattern: Path) -> Path:
    """A folder with data for a server that has never run."""
    clusters.seed(empty_home, pattern)
    return empty_home


@pytest.fixture(scope="session")
def _used(pattern: Path) -> Iterator[Path]:
    outer = _outer()
    clusters.seed(outer / "home", pattern)
    yield outer / "home"
    shutil.rmtree(outer)


@pytest.fixture
def used_home(_used: Path) -> Iterator[Path]:
    """The folder of a server that other tests have had, and left in good order."""
    yield _used
    eventually(lambda: not running(_used), 10)
