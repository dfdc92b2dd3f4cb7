"""``pynenc-pg db``: exit codes, one line for an error, and never a password."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from pynenc_pg.cli.main import main
from pynenc_pg.exceptions import PynencError
from pynenc_pg.postgres import deploy
from pynenc_pg.postgres.embedded import EmbeddedPostgres
from tests.migrations.support import HEAD, ask, has_schema, run_a_task, what_lies_in

SECRET = "not-to-be-seen"  # noqa: S105 - the test looks for it
Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Run:
    """Run a command in this process; answers exit code, output and error output."""
    monkeypatch.delenv("PYNENC__POSTGRES__DSN", raising=False)

    def run_it(*arguments: str, environment: dict[str, str] | None = None) -> tuple[int, str, str]:
        for name, value in (environment or {}).items():
            monkeypatch.setenv(name, value)
        monkeypatch.setattr(sys, "argv", ["pynenc-pg", *arguments])
        capfd.readouterr()
        with pytest.raises(SystemExit) as end:
            main()
        output = capfd.readouterr()
        return int(end.value.code or 0), output.out, output.err

    return run_it


def with_password(dsn: str, **others: str) -> str:
    """Return the DSN with a password in it; the servers of the tests trust local users."""
    return make_conninfo("", **(conninfo_to_dict(dsn) | {"password": SECRET} | others))


def test_from_nothing_to_nothing(empty_database_dsn: str, run: Run) -> None:
    """Status says 1 before and 0 after a migration, each command says where the schema stands."""
    db = ("db", "--dsn", empty_database_dsn)
    code, out, err = run(*db, "status")
    assert (code, err) == (1, "")
    assert out.startswith("schema pynenc on PostgreSQL ")
    assert out.endswith(f": revision none, not up to date: the code brings {HEAD}\n")
    for command in ("migrate", "migrate", "status"):
        code, out, err = run(*db, command)
        assert (code, err) == (0, "")
        assert out.endswith(f": revision {HEAD}, up to date\n")
    code, out, err = run(*db, "downgrade", "--yes")
    assert (code, err) == (0, "")
    assert "revision none" in out
    assert what_lies_in(empty_database_dsn) == {"relation alembic_version"}
    assert run(*db, "status")[0] == 1


def test_the_environment_names_the_database(empty_database_dsn: str, run: Run) -> None:
    """DSN and schema come from the environment where no option gives them."""
    environment = {"PYNENC__POSTGRES__DSN": empty_database_dsn, "PYNENC__POSTGRES__SCHEMA": "mine"}
    code, out, _ = run("db", "status", environment=environment)
    assert (code, out[:12]) == (1, "schema mine ")
    code, out, _ = run("db", "--schema", "other", "status", environment=environment)
    assert (code, out[:13]) == (1, "schema other ")


def test_what_loses_data_wants_a_yes(database_dsn: str, run: Run) -> None:
    """Without --yes downgrade and reset end with 2, name the schema and change nothing."""
    assert run_a_task(database_dsn, "pynenc") == 42
    for command in ("downgrade", "reset"):
        code, out, err = run("db", "--dsn", database_dsn, command)
        assert (code, out) == (2, "")
        assert "this removes everything in schema pynenc: say --yes if you mean it" in err
    assert ask(database_dsn, "select count(*) from pynenc.invocation_outcome") == [(1,)]
    code, out, _ = run("db", "--dsn", database_dsn, "reset", "--yes")
    assert (code, out.endswith(f"revision {HEAD}, up to date\n")) == (0, True)
    assert ask(database_dsn, "select count(*) from pynenc.invocation_outcome") == [(0,)]


def test_sql_is_printed_without_a_database(run: Run) -> None:
    """`db sql` connects to nothing, and prints just what the function returns."""
    code, out, err = run("db", "sql")
    assert (code, out, err) == (0, f"{deploy.sql()}\n", "")
    code, out, _ = run("db", "--schema", "other", "sql")
    assert code == 0
    assert 'create table "other".invocation_state' in out
    assert '"pynenc"' not in out


def test_a_newer_schema_is_no_error(database_dsn: str, run: Run) -> None:
    """Workers of the last release may go on: status and migrate say so and end with 0."""
    ask(database_dsn, "update pynenc.alembic_version set version_num = 'pynenc_9999'")
    for command in ("status", "migrate"):
        code, out, _ = run("db", "--dsn", database_dsn, command)
        assert code == 0
        assert f"revision pynenc_9999, newer than this code, which brings {HEAD}" in out
    code, _, err = run("db", "--dsn", database_dsn, "downgrade", "--yes")
    assert (code, err.count("\n")) == (1, 1)


def _bad_targets(dsn: str) -> list[str]:
    """Return DSNs that lead nowhere, each with a password in it."""
    return [
        with_password(dsn, dbname="no_such_database"),
        with_password(dsn, host="127.0.0.1,127.0.0.1", port="1,2", connect_timeout="2"),
        with_password(dsn, host="no-such-host.invalid", connect_timeout="2"),
        f"postgres//user:{SECRET}@host/db",
        f"postgresql://user:{SECRET}@host:port/db",
        f"host=x password={SECRET} no_such_option=1",
        f"host=x password='{SECRET}",
    ]


@pytest.mark.parametrize("n", range(7))
@pytest.mark.parametrize("command", ["migrate", "status", "downgrade", "reset"])
def test_an_unreachable_database_is_one_line(
    server_dsn: str, run: Run, command: str, n: int
) -> None:
    """It ends with 1 and one line on stderr, which shows no password; nor does a traceback."""
    target = _bad_targets(server_dsn)[n]
    options = ["--yes"] if command in {"downgrade", "reset"} else []
    code, out, err = run("db", "--dsn", target, command, *options)
    assert (code, out) == (1, "")
    assert err.startswith("pynenc-pg: ")
    assert err.count("\n") == 1
    assert SECRET not in err


@pytest.mark.parametrize("n", range(7))
def test_a_traceback_shows_no_password(
    server_dsn: str, monkeypatch: pytest.MonkeyPatch, n: int
) -> None:
    """Also with --verbose, where errors come with their tracebacks, passwords stay hidden."""
    monkeypatch.setenv("PYNENC__POSTGRES__DSN", _bad_targets(server_dsn)[n])
    monkeypatch.setattr(sys, "argv", ["pynenc-pg", "-v", "db", "status"])
    with pytest.raises(PynencError) as error:
        main()
    shown = "".join(traceback.format_exception(error.value))
    assert "Traceback" in shown
    assert SECRET not in shown


def _subprocess(*arguments: str, dsn: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "pynenc_pg", *arguments],
        env={**os.environ, "PYNENC__POSTGRES__DSN": dsn},
        capture_output=True,
        text=True,
        check=False,
    )


def test_nothing_that_goes_well_shows_a_password(database_dsn: str, run: Run) -> None:
    """No command prints the password it connects with, however talkative."""
    db = ("-v", "db", "--dsn", with_password(database_dsn))  # a reset migrates from nothing
    for command in (["migrate"], ["status"], ["reset", "--yes"], ["downgrade", "--yes"], ["sql"]):
        code, out, err = run(*db, *command)
        assert code == 0
        assert SECRET not in out + err


def test_errors_are_one_line(empty_database_dsn: str, run: Run) -> None:
    """No DSN, a bad schema name, an unknown revision: 1 and a line that tells the way out."""
    db = ("db", "--dsn", empty_database_dsn)
    for arguments, words in (
        (["db", "migrate"], "set PYNENC__POSTGRES__DSN or postgres.dsn of the app (--app)"),
        (
            ["db", "--dsn", empty_database_dsn, "--schema", "A b", "status"],
            "use lower-case letters",
        ),
        (["db", "--schema", "A b", "sql"], "use lower-case letters"),
        ([*db, "migrate", "--revision", "x1"], "'x1'"),
        (["db", "sql", "--revision", "x1"], "'x1'"),
        (["db", "--dsn", "embedded://a", "status"], "does not name an embedded server"),
    ):
        code, out, err = run(*arguments)
        assert (code, out, err.count("\n")) == (1, "", 1), arguments
        assert words in err
    assert not has_schema(empty_database_dsn)


def test_shell_runs_psql(database_dsn: str) -> None:
    """`db shell` hands its arguments to psql and ends with psql's exit code."""
    dsn = with_password(database_dsn)
    query = "select count(*) from pynenc.invocations"
    done = _subprocess("db", "shell", "-X", "-A", "-t", "-c", query, dsn=dsn)
    assert (done.returncode, done.stdout, done.stderr) == (0, "0\n", "")
    done = _subprocess("db", "shell", "-X", "-c", "select no_such_column", dsn=dsn)
    assert done.returncode == 1
    assert "no_such_column" in done.stderr
    assert SECRET not in done.stderr


