"""What the faults are injected into."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from pynenc_pg.postgres import deploy
from tests.faults.bodies import SIDE
from tests.faults.fleet import Nursery
from tests.faults.server import OwnServer, own_server
from tests.faults.site import Site
from tests.support.checker import BODY_RUN


@pytest.fixture(scope="session")
def nursery() -> Iterator[Nursery]:
    """Start workers from here."""
    nursery = Nursery()
    yield nursery
    nursery.close()


@pytest.fixture
def bodies(empty_database_dsn: str) -> str:
    """Name the database where task bodies leave their records."""
    with psycopg.connect(empty_database_dsn, autocommit=True) as side:
        side.execute(BODY_RUN)
        side.execute(SIDE)
    return empty_database_dsn


@pytest.fixture
def site(database_dsn: str, bodies: str, nursery: Nursery, tmp_path: Path) -> Iterator[Site]:
    """A queue on the server all tests share."""
    site = Site(database_dsn, bodies, nursery, tmp_path)
    yield site
    site.close()


@pytest.fixture
def server() -> Iterator[OwnServer]:
    """A server that the test may kill; its database is migrated."""
    with own_server("max_connections=40") as server:
        deploy.migrate(server.dsn)
        yield server


@pytest.fixture
def own_site(server: OwnServer, bodies: str, nursery: Nursery, tmp_path: Path) -> Iterator[Site]:
    """A queue on a server of its own."""
    site = Site(server.dsn, bodies, nursery, tmp_path)
    yield site
    site.close()
