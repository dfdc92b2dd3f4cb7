"""What unit tests leave as they found it."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest


@pytest.fixture
def restored_logging() -> Iterator[None]:
    """Leave logging as it was found."""
    root = logging.getLogger()
    loggers = [root, *(logging.getLogger(name) for name in ("psycopg", "alembic"))]
    levels, handlers = [logger.level for logger in loggers], root.handlers[:]
    yield
    root.handlers[:] = handlers
    for logger, level in zip(loggers, levels, strict=True):
        logger.setLevel(level)