def test_the_dsn_for_other_programs(database_dsn: str, run: Run) -> None:
    """`db dsn` prints what psql takes, as it was given; a password is taken out of it."""
    plain = "postgresql://me@db.example.org:5433/shop?sslmode=require"
    assert run("db", "--dsn", plain, "dsn") == (0, f"{plain}\n", "")
    for given in (
        f"postgresql://me:{SECRET}@db.example.org:5433/shop?sslmode=require&sslpassword={SECRET}",
        f"user=me host=db.example.org port=5433 dbname=shop sslmode=require password={SECRET}",
    ):
        code, out, err = run("db", "--dsn", given, "dsn")
        assert (code, err) == (0, "")
        assert conninfo_to_dict(out.strip()) == conninfo_to_dict(plain)
    code, out, _ = run("db", "--dsn", database_dsn, "dsn")
    assert code == 0
    kept = {n: v for n, v in conninfo_to_dict(database_dsn).items() if n != "password"}
    assert conninfo_to_dict(out.strip()) == kept


def test_the_dsn_of_an_embedded_server(other_folder: Path) -> None:
    """With --hold the server is up until Ctrl-C, which ends the command well."""
    command = [sys.executable, "-m", "pynenc_pg", "db", "dsn", "--hold"]
    environment = {**os.environ, "PYNENC__POSTGRES__DSN": f"embedded://{other_folder}"}
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        said = process.stdout.readline().strip()
        assert ask(said, "select current_database()") == [("pynenc",)]
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 0


