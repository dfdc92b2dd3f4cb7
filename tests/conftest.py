"""A real PostgreSQL for the tests: a DSN if given, else Docker if it answers, else embedded.

Each test that asks for ``database_dsn`` gets a database of its own, copied from a migrated
template, and may do with it as it likes.
"""

from __future__ import annotations

import os
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from itertools import count
from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from pynenc_pg.postgres import deploy
from pynenc_pg.postgres.embedded import EmbeddedPostgres
from tests.support.databases import Databases

# What tests start is imported hundreds of times: without its bytecode that is a third of the time.
if os.environ.pop("PYTHONDONTWRITEBYTECODE", None):
    sys.dont_write_bytecode = False

# Under nohup, or in the background of a script, these are ignored, and by all that tests start.
for _number, _usual in (
    (signal.SIGHUP, signal.SIG_DFL),
    (signal.SIGINT, signal.default_int_handler),
):
    if signal.getsignal(_number) is signal.SIG_IGN:
        signal.signal(_number, _usual)

_numbers = count()
_RUN = os.environ.get("PYTEST_XDIST_TESTRUNUID") or str(os.getpid())
_WORKER = os.environ.get("PYTEST_XDIST_WORKER", "main")
#: Not below pytest's own folder: that is 0700, and as root the server runs as somebody else.
_HOME = Path(tempfile.gettempdir()) / f"pynenc-pg-tests-{os.getuid()}-{_RUN}"


def _docker_answers() -> bool:
    try:
        import docker  # noqa: PLC0415

        docker.from_env(timeout=2).ping()
    except Exception:  # noqa: BLE001 - whatever it is, there is no Docker to use
        return False
    return True


@pytest.fixture(scope="session")
def server_dsn() -> Iterator[str]:
    """The server all tests of this process share."""
    given = os.environ.get("PYNENC_TEST_DSN")
    if given:
        yield given
    elif os.environ.get("PYNENC_TEST_DOCKER", "1") == "1" and _docker_answers():
        from testcontainers.postgres import PostgresContainer  # noqa: PLC0415

        with PostgresContainer("postgres:18", driver=None) as container:
            yield container.get_connection_url()
    else:
        _HOME.mkdir(mode=0o755, exist_ok=True)
        with EmbeddedPostgres(_HOME / _WORKER, durable=False) as server:
            yield server.dsn
        patience = time.monotonic() + 10
        while (_HOME / _WORKER).exists() and time.monotonic() < patience:  # it is about to end
            shutil.rmtree(_HOME / _WORKER, ignore_errors=True)
            time.sleep(0.1)
        with suppress(OSError):  # of another process of this run
            _HOME.rmdir()


@pytest.fixture(scope="session")
def template(server_dsn: str) -> Iterator[str]:
    """The name of a migrated database that nobody connects to."""
    name = f"template_{_RUN[:8]}_{_WORKER}".replace("-", "_")
    with psycopg.connect(server_dsn, autocommit=True) as admin:
        admin.execute(f"drop database if exists {name}")
        admin.execute(f"create database {name}")
        deploy.migrate(make_conninfo(server_dsn, dbname=name))
        yield name
        admin.execute(f"drop database if exists {name} with (force)")


@pytest.fixture
def empty_database_dsn(server_dsn: str) -> Iterator[str]:
    """A database without our schema."""
    yield from _database(server_dsn, "template1")


@pytest.fixture(scope="session")
def databases(server_dsn: str, template: str) -> Iterator[Databases]:
    """Those that tests have one after the other."""
    made = Databases(server_dsn, template, f"test_{_RUN[:8]}_{_WORKER}")
    yield made
    made.close()


@pytest.fixture
def database_dsn(databases: Databases) -> Iterator[str]:
    """A migrated database without a row."""
    with databases.lend() as dsn:
        yield dsn


def _database(server_dsn: str, template: str) -> Iterator[str]:
    name = f"other_{_RUN[:8]}_{_WORKER}_{next(_numbers)}".replace("-", "_")
    with psycopg.connect(server_dsn, autocommit=True) as admin:
        admin.execute(f"create database {name} template {template} strategy file_copy")
        yield make_conninfo(server_dsn, dbname=name)
        admin.execute(f"drop database if exists {name} with (force)")
