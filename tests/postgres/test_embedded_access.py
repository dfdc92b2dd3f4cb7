"""Who can reach an embedded server, whose folders it touches, and how it is named."""

from __future__ import annotations

import os
import pwd
import shutil
import stat
import subprocess
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
import pytest

from pynenc_pg.exceptions import EmbeddedServerError
from pynenc_pg.postgres.embedded import EmbeddedPostgres, folders, from_dsn, is_embedded, locks
from tests.support.clusters import seed

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = os.geteuid() == 0
SYSTEM_PYTHON = Path("/usr/bin/python3")
CONNECT = "import socket, sys; socket.socket(socket.AF_UNIX).connect(sys.argv[1])"


@pytest.fixture
def place() -> Iterator[Path]:
    """Make a folder every account can pass through, also as root."""
    folder = Path(tempfile.mkdtemp(prefix="pynenc_pg-test-", dir="/var/tmp"))
    folder.chmod(0o711)
    yield folder
    for lock in folder.rglob("sup.lock"):
        deadline = time.monotonic() + 10
        while not locks.is_free(lock):
            assert time.monotonic() < deadline, f"the server of {lock.parent} does not stop"
            time.sleep(0.01)
    shutil.rmtree(folder)


def mode(folder: Path) -> int:
    """Return the permission bits."""
    return stat.S_IMODE(folder.stat().st_mode)


def value(dsn: str, sql: str) -> object:
    """Return the first value of a query."""
    with psycopg.connect(dsn) as connection:
        row = connection.execute(sql.encode()).fetchone()
    return row and row[0]


@pytest.fixture
def seeded(place: Path, pattern: Path) -> Path:
    """The home of a server that has never run."""
    seed(place / "home", pattern)
    return place / "home"


@pytest.mark.skipif(not ROOT, reason="only root can become somebody else")
@pytest.mark.skipif(not SYSTEM_PYTHON.exists(), reason="needs a Python that everybody can run")
def test_other_local_user_is_refused(seeded: Path) -> None:
    """Another account of the machine gets "Permission denied", though the server trusts all."""
    with EmbeddedPostgres(seeded, durable=False) as server:
        socket = seeded / "socket" / ".s.PGSQL.5432"
        strangers = [pwd.getpwnam(name) for name in ("nobody", "daemon")]
        stranger = next(s for s in strangers if s.pw_uid != socket.parent.stat().st_uid)
        done = subprocess.run(
            [SYSTEM_PYTHON, "-c", CONNECT, str(socket)],
            cwd="/",
            user=stranger.pw_uid,
            group=stranger.pw_gid,
            extra_groups=[],
            capture_output=True,
            text=True,
            check=False,
        )
        assert "PermissionError" in done.stderr
        assert value(server.dsn, "SELECT 1") == 1


def test_everything_is_closed_to_others(place: Path) -> None:
    """Socket, data, log and locks are open to nobody else, and there is no TCP port.

    Neither the folder's parents are opened or closed; missing ones are made private.
    """
    parent = place / "parent"
    parent.mkdir()
    parent.chmod(0o751)
    home = parent / "new" / "home"
    with EmbeddedPostgres(home, durable=False) as server:
        data = home / f"data-{server.binaries.version}"
        assert [mode(data), mode(home / "socket")] == [0o700, 0o700]
        for name in ("boot.lock", "users.lock", "sup.lock", "server.log"):
            assert mode(home / name) == 0o600
        assert value(server.dsn, "SHOW listen_addresses") == ""
        assert value(server.dsn, "SHOW unix_socket_permissions") == "0700"
    assert [mode(place), mode(parent)] == [0o711, 0o751]
    assert mode(home.parent) == mode(home) == (0o711 if ROOT else 0o700)


@pytest.mark.skipif(not ROOT, reason="only root lends another account")
def test_closed_parent_is_named(place: Path) -> None:
    """As root, a folder its account cannot reach is refused: who, where, and the way out."""
    closed = place / "closed"
    closed.mkdir(mode=0o700)
    with pytest.raises(EmbeddedServerError, match=rf"cannot pass {closed} \(mode 700\)") as caught:
        EmbeddedPostgres(closed / "deep" / "home").start()
    assert str(folders.ROOT_HOME) in str(caught.value)
    assert mode(closed) == 0o700
    assert list(closed.iterdir()) == []


@pytest.mark.skipif(not ROOT, reason="only root can make a folder somebody else's")
def test_folder_of_another_user_is_refused(place: Path) -> None:
    """A server is one user's own; whoever owns the folder could swap the data."""
    (place / "home").mkdir()
    os.chown(place / "home", 54321, 54321)
    with pytest.raises(EmbeddedServerError, match="belongs to uid 54321"):
        EmbeddedPostgres(place / "home").start()


def test_folder_open_to_all_is_refused(place: Path) -> None:
    """A folder everybody may write to could be given another database by anybody."""
    (place / "home").mkdir()
    (place / "home").chmod(0o777)
    with pytest.raises(EmbeddedServerError, match=r"Every user may write to .* \(mode 777\)"):
        EmbeddedPostgres(place / "home").start()