@pytest.fixture
def other_folder() -> Iterator[Path]:
    """A folder without anything in it, which the server's own user may enter."""
    with tempfile.TemporaryDirectory(prefix="pynenc-pg-dsn-", ignore_cleanup_errors=True) as made:
        folder = Path(made)
        folder.chmod(0o755)
        yield folder
        with EmbeddedPostgres(folder):  # whoever starts it waits for the one that is ending
            pass


APP = """from pynenc_pg import PynencBuilder
app = PynencBuilder().app_id("shop").postgres({dsn!r}, schema={schema!r}).build()
"""


def test_the_one_app_of_the_folder_names_the_database(
    empty_database_dsn: str, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As all commands find it; where the environment or an option says the database, they do."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("PYNENC_APP", raising=False)
    monkeypatch.setattr(sys, "path", [*sys.path])
    module = f"of_this_folder_{os.getpid()}"
    (tmp_path / f"{module}.py").write_text(APP.format(dsn=empty_database_dsn, schema="mine"))
    try:
        assert run("db", "status")[1].startswith("schema mine on PostgreSQL")
        _, out, _ = run("db", "--dsn", empty_database_dsn, "status")
        assert out.startswith("schema pynenc on PostgreSQL")
        (tmp_path / "other.py").write_text(APP.format(dsn=empty_database_dsn, schema="mine"))
        code, _, err = run("db", "status")
        assert (code, "postgres.dsn of the app (--app)" in err) == (1, True)
    finally:
        sys.modules.pop(module, None)


def test_shell_refuses_a_dsn_it_cannot_read() -> None:
    """A DSN that is none ends with 1 and one line without the password in it."""
    done = _subprocess("db", "shell", "-c", "select 1", dsn=f"postgres//u:{SECRET}@h/d")
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1)
    assert SECRET not in done.stderr


def test_tables_of_another_alembic_are_left_to_it(database_dsn: str, run: Run) -> None:
    """Where our tables stand without our version table, each command says whom to ask."""
    with psycopg.connect(database_dsn, autocommit=True) as connection:
        connection.execute("drop table pynenc.alembic_version")
    before = what_lies_in(database_dsn)
    for command in (["migrate"], ["status"], ["downgrade", "--yes"]):
        code, _, err = run("db", "--dsn", database_dsn, *command)
        assert (code, err.count("\n")) == (1, 1)
        assert "another Alembic has made them" in err
    assert what_lies_in(database_dsn) == before
