"""The pytest plugin: the app in memory, at the call, or on a database of its own for each test.

Nothing is started and nothing imported before a test asks for a fixture. Which app it is stands in
the configuration of pytest, as ``pynenc_app = "shop.tasks:app"``, or in a fixture ``pynenc_app`` of
your own.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import datetime
from pkgutil import resolve_name
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pynenc_pg.app import Pynenc
    from pynenc_pg.testing.database import DatabaseWorld
    from pynenc_pg.testing.servers import Databases
    from pynenc_pg.testing.world import World


def pytest_addoption(parser: pytest.Parser) -> None:
    """Say where the app and the server are."""
    parser.addini("pynenc_app", "the Pynenc app that is tested: module:attribute", default="")
    group = parser.getgroup("pynenc_pg")
    group.addoption(
        "--pynenc-dsn",
        metavar="DSN",
        help="PostgreSQL for the tests, in which databases may be made (else PYNENC_TEST_DSN, else "
        "a container where Docker answers, else the embedded server)",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Make the marker known."""
    config.addinivalue_line(
        "markers", "pynenc_now(moment): where the clock of pynenc_world begins, aware of its zone"
    )


@pytest.fixture(scope="session")
def pynenc_app(pytestconfig: pytest.Config) -> Pynenc:
    """Return the app that is tested."""
    where = pytestconfig.getini("pynenc_app")
    if not where:
        message = (
            "which app? Set pynenc_app = module:attribute in the configuration of pytest, or write "
            "a fixture pynenc_app that returns it"
        )
        raise pytest.UsageError(message)
    app: Pynenc = resolve_name(where)
    return app


@pytest.fixture
def pynenc_eager(pynenc_app: Pynenc) -> Iterator[Pynenc]:
    """Execute each task at its call, in the test's thread."""
    from pynenc_pg.testing.world import eager  # noqa: PLC0415

    with eager(pynenc_app):
        yield pynenc_app


@pytest.fixture
def pynenc_world(pynenc_app: Pynenc, request: pytest.FixtureRequest) -> Iterator[World]:
    """Give the app an empty store in memory, and a clock that the test moves."""
    from pynenc_pg.testing.world import in_memory  # noqa: PLC0415

    with in_memory(pynenc_app, now=_moment(request)) as world:
        yield world


@pytest.fixture(scope="session")
def pynenc_databases(pytestconfig: pytest.Config) -> Iterator[Databases]:
    """Have a server, and make databases of it."""
    from pynenc_pg.testing import servers  # noqa: PLC0415

    worker = os.environ.get("PYTEST_XDIST_WORKER", "main")
    run = f"{os.environ.get('PYTEST_XDIST_TESTRUNUID', '')[:8] or os.getpid()}_{worker}"
    given = pytestconfig.getoption("pynenc_dsn") or os.environ.get(servers.VARIABLE)
    with servers.server(given, run) as dsn:
        databases = servers.Databases(dsn, f"pynenc_test_{run}")
        try:
            yield databases
        finally:
            databases.close()


@pytest.fixture(scope="session")
def pynenc_schema(request: pytest.FixtureRequest) -> str:
    """Return the schema of the tables: the one of the app, if one is named."""
    if request.config.getini("pynenc_app"):
        app = request.getfixturevalue("pynenc_app")
        return str(app.conf.postgres.schema_name)
    return "pynenc"


@pytest.fixture
def pynenc_dsn(pynenc_databases: Databases, pynenc_schema: str) -> Iterator[str]:
    """Return the DSN of a migrated database that is the test's own."""
    with pynenc_databases.lend(pynenc_schema) as dsn:
        yield dsn


@pytest.fixture
def pynenc_database(pynenc_app: Pynenc, pynenc_dsn: str) -> Iterator[DatabaseWorld]:
    """Let the app work on a database that is the test's own."""
    from pynenc_pg.testing.database import on_postgres  # noqa: PLC0415

    with on_postgres(pynenc_app, pynenc_dsn) as world:
        yield world


def _moment(request: pytest.FixtureRequest) -> datetime | None:
    marker = request.node.get_closest_marker("pynenc_now")
    if marker is None:
        return None
    match marker.args:
        case (datetime() as moment,):
            return moment
    message = "@pytest.mark.pynenc_now takes one datetime, as datetime(2030, 1, 1, tzinfo=UTC)"
    raise pytest.UsageError(message)
