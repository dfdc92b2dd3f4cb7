"""The life of an embedded server: who starts it, who shares it, when it stops, what it survives.

Real servers in throw-away folders.
"""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
import pytest

from pynenc_pg.exceptions import EmbeddedServerError
from pynenc_pg.postgres.embedded import EmbeddedPostgres, locks, server

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

REPOSITORY = Path(__file__).parents[2]

HOLD = """
import sys
from pynenc_pg.postgres.embedded import EmbeddedPostgres
server = EmbeddedPostgres(sys.argv[1], durable=False)
print("ready to start", flush=True)
print(server.start(), flush=True)
sys.stdin.read()
"""


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Path]:
    """Name a folder for a server; as root it lies where the server's account can go."""
    if os.geteuid():
        folder = tmp_path / "home"
    else:
        outer = Path(tempfile.mkdtemp(prefix="pynenc_pg-test-", dir="/var/tmp"))
        outer.chmod(0o711)
        folder = outer / "home"
    yield folder
    eventually(lambda: not running(folder), 10)
    shutil.rmtree(folder if os.geteuid() else folder.parent, ignore_errors=True)


def eventually(holds: Callable[[], bool], seconds: float) -> float:
    """Wait until *holds*, and tell how long it took; fail after *seconds*."""
    began = time.monotonic()
    while not holds():
        assert time.monotonic() - began < seconds, f"not within {seconds} s"
        time.sleep(0.01)
    return time.monotonic() - began


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


# --- start and stop ---------------------------------------------------------------------------


def test_starts_from_nothing(home: Path) -> None:
    """An empty folder becomes a server whose database is pynenc, in UTF-8."""
    with EmbeddedPostgres(home, durable=False) as server:
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


def test_throw_away_server_does_not_sync(home: Path) -> None:
    """durable=False trades safety for speed."""
    with EmbeddedPostgres(home, durable=False) as server:
        shown = [ask(server.dsn, f"SHOW {name}") for name in ("fsync", "synchronous_commit")]
    assert shown == ["off", "off"]


def test_start_and_close_are_idempotent(home: Path) -> None:
    """A second start joins, a second close is harmless, and the object can be used again."""
    server = EmbeddedPostgres(home, durable=False)
    assert server.start() == server.start()
    server.close()
    server.close()
    assert answers(server.start())
    server.close()


def test_no_dsn_before_start(home: Path) -> None:
    """Asking for the DSN too early is a clear error, and touches nothing."""
    with pytest.raises(EmbeddedServerError, match=r"before start\(\)"):
        _ = EmbeddedPostgres(home).dsn
    assert not home.exists()


