"""Every test here runs on both stores.

The PostgreSQL tests share one database: each has an app of its own, and apps never meet.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import count

import pytest

from tests.contract.driver import Driver
from tests.support.sql import temporary_database
from tests.support.stores import (
    OpenStore,
    PostgresStore,
    open_memory_store,
    open_postgres_store,
)

_numbers = count()


@pytest.fixture(autouse=True)
def no_floors(monkeypatch: pytest.MonkeyPatch) -> None:
    """Claims look from the lowest rank on, however slow the machine is at the moment.

    Else they may for some milliseconds pass over what has a lower rank than what was taken last, as
    work has that a test moves into the past: ``tests/postgres/test_claim_floor.py`` is about that.
    """
    monkeypatch.setattr("pynenc_pg.postgres.floor._SLOW", math.inf)


@pytest.fixture(scope="session")
def shared_store(server_dsn: str, template: str) -> Iterator[PostgresStore]:
    """A store whose pool the stores of all tests share, and whose app has no work."""
    with temporary_database(server_dsn, template) as dsn:
        store = open_postgres_store(dsn, "nobody", pool_size=4)
        yield store
        store.close()


@pytest.fixture(params=["postgres", "memory"])
def store(request: pytest.FixtureRequest) -> Iterator[Driver]:
    """One app's store, empty, with one runner."""
    app_id = f"app-{next(_numbers)}"
    opened: OpenStore
    if request.param == "memory":
        opened = open_memory_store(app_id)
    else:
        shared: PostgresStore = request.getfixturevalue("shared_store")
        opened = shared.for_app(app_id)
    driver = Driver(opened)
    yield driver
    driver.close()
