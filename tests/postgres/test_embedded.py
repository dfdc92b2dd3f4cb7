"""The life of an embedded server: who starts it, who shares it, when it stops, what it survives.

Real servers in throw-away folders.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg
import pytest

from pynenc_pg.exceptions import EmbeddedServerError
from pynenc_pg.postgres.embedded import EmbeddedPostgres, locks, server
from tests.postgres.embedded_users import (
    HOLD,
    REPOSITORY,
    answers,
    ask,
    eventually,
    postmaster_pid,
    running,
    supervisor_pid,
    user,
)

# --- start and stop ---------------------------------------------------------------------------


def test_starts_from_nothing(empty_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty folder becomes a server whose database is pynenc, in UTF-8.

    Settings meant for another PostgreSQL neither reach the server nor divert its clients.
    """
    monkeypatch.setenv("PGPORT", "6543")
    monkeypatch.setenv("PGDATA", "/nowhere")
    monkeypatch.setenv("PGDATABASE", "other")
    monkeypatch.setenv("PYTHONPATH", "/nowhere")
    with EmbeddedPostgres(empty_home, durable=False) as server:
        assert ask(server.dsn, "SELECT current_database()") == "pynenc"
        assert ask(server.dsn, "SHOW server_encoding") == "UTF8"
        assert ask(server.dsn, "SHOW max_connections") == "300"
        assert ask(server.dsn, "SELECT 'a' < 'B'") is False
        assert server.binaries.version >= 15
        assert server.dsn.startswith("postgresql://postgres@/pynenc?host=/")


def test_durable_is_the_default(home: Path) -> None:
    """Unless asked otherwise a commit is on the disk, and data survive a warm start."""
    with EmbeddedPostgres(home) as server:
        assert ask(server.dsn, "SHOW fsync") == "on"
        assert ask(server.dsn, "SHOW full_page_writes") == "on"
        ask(server.dsn, "CREATE TABLE kept AS SELECT 42 AS n")
    eventually(lambda: not running(home), 5)
    with EmbeddedPostgres(home) as server:
        assert ask(server.dsn, "SELECT n FROM kept") == 42


def test_throw_away_server_that_is_opened_and_closed_twice(home: Path) -> None:
    """durable=False trades safety for speed.

    Threads that start it at once all get its DSN, a second close is harmless, and the object can be
    used again.
    """
    server = EmbeddedPostgres(home, durable=False)
    with ThreadPoolExecutor(4) as pool:
        assert {*pool.map(lambda _: server.start(), range(4))} == {server.dsn}
    shown = [ask(server.dsn, f"SHOW {name}") for name in ("fsync", "synchronous_commit")]
    assert shown == ["off", "off"]
    server.close()
    server.close()
    assert answers(server.start())
    server.close()
    assert eventually(lambda: not running(home), 20) < 1


def test_no_dsn_before_start(empty_home: Path) -> None:
    """Asking for the DSN too early is a clear error, and touches nothing."""
    with pytest.raises(EmbeddedServerError, match=r"before start\(\)"):
        _ = EmbeddedPostgres(empty_home).dsn
    assert not empty_home.exists()


def test_unsupported_system(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where there is no flock (Windows) the error says what to do instead."""
    monkeypatch.setattr(locks, "SUPPORTED", False)
    with pytest.raises(EmbeddedServerError, match="Linux and macOS only"):
        EmbeddedPostgres()


def test_server_that_cannot_start_is_explained(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A broken data folder ends in an error that quotes the server's log, and leaves no process."""
    version = EmbeddedPostgres(home).binaries.version
    (home / f"data-{version}" / "global" / "pg_control").unlink()
    monkeypatch.setattr(server, "_START_WAIT", 1.0)
    with pytest.raises(EmbeddedServerError, match="pg_control"):
        EmbeddedPostgres(home, durable=False).start()
    eventually(lambda: not running(home), 5)


# --- sharing ----------------------------------------------------------------------------------


def test_two_processes_share_one_server(used_home: Path) -> None:
    """Whoever opens the same folder meets the same server, which outlives its starter."""
    with user(used_home) as starter:
        pid = postmaster_pid(used_home)
        with EmbeddedPostgres(used_home, durable=False) as mine:
            starter.communicate()
            time.sleep(0.5)
            assert answers(mine.dsn)
            assert postmaster_pid(used_home) == pid


def test_stops_after_the_last_clean_exit(used_home: Path) -> None:
    """The server is gone within a second of its last user's end."""
    with user(used_home) as process:
        assert running(used_home)
        process.communicate()
    assert eventually(lambda: not running(used_home), 20) < 1


def test_stops_after_the_last_user_is_killed(used_home: Path) -> None:
    """The server goes with its only user, killed with -9, within a second."""
    with user(used_home) as process:
        process.kill()
        process.wait()
    assert eventually(lambda: not running(used_home), 20) < 1


def test_users_that_leave_others_behind(used_home: Path) -> None:
    """They keep the server, connections included: of a user that was killed, or that closed.

    Each object of a process counts as a user of its own; a forked child that calls start holds the
    server itself, and closing there spares the parent.
    """
    with (
        EmbeddedPostgres(used_home, durable=False) as server,
        psycopg.connect(server.dsn) as connection,
    ):
        with user(used_home) as other:
            other.kill()
            other.wait()
        two = EmbeddedPostgres(used_home, durable=False)
        assert two.start() == server.dsn
        two.close()
        _start_and_close_in_a_child(server)
        time.sleep(0.5)
        assert connection.execute("SELECT 1").fetchone() == (1,)
        assert answers(server.dsn)


def _start_and_close_in_a_child(server: EmbeddedPostgres) -> None:
    child = os.fork()
    if child == 0:
        code = 1
        try:
            server.start()
            server.close()
            code = 0
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


@pytest.mark.parametrize("many", [3, pytest.param(8, marks=pytest.mark.long)])
def test_concurrent_cold_starts(empty_home: Path, many: int) -> None:
    """Processes that open an empty folder at once all succeed, with one server."""
    home = empty_home
    starters = [
        subprocess.Popen(
            [sys.executable, "-c", HOLD, str(home)],
            cwd=REPOSITORY,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(many)
    ]
    try:
        lines = []
        for process in starters:
            assert process.stdout
            assert process.stdout.readline() == "ready to start\n"
            lines.append(process.stdout.readline().strip())
        assert len(set(lines)) == 1
        assert answers(lines[0])
        assert postmaster_pid(home)
        assert supervisor_pid(home)
    finally:
        for process in starters:
            process.communicate()
    assert [process.returncode for process in starters] == [0] * many


def test_forked_child_does_not_keep_it_alive(used_home: Path) -> None:
    """A child forked by a user holds nothing: the server goes with the parent."""
    code = HOLD.replace(
        "sys.stdin.read()",
        "import os, time\n"
        "if os.fork() == 0:\n"
        "    print('forked', flush=True)\n"
        "    time.sleep(100)\n"
        "    os._exit(0)\n"
        "sys.stdin.read()",
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code, str(used_home)],
        cwd=REPOSITORY,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        assert process.stdout
        assert process.stdout.readline() == "ready to start\n"
        assert process.stdout.readline().startswith("postgresql://")
        assert process.stdout.readline() == "forked\n"
        process.kill()
        process.wait()
        assert eventually(lambda: not running(used_home), 20) < 1
        os.killpg(process.pid, 0)  # the child is still there
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
