"""The session in which the schema is migrated: alone, and never in the way of workers for long."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final, TypeVar

import psycopg
import sqlalchemy as sa
import uuid_utils
from alembic.script.revision import RevisionError
from alembic.util import CommandError

from pynenc_pg.domain.chance import chance
from pynenc_pg.exceptions import ConfigError, StoreUnavailableError
from pynenc_pg.postgres import errors, pooler
from pynenc_pg.postgres.conninfo import read_dsn
from pynenc_pg.postgres.templates import render

logger = logging.getLogger(__name__)

MIN_SERVER: Final = 15

#: Whoever waits for a table's lock stops everybody who comes after, so the wait is short. It must
#: be longer than deadlock_timeout (1 s), after which autovacuum gives way to a waiting migration.
LOCK_TIMEOUT: Final = "2s"

_PATIENCE: Final = 120.0  # seconds in which a migration that met a locked table tries again
_TURN: Final = 600.0  # seconds to wait for another migration of the same schema
_LOOK: Final = 0.1  # seconds between two looks whether it is over

#: The role's and the database's own settings are for work, not for migrations.
_SESSION: Final = f"""
set lock_timeout = '{LOCK_TIMEOUT}';
set statement_timeout = 0;
set idle_in_transaction_session_timeout = 0;
set default_transaction_isolation = 'read committed';
set client_min_messages = notice
"""
#: The first half is the function lock_space of the schema, the second its number for migrations.
_TAKE_TURN: Final = "select pg_try_advisory_lock(hashtext('{schema_name}') & 2147483647, -3)"

Session = psycopg.Connection[tuple[Any, ...]]
Result = TypeVar("Result")

# Alembic keeps what it works on in globals of its modules.
_alembic: Final = threading.RLock()


@contextmanager
def alembic_alone() -> Iterator[None]:
    """Run a command of Alembic, one at a time in this process; its errors become ours."""
    with _alembic:
        try:
            yield
        except (CommandError, RevisionError) as error:
            message = f"Alembic: {' '.join(str(error).split())}"
            raise ConfigError(message) from error


@contextmanager
def session(dsn: str) -> Iterator[Session]:
    """Open a session for migrations; what the server has to say goes to the log.

    It needs the server itself, or a pooler in session mode: the lock belongs to the session.

    Raises:
        ConfigError: the DSN cannot be read, leads to a pooler in transaction mode, or the server is
            too old.
        StoreUnavailableError: the server cannot be reached.
    """
    with errors.translated(), _connect(dsn) as opened:
        check_server(opened.info.server_version)
        _check_session(opened, dsn)
        opened.add_notice_handler(_tell)
        opened.execute(_SESSION.encode())
        yield opened


def check_server(number: int) -> None:
    """Refuse a server that is too old; the number is ``server_version_num``, as 150004.

    Raises:
        ConfigError: it is older than PostgreSQL 15.
    """
    if number < MIN_SERVER * 10_000:
        found = number // 10_000
        message = (
            f"the server is PostgreSQL {found}, and pynenc_pg needs {MIN_SERVER} or newer: name "
            "another server, or use dsn = 'embedded'"
        )
        raise ConfigError(message)


def _check_session(opened: Session, dsn: str) -> None:
    if not pooler.stands_before(opened):
        return
    opened.prepare_threshold = None

    def notify(channel: str) -> int:
        with _connect(dsn) as other:
            other.prepare_threshold = None
            row = other.execute(pooler.NOTIFY, (channel,)).fetchone()
            return int(row[0]) if row else 0

    if not pooler.leaves_session(opened, f"pynenc_{uuid_utils.uuid4().hex[:16]}", notify):
        message = (
            "the DSN leads to a pooler in transaction mode, where a migration can hold no lock: "
            "set postgres.direct_dsn (PYNENC__POSTGRES__DIRECT_DSN) to the server itself, or say "
            "pynenc-pg db --dsn DSN"
        )
        raise ConfigError(message)


@contextmanager
def turn(opened: Session, schema: str) -> Iterator[None]:
    """Be the only one who migrates the schema; the lock ends with the session, however it ends.

    Tried again and again, not waited for: a session that waits inside of a statement holds a
    snapshot, which is what CREATE INDEX CONCURRENTLY, run by the one at work, waits for.

    Raises:
        StoreUnavailableError: another migration did not end within ten minutes.
    """
    take = render(_TAKE_TURN, schema).encode()
    began, told = time.monotonic(), False
    while not _value(opened, take):
        if not told:
            logger.info("deploy.waiting: schema %s is being migrated by somebody else", schema)
            told = True
        if time.monotonic() - began > _TURN:
            message = (
                f"another migration of schema {schema} has not ended for {_TURN:.0f} s: look for "
                "'pynenc migrate' in pg_stat_activity"
            )
            raise StoreUnavailableError(message)
        time.sleep(_LOOK)
    yield


def in_one_transaction(
    opened: Session, schema: str, work: Callable[[sa.Connection], Result]
) -> Result:
    """Do the work in one transaction; undo it and try again where a lock is not to be had.

    Raises:
        StoreUnavailableError: a lock was not to be had in two minutes.
    """
    opened.autocommit = False
    engine = sa.create_engine(
        "postgresql+psycopg://", creator=lambda: opened, poolclass=sa.StaticPool
    )
    began, tries = time.monotonic(), 0
    while True:
        try:
            with engine.begin() as connection:
                return work(connection)
        except sa.exc.DBAPIError as error:
            if getattr(error.orig, "sqlstate", None) not in errors.RETRIABLE:
                raise
            if time.monotonic() - began > _PATIENCE:
                message = (
                    f"schema {schema} was not changed: other sessions kept what it needs locked "
                    f"for {_PATIENCE:.0f} s. Look for long transactions in pg_stat_activity"
                )
                raise StoreUnavailableError(message) from error
            tries += 1
            logger.info("deploy.locked: schema %s is in use, trying again (%d)", schema, tries)
        # Workers that stood behind us go first.
        time.sleep(chance.uniform(0.5, 1) * min(2.0, 0.1 * 2**tries))


def _connect(dsn: str) -> Session:
    defaults = {"application_name": "pynenc migrate", "connect_timeout": "10"}
    arguments: dict[str, Any] = {**defaults, **read_dsn(dsn)}
    try:
        return psycopg.connect(autocommit=True, **arguments)
    except psycopg.OperationalError as error:
        # One line, also where each of several addresses has one of its own to say.
        message = " ".join(str(error).split())
        raise StoreUnavailableError(message) from error


def _tell(diagnostic: psycopg.errors.Diagnostic) -> None:
    level = logging.INFO if diagnostic.severity_nonlocalized == "NOTICE" else logging.WARNING
    logger.log(level, "deploy.notice: %s", diagnostic.message_primary)


def _value(opened: Session, query: bytes) -> Any:
    row = opened.execute(query).fetchone()
    return row[0] if row else None