def test_unsupported_system(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where there is no flock (Windows) the error says what to do instead."""
    monkeypatch.setattr(locks, "SUPPORTED", False)
    with pytest.raises(EmbeddedServerError, match="Linux and macOS only"):
        EmbeddedPostgres()


def test_server_that_cannot_start_is_explained(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A broken data folder ends in an error that quotes the server's log, and leaves no process."""
    with EmbeddedPostgres(home, durable=False) as postgres:
        version = postgres.binaries.version
    eventually(lambda: not running(home), 5)
    (home / f"data-{version}" / "global" / "pg_control").unlink()
    monkeypatch.setattr(server, "_START_WAIT", 1.0)
    with pytest.raises(EmbeddedServerError, match="pg_control"):
        EmbeddedPostgres(home, durable=False).start()
    eventually(lambda: not running(home), 5)


# --- sharing ----------------------------------------------------------------------------------


def test_two_processes_share_one_server(home: Path) -> None:
    """Whoever opens the same folder meets the same server, which outlives its starter."""
    with EmbeddedPostgres(home, durable=False) as mine:
        with user(home) as starter:
            pid = postmaster_pid(home)
            starter.communicate()
        time.sleep(0.5)
        assert answers(mine.dsn)
        assert postmaster_pid(home) == pid


def test_two_objects_of_one_process(home: Path) -> None:
    """Each object counts as a user of its own: closing one leaves the other its server."""
    with EmbeddedPostgres(home, durable=False) as one:
        two = EmbeddedPostgres(home, durable=False)
        assert two.start() == one.dsn
        two.close()
        time.sleep(0.5)
        assert answers(one.dsn)


def test_stops_after_the_last_clean_exit(home: Path) -> None:
    """The server is gone within a second of its last user's end."""
    with user(home) as process:
        assert running(home)
        process.communicate()
    assert eventually(lambda: not running(home), 5) < 1


def test_stops_after_the_last_user_is_killed(home: Path) -> None:
    """The server goes with its only user, killed with -9, within a second."""
    with user(home) as process:
        process.kill()
        process.wait()
    assert eventually(lambda: not running(home), 5) < 1


def test_one_of_two_users_killed(home: Path) -> None:
    """The other user keeps the server, connections included."""
    with (
        EmbeddedPostgres(home, durable=False) as server,
        psycopg.connect(server.dsn) as connection,
    ):
        with user(home) as other:
            other.kill()
            other.wait()
        time.sleep(0.5)
        assert connection.execute("SELECT 1").fetchone() == (1,)


def test_concurrent_cold_starts(home: Path) -> None:
    """Eight processes that open an empty folder at once all succeed, with one server."""
    starters = [
        subprocess.Popen(
            [sys.executable, "-c", HOLD, str(home)],
            cwd=REPOSITORY,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(8)
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
    assert [process.returncode for process in starters] == [0] * 8


def test_forked_child_does_not_keep_it_alive(home: Path) -> None:
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
        [sys.executable, "-c", code, str(home)],
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
        assert eventually(lambda: not running(home), 5) < 1
        os.killpg(process.pid, 0)  # the child is still there
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


def test_forked_child_can_be_a_user(home: Path) -> None:
    """A forked child that calls start holds the server itself; closing there spares the parent."""
    with EmbeddedPostgres(home, durable=False) as server:
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
        time.sleep(0.5)
        assert answers(server.dsn)


# --- faults -----------------------------------------------------------------------------------


def test_killed_server_comes_back(home: Path) -> None:
    """After kill -9 of PostgreSQL its users are served again within two seconds, nothing lost."""
    with EmbeddedPostgres(home) as server:
        ask(server.dsn, "CREATE TABLE kept AS SELECT 42 AS n")
        killed = postmaster_pid(home)
        os.kill(killed, signal.SIGKILL)
        eventually(lambda: killed not in running(home), 5)
        assert eventually(lambda: answers(server.dsn), 10) < 2
        assert ask(server.dsn, "SELECT n FROM kept") == 42
        assert postmaster_pid(home) != killed


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="orphans are found on Linux")
def test_busy_session_of_a_killed_server(home: Path) -> None:
    """A session that never looks up from its work does not keep a killed server down."""
    with EmbeddedPostgres(home, durable=False) as server:
        with psycopg.connect(server.dsn) as busy:
            busy.pgconn.send_query(b"DO 'BEGIN LOOP END LOOP; END'")
            working = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'DO %LOOP%'"
            eventually(lambda: ask(server.dsn, working) == 1, 5)
            os.kill(postmaster_pid(home), signal.SIGKILL)
            busy.close()
        assert eventually(lambda: answers(server.dsn), 10) < 2


def test_threads_share_one_object(home: Path) -> None:
    """Threads that start the same object at once all get its DSN."""
    server = EmbeddedPostgres(home, durable=False)
    with ThreadPoolExecutor(4) as pool:
        assert {*pool.map(lambda _: server.start(), range(4))} == {server.dsn}
    assert answers(server.dsn)
    server.close()
    assert eventually(lambda: not running(home), 5) < 1


def test_killed_supervisor(home: Path) -> None:
    """After kill -9 of the supervisor start works again at once, and nothing is left in the end."""
    with EmbeddedPostgres(home) as server:
        ask(server.dsn, "CREATE TABLE kept AS SELECT 42 AS n")
        killed = supervisor_pid(home)
        os.kill(killed, signal.SIGKILL)
        eventually(lambda: killed not in running(home), 5)
        began = time.monotonic()
        server.start()
        assert time.monotonic() - began < 2
        assert ask(server.dsn, "SELECT n FROM kept") == 42
        assert supervisor_pid(home) != killed
    assert eventually(lambda: not running(home), 5) < 1


def test_supervisor_told_to_stop(home: Path) -> None:
    """SIGTERM to the supervisor (a machine shutting down) stops the server in order."""
    with EmbeddedPostgres(home, durable=False) as server:
        os.kill(supervisor_pid(home), signal.SIGTERM)
        eventually(lambda: not running(home), 5)
        assert "database system is shut down" in (home / "server.log").read_text()
        assert answers(server.start())


def test_killed_in_the_middle_of_initdb(home: Path) -> None:
    """A half-made database is never taken for one; what is left of it goes away."""
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


@pytest.mark.parametrize("rounds", [5, pytest.param(50, marks=pytest.mark.long)])
def test_killed_at_random_moments(home: Path, rounds: int) -> None:
    """However far a boot had come when its process was killed, the next one works, none leaks."""
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
