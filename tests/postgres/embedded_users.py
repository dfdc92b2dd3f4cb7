"""Processes that use an embedded server, and what can be seen of it from outside."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg

from tests.support.stopwatch import Stopwatch

REPOSITORY = Path(__file__).parents[2]


HOLD = """
import sys
from pynenc_pg.postgres.embedded import EmbeddedPostgres
server = EmbeddedPostgres(sys.argv[1], durable=False)
print("ready to start", flush=True)
print(server.start(), flush=True)
sys.stdin.read()
"""


def eventually(holds: Callable[[], bool], seconds: float) -> float:
    """Wait until *holds*, and tell how long it took (see Stopwatch); fail after *seconds*."""
    began, watch = time.monotonic(), Stopwatch()
    while not holds():
        assert time.monotonic() - began < seconds, f"not within {seconds} s"
        time.sleep(0.01)
    return watch.seconds


def running(home: Path) -> dict[int, str]:
    """List supervisors, servers and initdbs on *home*, by their command lines."""
    lines: dict[int, str] = {}
    if Path("/proc/self").exists():
        for entry in Path("/proc").glob("[0-9]*"):
            try:
                command = (entry / "cmdline").read_bytes()
            except OSError:
                continue
            lines[int(entry.name)] = os.fsdecode(command.replace(b"\0", b" "))
    else:
        listing = subprocess.check_output(["ps", "-ww", "-axo", "pid=,args="], text=True)
        for line in listing.splitlines():
            pid, _, words = line.strip().partition(" ")
            lines[int(pid)] = words
    marks = (f"{home.resolve()}/data-", f"{home.resolve()}/init-")
    return {pid: words for pid, words in lines.items() if any(mark in words for mark in marks)}


def supervisor_pid(home: Path) -> int:
    """Return the pid of the one supervisor."""
    (pid,) = [pid for pid, words in running(home).items() if "supervisor.py" in words]
    return pid


def postmaster_pid(home: Path) -> int:
    """Return the pid of the one server."""
    (pid,) = [pid for pid, words in running(home).items() if "supervisor.py" not in words]
    return pid


@contextmanager
def user(home: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process that uses the server until its standard input is closed."""
    with starting_user(home) as process:
        assert process.stdout
        assert process.stdout.readline().startswith("postgresql://")
        yield process


@contextmanager
def starting_user(home: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process that is about to start the server."""
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(home)],
        cwd=REPOSITORY,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            assert process.stdout
            assert process.stdout.readline() == "ready to start\n"
            yield process
        finally:
            process.kill()


def ask(dsn: str, sql: str) -> object:
    """Run one statement in a connection of its own; return its first value, if any."""
    with psycopg.connect(dsn) as connection:
        cursor = connection.execute(sql.encode())
        row = cursor.fetchone() if cursor.description else None
    return row[0] if row else None


def answers(dsn: str) -> bool:
    """Whether a new client is served."""
    try:
        return ask(dsn, "SELECT 1") == 1
    except psycopg.OperationalError:
        return False
