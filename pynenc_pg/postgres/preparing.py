"""What is done ahead of a migration, step by step, while workers work: the slow part of it.

``migrations/sql/NNNN/before/*.sql`` are queries whose rows are the statements that are still to be
run, so what was broken off goes on where it ended. A revision does not rely on them: without them
it makes the same schema, and keeps its locks for longer.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

import psycopg

from pynenc_pg.domain.chance import chance
from pynenc_pg.exceptions import StoreUnavailableError
from pynenc_pg.postgres import errors
from pynenc_pg.postgres.migrating import LOCK_TIMEOUT
from pynenc_pg.postgres.templates import frozen_files, render

if TYPE_CHECKING:
    from pynenc_pg.postgres.migrating import Session

logger = logging.getLogger(__name__)

#: Nobody stands behind whoever waits to build an index concurrently.
_CONCURRENT_TIMEOUT: Final = "60s"
_PATIENCE: Final = 600.0  # seconds in which a step that met a lock tries again


def left_to_do(opened: Session, schema: str, folders: Sequence[Path]) -> Iterator[str]:
    """Yield the statements that are to be run, as they stand now; nothing is run, or locked."""
    for folder in folders:
        for path in frozen_files(folder):
            yield from _statements(opened, schema, path)


def prepare(opened: Session, schema: str, folders: Sequence[Path]) -> None:
    """Run them one by one, each in a transaction of its own; asked anew after each round.

    Raises:
        StoreUnavailableError: a lock was not to be had in ten minutes. What was done stays done.
    """
    since: float | None = None  # when a lock was first not to be had
    for path in (path for folder in folders for path in frozen_files(folder)):
        while statements := _statements(opened, schema, path):
            for statement in statements:
                if _run(opened, statement):
                    since = None
                    continue
                since = since or time.monotonic()
                _wait(schema, since)
                break  # a broken index must go first


def _statements(opened: Session, schema: str, path: Path) -> list[str]:
    query = render(path.read_text(encoding="utf-8"), schema)
    return [row[0] for row in opened.execute(query.encode()).fetchall()]


def _run(opened: Session, statement: str) -> bool:
    """Run one in a transaction of its own; False if a lock was not to be had."""
    timeout = _CONCURRENT_TIMEOUT if " concurrently " in statement else LOCK_TIMEOUT
    logger.info("deploy.preparing: %s", statement)
    opened.execute(f"set lock_timeout = '{timeout}'".encode())
    try:
        opened.execute(statement.encode())
    except psycopg.Error as error:
        if error.sqlstate not in errors.RETRIABLE:
            raise
        return False
    finally:
        if not opened.closed:
            opened.execute(f"set lock_timeout = '{LOCK_TIMEOUT}'".encode())
    return True


def _wait(schema: str, since: float) -> None:
    if time.monotonic() - since > _PATIENCE:
        message = (
            f"schema {schema} is not ready for its migration: other sessions kept what it needs "
            f"locked for {_PATIENCE:.0f} s. Look for long transactions in pg_stat_activity"
        )
        raise StoreUnavailableError(message)
    logger.info("deploy.locked: schema %s is in use, trying again", schema)
    time.sleep(chance.uniform(0.5, 1))
