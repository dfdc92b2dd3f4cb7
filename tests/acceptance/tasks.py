"""Tasks for worker processes that the tests start. The DSN comes by environment."""

from __future__ import annotations

import os
import time

import psycopg

from pynenc_pg import Pynenc, RetryError

app = Pynenc("acceptance")


@app.task
def add(x: int, y: int) -> int:
    """Return the sum."""
    return x + y


@app.task
def divide(x: int, y: int) -> float:
    """Fail for y == 0."""
    return x / y


@app.task
def tell(number: int, seconds: float) -> int:
    """Leave a mark that it began, then work for a while."""
    with psycopg.connect(os.environ["TELL_DSN"], autocommit=True) as connection:
        connection.execute(
            "insert into begun (number, pid, at) values (%s, %s, clock_timestamp())",
            (number, os.getpid()),
        )
    time.sleep(seconds)
    return number


@app.task(max_retries=3)
def third_time(path: str) -> int:
    """Succeed at the third attempt."""
    with open(path, "a+", encoding="utf-8") as file:  # noqa: PTH123 - append and read at once
        file.write("x")
        file.seek(0)
        attempts = len(file.read())
    if attempts < 3:
        message = f"attempt {attempts}"
        raise RetryError(message)
    return attempts


@app.task
def leave() -> None:
    """Ask the interpreter to end."""
    raise SystemExit(3)


@app.task
def kill_worker() -> None:
    """Take the worker down."""
    os._exit(9)
