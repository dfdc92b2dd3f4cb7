"""Tasks whose arguments, results and errors nobody may read in a log.

A worker process that imports this module logs everything that any library has to say, where
``LOG_EVERYTHING`` is set.
"""

from __future__ import annotations

import logging
import os
import threading
from typing import NoReturn

from pynenc_pg import Pynenc, RetryError

app = Pynenc("logs")

#: Whoever is in the same process as a secret: ourselves, the driver, and what they stand on.
LOGGERS = (
    *("", "pynenc", "pynenc_pg", "psycopg", "psycopg.pool", "alembic"),
    *("asyncio", "sqlalchemy", "sqlalchemy.engine", "sqlalchemy.pool", "concurrent.futures"),
)


def log_everything() -> None:
    """Hold back nothing."""
    for name in LOGGERS:
        logging.getLogger(name).setLevel(logging.DEBUG)


if os.environ.get("LOG_EVERYTHING"):
    log_everything()


class Unspeakable(Exception):  # noqa: N818 - as a user names things
    """An error that takes down whoever looks at it."""

    def __str__(self) -> str:
        """End the interpreter, or try to."""
        raise SystemExit(self.args[0])


@app.task
def echo(secret: str) -> str:
    """Return the argument, and log it as a careful user does."""
    echo.logger.info("called with %s", echo.invocation.arguments)
    fields = {"event": "shop.called", "arguments": echo.invocation.arguments}
    logging.getLogger("shop").info("A careful user was here", extra=fields)
    return secret


@app.task
def fail(secret: str) -> NoReturn:
    """Raise the argument, caused by the argument."""
    raise ValueError(secret) from KeyError(secret)


@app.task(max_retries=1)
def fail_once(secret: str) -> str:
    """Raise the argument, and return it at the second attempt."""
    if not fail_once.invocation.num_retries:
        raise RetryError(secret)
    return secret


@app.task
def return_a_lock(secret: str) -> object:
    """Return what cannot be carried, together with the argument."""
    return {secret: threading.Lock()}


@app.task
def be_unspeakable(secret: str) -> NoReturn:
    """Raise what cannot be said."""
    raise Unspeakable(secret)


@app.task
def leave(secret: str) -> NoReturn:
    """Ask the interpreter to end, and tell it why."""
    raise SystemExit(secret)
