"""Commands where something is in the way: no database, an old schema, a full disk, wrong ids."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import pytest
from click.testing import CliRunner, Result

from pynenc_pg.cli.main import cli
from pynenc_pg.domain.records import Ending
from pynenc_pg.exceptions import PynencError, StoreUnavailableError
from pynenc_pg.invocation.status import InvocationStatus
from pynenc_pg.postgres import deploy
from pynenc_pg.serializer.failure import encode_exception
from tests.unit.cli_place import ME, begin, place, work

Run = Callable[..., Result]
#: Each looks; none of them changes anything.
LOOKS: Final = (
    ("doctor",),
    ("invocations",),
    ("invocations", "show", "x"),
    ("metrics", "print"),
    ("purge", "--dry-run"),
    ("queues",),
    ("runners",),
    ("status", "render"),
    ("top", "--once"),
    ("triggers",),
    ("triggers", "fired"),
    ("triggers", "schedules"),
    ("why", "x"),
    ("workflows",),
    ("workflows", "show", "x"),
    ("db", "export"),
    ("db", "status"),
)
NOBODY: Final = "postgresql://ann:hunter2@127.0.0.1:1/shop"


@pytest.fixture
def tasks(database_dsn: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A module of tasks."""
    yield from place("trouble_tasks", database_dsn, tmp_path, monkeypatch)


@pytest.fixture
def run(tasks: Any) -> Run:
    """Run a command."""
    assert tasks.app
    return lambda *arguments: CliRunner().invoke(cli, [*arguments])


@pytest.mark.parametrize("arguments", LOOKS, ids=" ".join)
def test_no_database(
    run: Run, tasks: Any, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...]
) -> None:
    """Why is said at once and without the password, on one line."""
    monkeypatch.setattr(tasks.app.conf.postgres, "dsn", NOBODY)
    monkeypatch.setenv("PYNENC__POSTGRES__DSN", NOBODY)
    done = run(*arguments)
    if arguments == ("metrics", "print"):  # it has a metric for it
        assert done.exit_code == 1
        assert "pynenc_database_up 0.0" in done.stdout
    else:
        assert isinstance(done.exception, StoreUnavailableError)
        assert "onnection refused" in str(done.exception)
        assert "\n" not in str(done.exception)
    assert "hunter2" not in done.output + str(done.exception)


@pytest.mark.parametrize("revision", [None, "pynenc_0001"])
def test_an_older_schema(
    empty_database_dsn: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, revision: str | None
) -> None:
    """What can be shown is; else what to do is said, in place of a traceback."""
    if revision is not None:
        deploy.migrate(empty_database_dsn, "pynenc", revision)
    for module in place("old_tasks", empty_database_dsn, tmp_path, monkeypatch):
        assert module.app
        for arguments in LOOKS:
            done = CliRunner().invoke(cli, [*arguments])
            assert done.exception is None or isinstance(done.exception, PynencError | SystemExit), (
                arguments
            )
            if done.exit_code == 1 and isinstance(done.exception, PynencError):
                said = str(done.exception)
                assert "pynenc-pg db migrate" in said or "no invocation x" in said, arguments


def refuse_at_length() -> None:
    """Raise with a great many words."""
    message = "why " * 1_000
    raise ValueError(message)


@pytest.mark.parametrize("name", ["--after", "--parent", "--workflow"])
def test_an_id_that_is_none(run: Run, name: str) -> None:
    """Wrong usage, as of any option."""
    done = run("invocations", "list", name, "x")
    assert done.exit_code == 2
    assert "'x' is no id of an invocation" in done.output


def test_a_large_exception_is_shown_whole(run: Run, tasks: Any) -> None:
    """Its traceback is what somebody looks for; it stands in the table of large values."""
    work(tasks.app)
    which = tasks.send(1).invocation_id
    [held] = begin(tasks.app)
    with pytest.raises(ValueError, match="why") as raised:
        refuse_at_length()
    text = encode_exception(raised.value, tasks.app.engine.serializer)
    value, payloads = tasks.app.engine.payloads.failure(text)
    assert len(payloads) >= 2  # the message, and the traceback
    ending = Ending(
        held.invocation_id, held.lease, InvocationStatus.FAILED, value, payloads=payloads
    )
    tasks.app.orchestrator.finish(ME, [ending])
    said = run("invocations", "show", which).output
    assert "in refuse_at_length" in said
    assert f"error: ValueError: {'why ' * 20}" in said
    assert "$ref" not in said
    assert "ValueError: (large, " in run("invocations", "list").output


def command(folder: Path, *arguments: str) -> list[str]:
    """Return a command that runs in a process of its own."""
    assert (folder / "trouble_tasks.py").exists()
    return [sys.executable, "-m", "pynenc_pg", "--app", "trouble_tasks", *arguments]


def test_a_full_disk(tasks: Any, tmp_path: Path) -> None:
    """One line, exit code 1."""
    tasks.send(1)
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            command(tmp_path, "invocations"),
            cwd=tmp_path,
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert done.returncode == 1
    assert done.stderr.startswith("pynenc-pg: ")
    assert done.stderr.count("\n") == 1


def test_whoever_reads_has_gone(tasks: Any, tmp_path: Path) -> None:
    """As behind ``head -1``: no traceback."""
    tasks.send.parallelize([(n,) for n in range(2_000)])
    process = subprocess.Popen(
        command(tmp_path, "invocations", "list", "--limit", "2000", "--json"),
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdout is not None
    assert process.stderr is not None
    assert process.stdout.readline() == b"[\n"
    process.stdout.close()
    assert process.stderr.read() == b""
    assert process.wait(30) in {0, 1}
    process.stderr.close()