def test_path_that_is_no_folder(place: Path) -> None:
    """A file in the way is an error of ours that names it."""
    (place / "home").write_text("a file")
    with pytest.raises(EmbeddedServerError, match="home"):
        EmbeddedPostgres(place / "home").start()


def test_long_path(place: Path, pattern: Path) -> None:
    """A path too long for a socket gets a short private folder, which goes with the server."""
    home = place / ("x" * 90) / "home"
    seed(home, pattern)
    with EmbeddedPostgres(home, durable=False) as server:
        sockets = Path(value(server.dsn, "SHOW unix_socket_directories"))  # type: ignore[arg-type]
        assert sockets.parent.parent == folders.SHORT_PLACE
        assert len(str(sockets)) < 80
        assert mode(sockets) == 0o700
        assert mode(sockets.parent) == (0o711 if ROOT else 0o700)
        with EmbeddedPostgres(home, durable=False) as other:
            assert other.dsn == server.dsn
    deadline = time.monotonic() + 5
    while sockets.parent.exists() and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not sockets.parent.exists()
    with EmbeddedPostgres(home, durable=False) as server:
        assert value(server.dsn, "SELECT 1") == 1


@pytest.mark.parametrize(
    "names",
    [
        # All of it, with an initdb.
        ["a b%41é,it's"],
        pytest.param(["a b%41é", "a,b", "it's"], marks=pytest.mark.long),
    ],
)
def test_awkward_path(place: Path, names: list[str]) -> None:
    """Blanks, commas, quotes, percent signs and letters of any kind may stand in the path."""
    for name in names:
        with EmbeddedPostgres(place / name, durable=False) as server:
            assert value(server.dsn, "SHOW data_directory") == str(
                place / name / f"data-{server.binaries.version}"
            )


def test_short_folder_that_became_somebody_elses(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A remembered folder below /tmp is used only while it is still ours and private."""
    monkeypatch.setattr(folders, "SHORT_PLACE", place)
    home = place / ("x" * 90)
    home.mkdir()
    first = folders.socket_folder(home, None)
    assert folders.socket_folder(home, None) == first
    first.chmod(0o777)
    second = folders.socket_folder(home, None)
    assert second != first
    second.parent.chmod(0o777)
    third = folders.socket_folder(home, None)
    assert third not in (first, second)
    assert [mode(third), mode(third.parent)] == [0o700, 0o700]


def test_socket_folder_that_is_open_is_refused(seeded: Path) -> None:
    """Whoever enters the socket folder is superuser, so an open one is an error."""
    home = seeded
    with EmbeddedPostgres(home, durable=False):
        pass
    (home / "socket").chmod(0o755)
    with pytest.raises(EmbeddedServerError, match="must be a folder of mode 700"):
        EmbeddedPostgres(home, durable=False).start()


def test_stuck_neighbour(place: Path) -> None:
    """A process that holds the boot lock for ever is an error with its file's name, not a hang."""
    lock = place / "boot.lock"
    with (
        locks.exclusive(lock, timeout=1),
        pytest.raises(EmbeddedServerError, match=r"boot\.lock"),
        locks.exclusive(lock, timeout=0.05),
    ):
        pass
    assert locks.is_free(lock)


@pytest.mark.parametrize(
    ("dsn", "home"),
    [
        ("embedded:///srv/queue", "/srv/queue"),
        ("embedded:///srv/a%20b", "/srv/a b"),
    ],
)
def test_dsn(dsn: str, home: str) -> None:
    """The folder stands in the DSN, percent-encoded where it must be."""
    assert is_embedded(dsn)
    assert from_dsn(dsn).home == Path(home).resolve()


def test_default_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    """'embedded' is one folder per user, and for root one that other accounts can reach."""
    monkeypatch.setattr("os.geteuid", lambda: 0)
    assert from_dsn("embedded").home == folders.ROOT_HOME.resolve()
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    assert from_dsn("embedded").home.name == "embedded"
    assert from_dsn("embedded").home.parent.name == "pynenc_pg"


@pytest.mark.parametrize(
    "dsn",
    [
        *("embedded:", "embedded://", "embedded://host", "embedded://host/dir"),
        *("embedded:relative", "embedded:/one", "embedded:///", "embedded:///dir?durable=1"),
        "postgresql:///dir",
    ],
)
def test_dsn_that_makes_no_sense(dsn: str) -> None:
    """A host, a relative folder or an option is an error that shows the right form."""
    with pytest.raises(EmbeddedServerError, match="embedded:///an/absolute/folder"):
        from_dsn(dsn)


def test_other_dsns_are_not_ours() -> None:
    """Only the word and its scheme ask for an embedded server."""
    assert is_embedded("embedded")
    assert not is_embedded("postgresql://host/embedded")
    assert not is_embedded("embeddedx")
