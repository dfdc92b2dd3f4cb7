"""The embedded server when something goes wrong: killed at any point, lied to, told to stop."""

from __future__ import annotations

import os
import random
import shutil
import signal
import sys
import time
from pathlib import Path

import psycopg
import pytest

from pynenc_pg.postgres.embedded import EmbeddedPostgres
from tests.postgres.embedded_users import (
    answers,
    ask,
    eventually,
    postmaster_pid,
    running,
    starting_user,
    supervisor_pid,
)
from tests.support.stopwatch import Stopwatch


def test_killed_server_and_killed_supervisor(home: Path) -> None:
    """After kill -9 of PostgreSQL its users are served again within two seconds, nothing lost.

    After that of the supervisor start works again at once, and nothing is left in the end.
    """
    with EmbeddedPostgres(home) as server:
        ask(server.dsn, "CREATE TABLE kept AS SELECT 42 AS n")
        killed = postmaster_pid(home)
        os.kill(killed, signal.SIGKILL)
        eventually(lambda: killed not in running(home), 5)
        assert eventually(lambda: answers(server.dsn), 30) < 2
        assert ask(server.dsn, "SELECT n FROM kept") == 42
        assert postmaster_pid(home) != killed
        killed = supervisor_pid(home)
        os.kill(killed, signal.SIGKILL)
        eventually(lambda: killed not in running(home), 5)
        watch = Stopwatch()
        server.start()
        assert watch.seconds < 2
        assert ask(server.dsn, "SELECT n FROM kept") == 42
        assert supervisor_pid(home) != killed
    assert eventually(lambda: not running(home), 20) < 1


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="orphans are found on Linux")
def test_busy_session_of_a_killed_server(used_home: Path) -> None:
    """A session that never looks up from its work does not keep a killed server down."""
    with EmbeddedPostgres(used_home, durable=False) as server:
        with psycopg.connect(server.dsn) as busy:
            busy.pgconn.send_query(b"DO 'BEGIN LOOP END LOOP; END'")
            working = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'DO %LOOP%'"
            eventually(lambda: ask(server.dsn, working) == 1, 5)
            os.kill(postmaster_pid(used_home), signal.SIGKILL)
            busy.close()
        assert eventually(lambda: answers(server.dsn), 30) < 2


def test_supervisor_told_to_stop(home: Path) -> None:
    """SIGTERM to the supervisor (a machine shutting down) stops the server in order."""
    with EmbeddedPostgres(home, durable=False) as server:
        os.kill(supervisor_pid(home), signal.SIGTERM)
        eventually(lambda: not running(home), 5)
        assert "database system is shut down" in (home / "server.log").read_text()
        assert answers(server.start())


def test_killed_in_the_middle_of_initdb(empty_home: Path) -> None:
    """A half-made database is never taken for one; what is left of it goes away."""
    home = empty_home
    with starting_user(home) as process:
        eventually(lambda: bool(list(home.glob("init-*/base"))), 10)
        process.kill()
        process.wait()
    assert not list(home.glob("data-*"))
    with EmbeddedPostgres(home, durable=False) as server:
        assert answers(server.dsn)
    eventually(lambda: not running(home), 5)
    with EmbeddedPostgres(home, durable=False):
        assert not list(home.glob("init-*"))


def test_pid_file_that_lies(home: Path) -> None:
    """Pid files whose number now belongs to another program do not stop a start."""
    with EmbeddedPostgres(home, durable=False) as server:
        data, sockets = home / f"data-{server.binaries.version}", home / "socket"
        files = {
            file: file.read_text()
            for file in (data / "postmaster.pid", sockets / ".s.PGSQL.5432.lock")
        }
    eventually(lambda: not running(home), 5)
    for file, text in files.items():
        file.write_text(text.replace(text.split("\n", 1)[0], str(os.getpid()), 1))
    with EmbeddedPostgres(home, durable=False) as server:
        assert answers(server.dsn)


@pytest.mark.parametrize("rounds", [3, pytest.param(50, marks=pytest.mark.long)])
def test_killed_at_random_moments(empty_home: Path, rounds: int) -> None:
    """However far a boot had come when its process was killed, the next one works, none leaks."""
    home = empty_home
    seed = random.randrange(1_000_000)
    chance = random.Random(seed)
    for number in range(rounds):
        cold = number % 4 == 0
        if cold:
            shutil.rmtree(home, ignore_errors=True)
        with starting_user(home) as process:
            time.sleep(chance.uniform(0, 0.7 if cold else 0.15))
            process.kill()
            process.wait()
        if number % 2:
            eventually(lambda: not running(home), 5)
        with EmbeddedPostgres(home, durable=False) as server:
            assert answers(server.dsn), f"round {number}, seed {seed}"
        eventually(lambda: not running(home), 5)
