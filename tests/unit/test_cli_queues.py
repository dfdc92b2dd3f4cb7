"""``pynenc-pg queues``: what it shows and does, and where it cannot be used."""

from __future__ import annotations

import importlib
import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from pynenc_pg.cli import queues
from pynenc_pg.cli.main import cli, main
from pynenc_pg.cli.tables import table
from pynenc_pg.domain.records import QueueInfo
from pynenc_pg.exceptions import ConfigError, DataRejectedError
from tests.unit.cli_place import work

Run = Callable[..., Result]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Run]:
    """Run a command in a folder that makes one app; it is imported anew by the next test."""
    (tmp_path / "queue_tasks.py").write_text(
        "from pynenc_pg import Pynenc\napp = Pynenc('shop')\n@app.task(queue='mail')\n"
        "def send(order: int) -> int: return order\n"
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    for name in ("PYNENC_APP", "PYNENC__POSTGRES__DSN"):
        monkeypatch.delenv(name, raising=False)
    importlib.invalidate_caches()
    yield lambda *arguments: CliRunner().invoke(cli, ["queues", *arguments])
    sys.modules.pop("queue_tasks", None)


@pytest.fixture
def dsn(database_dsn: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """A database that the environment names."""
    monkeypatch.setenv("PYNENC__POSTGRES__DSN", database_dsn)
    return database_dsn


def test_pause_look_and_resume(run: Run, dsn: str) -> None:
    """Each says where the queue stands; the list has a line for each and lines up."""
    assert run("list").output == run().output == "no queues yet: the first call makes one\n"
    done = run("pause", "mail")
    assert (done.exit_code, done.output) == (0, "queue mail is paused: 0 ready, 0 running\n")
    tasks = importlib.import_module("queue_tasks")
    with tasks.app:
        for order in range(10):
            tasks.send(order)
    done = run("list")
    assert done.exit_code == 0
    assert done.output == (
        "name  paused  ready  scheduled  parked  pending  running  waiting  oldest\n"
        "mail  yes        10          0       0        0        0        0  "
        f"{done.output.splitlines()[1].split(maxsplit=8)[-1]}\n"
    )
    done = run("resume", "mail")
    assert (done.exit_code, done.output) == (0, "queue mail is open: 10 ready, 0 running\n")


def test_a_new_name_beside_known_ones_is_said(run: Run, dsn: str) -> None:
    """It is paused, as one may before the first call; whoever mistyped it sees so."""
    run("pause", "mail")
    done = run("pause", "mial")
    assert done.output == (
        "no call has named queue mial yet: there are mail\n"
        "queue mial is paused: 0 ready, 0 running\n"
    )
    assert "no call" not in run("pause", "mail").output


def test_json_for_machines(run: Run, dsn: str) -> None:
    """A list of objects, empty if there are no queues."""
    assert json.loads(run("list", "--json").output) == []
    run("pause", "mail")
    [found] = json.loads(run("list", "--json").output)
    assert (found["name"], found["paused"], found["ready"]) == ("mail", True, 0)
    assert (found["oldest_ready"], found["exact"], len(found)) == (None, True, 10)


def test_filters(run: Run, dsn: str) -> None:
    """By name, by whether it rests, by whether somebody serves it; all of those that are given."""
    run("pause", "mail")
    tasks = importlib.import_module("queue_tasks")
    with tasks.app:
        tasks.send.options(queue="other")(1)
        work(tasks.app, "mail")
        for arguments, found in (
            ((), ["mail", "other"]),
            (("mail",), ["mail"]),
            (("--paused",), ["mail"]),
            (("--unserved",), ["other"]),
            (("--paused", "--unserved"), []),
            (("nope",), []),
        ):
            listed = json.loads(run("list", "--json", *arguments).output)
            assert [one["name"] for one in listed] == found, arguments
        assert run("list", "nope").output == "no such queues\n"


def test_what_is_estimated_is_marked() -> None:
    """Of a great many; nothing is nothing."""
    queue = QueueInfo("mail", False, 123_000, 0, 0, 0, 0, 0, 5400.0, exact=False)  # noqa: FBT003
    line = table(*queues._table([queue])).splitlines()[1]
    assert line.split() == ["mail", "no", "~123000", "0", "0", "0", "0", "0", "1.5", "h"]


def test_a_wrong_name_is_refused(run: Run, dsn: str) -> None:
    """Nothing is paused; the error names the value and what is allowed."""
    for command in ("pause", "resume"):
        done = run(command, "a b")
        assert isinstance(done.exception, DataRejectedError)
        assert "queue = 'a b': the name of a queue has letters" in str(done.exception)
    assert run("pause").exit_code == 2
    assert json.loads(run("list", "--json").output) == []


@pytest.mark.parametrize("arguments", [("list",), ("pause", "mail"), ("resume", "mail")])
def test_memory_is_out_of_reach(run: Run, arguments: tuple[str, ...]) -> None:
    """A command is a process of its own: it says so instead of pausing for itself."""
    done = run(*arguments)
    assert isinstance(done.exception, ConfigError)
    assert "app 'shop' keeps its queues in memory" in str(done.exception)
    assert "PYNENC__POSTGRES__DSN" in str(done.exception)
    assert done.output == ""


def test_an_error_is_one_line(
    run: Run, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """As of every command: exit code 1, the reason on stderr."""
    monkeypatch.setattr(sys, "argv", ["pynenc-pg", "queues", "list"])
    with pytest.raises(SystemExit) as end:
        main()
    output = capsys.readouterr()
    assert (end.value.code, output.out, output.err.count("\n")) == (1, "", 1)
    assert output.err.startswith("pynenc-pg: app 'shop' keeps its queues in memory")
