"""What the faults are injected into."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from tests.faults.bodies import SIDE
from tests.faults.fleet import Nursery
from tests.faults.server import OwnServer, migrated, own_server
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


@pytest.fixture(scope="session")
def pattern() -> Iterator[Path]:
    """What servers begin with that tests have for themselves: it is dear to make."""
    with migrated() as home:
        yield home


@pytest.fixture
def server(pattern: Path) -> Iterator[OwnServer]:
    """A server that the test may kill; its database is migrated."""
    with own_server(pattern, "max_connections=40") as server:
        yield server


@pytest.fixture
def own_site(server: OwnServer, bodies: str, nursery: Nursery, tmp_path: Path) -> Iterator[Site]:
    """A queue on a server of its own."""
    site = Site(server.dsn, bodies, nursery, tmp_path)
    yield site
    site.close()
