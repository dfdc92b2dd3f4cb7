"""One shop at work for all tests of a module, and browsers at its monitor."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.monitor.places import Browser, Place, opened_shop, visiting
from tests.support.databases import Databases


@pytest.fixture(scope="module")
def place(databases: Databases) -> Iterator[Place]:
    """A shop with one invocation of each kind."""
    with databases.lend() as dsn, opened_shop(dsn) as opened:
        yield opened


@pytest.fixture(scope="module")
def browser(place: Place) -> Iterator[Browser]:
    """Somebody on this machine, who is an operator."""
    with visiting(place.dsn) as opened:
        yield opened
