"""Code and schema of different releases: refused in one line, or known to fit."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest
from click.testing import CliRunner

from pynenc_pg import PynencBuilder, __version__
from pynenc_pg.cli.main import cli
from pynenc_pg.exceptions import SchemaVersionError
from pynenc_pg.postgres import deploy, versions
from tests.migrations.last_release import REVISION as LAST
from tests.migrations.support import HEAD, ask, login, run_a_task

ROOT = Path(__file__).parents[2]


@pytest.fixture
def old_dsn(empty_database_dsn: str) -> str:
    """A database with the schema of the last release."""
    deploy.migrate(empty_database_dsn, revision=LAST)
    return empty_database_dsn


def _tell(dsn: str, revision: str, serves_from: str) -> None:
    """Have the schema say another version of itself."""
    ask(
        dsn,
        f"""create or replace function pynenc.schema_version(
                out revision text, out serves_from text)
            language sql immutable as $$ select '{revision}'::text, '{serves_from}'::text $$""",
    )


def test_the_schema_knows_its_version(database_dsn: str) -> None:
    """It is the newest revision, which this code calls; it serves the revision before."""
    [(revision, serves_from)] = ask(database_dsn, "select * from pynenc.schema_version()")
    assert revision == versions.REVISION == HEAD
    assert serves_from == LAST


def test_a_worker_of_this_code_on_the_last_schema(old_dsn: str, tmp_path: Path) -> None:
    """It ends with 1 and one line that names both revisions and the command."""
    (tmp_path / "old_tasks.py").write_text("from pynenc_pg import Pynenc\napp = Pynenc()\n")
    done = subprocess.run(
        [sys.executable, "-m", "pynenc_pg", "--app", "old_tasks.app", "runner", "start"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT), "PYNENC__POSTGRES__DSN": old_dsn},
        capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert done.returncode == 1
    last = done.stderr.splitlines()[-1]
    assert last == (
        f"pynenc-pg: schema pynenc is at revision {LAST}, and this code, pynenc_pg {__version__}, "
        f"needs {HEAD}: run pynenc-pg db migrate, then start again"
    )
    assert "Traceback" not in done.stderr
    assert ask(old_dsn, "select count(*) from pynenc.runner") == [(0,)]


def _start(dsn: str) -> None:
    with PynencBuilder().app_id("versions").postgres(dsn).thread_runner(1).build() as app:
        app.runner.run()


def test_without_a_schema(empty_database_dsn: str) -> None:
    """It is said that there is none."""
    with pytest.raises(SchemaVersionError, match="there is no schema pynenc of ours"):
        _start(empty_database_dsn)


def test_a_newer_schema_that_serves_this_code(database_dsn: str) -> None:
    """Of the next release, and of any that says so: this code works on it."""
    _tell(database_dsn, "pynenc_9999", HEAD)
    assert run_a_task(database_dsn, "pynenc") == 42


def test_a_schema_that_does_not_serve_this_code_any_more(database_dsn: str) -> None:
    """Refused, with the revisions and the way out."""
    _tell(database_dsn, "pynenc_9999", "pynenc_9998")
    message = (
        f"schema pynenc is at revision pynenc_9999, which serves code of pynenc_9998 and newer, "
        f"and this code, pynenc_pg {__version__}, is of {HEAD}: install a newer release"
    )
    with pytest.raises(SchemaVersionError) as refused:
        _start(database_dsn)
    assert str(refused.value).startswith(message)


def test_a_worker_may_ask(database_dsn: str) -> None:
    """Its role has the right to, and a producer's, too."""
    for role in ("worker", "producer", "observer", "operator"):
        with login(database_dsn, f"version_{role}", f"in role pynenc_{role}") as dsn:
            assert ask(dsn, "select revision from pynenc.schema_version()") == [(HEAD,)]


def _check(dsn: str, *more: str) -> tuple[int, str]:
    result = CliRunner().invoke(cli, ["db", "--dsn", dsn, "migrate", "--check", *more])
    return result.exit_code, result.output


def test_check_says_what_would_be_done(old_dsn: str) -> None:
    """3 and the steps, while there is something; then 0. It changes nothing."""
    code, output = _check(old_dsn)
    first, *steps = output.splitlines()
    assert code == 3
    assert first.endswith(f": revision {LAST}, not up to date: the code brings {HEAD}")
    assert steps[-1].startswith(f"in one transaction: {HEAD}: ")
    assert all(step.startswith("ahead, while workers work: ") for step in steps[:-1])
    assert len(steps) > 10
    assert _check(old_dsn) == (code, output)
    assert _check(old_dsn, "--revision", LAST) == (0, f"{first}\n")
    deploy.migrate(old_dsn)
    code, output = _check(old_dsn)
    assert (code, output.count("\n")) == (0, 1)
    assert output.endswith("up to date\n")


def test_check_of_an_empty_database_and_of_a_newer_one(
    empty_database_dsn: str, database_dsn: str
) -> None:
    """All revisions would be run, without steps ahead; of a newer schema none."""
    code, output = _check(empty_database_dsn)
    assert code == 3
    assert [line.split(":")[1] for line in output.splitlines()[1:]] == [f" {LAST}", f" {HEAD}"]
    ask(database_dsn, "update pynenc.alembic_version set version_num = 'pynenc_9999'")
    code, output = _check(database_dsn)
    assert (code, output.count("\n")) == (0, 1)


def test_check_waits_for_nobody(old_dsn: str) -> None:
    """Not for a migration that runs, nor for tables that are locked."""
    with psycopg.connect(old_dsn) as holder:
        holder.execute("select pg_advisory_lock(hashtext('pynenc') & 2147483647, -3)")
        holder.execute(
            "lock table pynenc.invocation, pynenc.invocation_state, pynenc.invocation_history, "
            "pynenc.invocation_outcome, pynenc.lane in access exclusive mode"
        )
        assert _check(old_dsn)[0] == 3
