"""``pynenc-pg triggers``: what it shows and does, and where it cannot be used."""

from __future__ import annotations

import importlib
import importlib.util
import json
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from pynenc_pg import Pynenc
from pynenc_pg.cli.main import cli
from pynenc_pg.exceptions import ConfigError, TriggerDefinitionError
from tests.acceptance.workers import wait_for

Run = Callable[..., Result]

TASKS = """
from pynenc_pg import Pynenc, TriggerBuilder
app = Pynenc("shop")
@app.task(triggers=TriggerBuilder().on_event("paid").with_args_from_event())
def pack(order: int) -> int: return order
@app.task(triggers=TriggerBuilder().on_cron("0 0 1 1 *", timezone="Europe/Berlin"))
def yearly() -> None: pass
"""


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Run]:
    """Run a command in a folder that makes one app; it is imported anew by the next test."""
    (tmp_path / "trigger_tasks.py").write_text(TASKS)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    for name in ("PYNENC_APP", "PYNENC__POSTGRES__DSN"):
        monkeypatch.delenv(name, raising=False)
    importlib.invalidate_caches()
    yield lambda *arguments: CliRunner().invoke(cli, ["triggers", *arguments])
    sys.modules.pop("trigger_tasks", None)


@pytest.fixture
def dsn(database_dsn: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """A database that the environment names."""
    monkeypatch.setenv("PYNENC__POSTGRES__DSN", database_dsn)
    return database_dsn


@contextmanager
def working() -> Iterator[Pynenc]:
    """Have a runner of an app of one's own; the commands close theirs."""
    spec = importlib.util.find_spec("trigger_tasks")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    app: Pynenc = module.app
    thread = threading.Thread(target=app.runner.run)
    thread.start()
    try:
        wait_for(lambda: len(app.trigger.all()) == 2)
        yield app
    finally:
        app.runner.stop_runner_loop()
        thread.join(20)
        app.close()


def test_look_emit_and_rest(run: Run, dsn: str) -> None:
    """An event that is emitted fires; one of a trigger that is paused waits."""
    assert run().stdout == "no triggers: a runner tells of them at its start\n"
    assert run("fired").stdout == "nothing has fired within a week\n"
    with working() as app:
        done = run("emit", "paid", '{"order": 7}')
        assert done.exit_code == 0
        wait_for(lambda: len(app.trigger.fired()) == 1)
        [fired] = json.loads(run("fired", "--json").stdout)
        assert fired["causes"][0]["source_id"] == done.stdout.strip()
        which = fired["trigger_id"]
        assert done.stdout.strip() in run("fired", which).stdout
        assert run("pause", which).stdout == f"trigger {which} is paused\n"
        run("emit", "paid", '{"order": 8}')
        [shown] = [t for t in json.loads(run("list", "--json").stdout) if t["paused"]]
        assert (shown["trigger_id"], shown["due"], shown["fired"]) == (which, 1, 1)
        for arguments, found in (
            (("--paused",), [which]),
            (("--task", shown["task_id"], "--paused"), [which]),
            (("--task", "nobody.knows"), []),
            (("--parked",), []),
        ):
            listed = json.loads(run("list", "--json", *arguments).stdout)
            assert [one["trigger_id"] for one in listed] == found, arguments
        assert run("fired", "--limit", "-1").exit_code == 2
        header, *lines = run("list").stdout.splitlines()
        assert header.split()[:4] == ["trigger", "paused", "due", "waiting"]
        assert [line.split()[1] for line in lines] == ["yes", "no"]
        assert run("resume", which).stdout == f"trigger {which} goes on\n"
        wait_for(lambda: len(app.trigger.fired()) == 2)
        assert run("retry", which).stdout == f"0 causes of {which} are looked at again\n"


def test_other_times(run: Run, dsn: str) -> None:
    """A schedule is shown, gets other times, and its own again."""
    assert run("schedules").stdout == "no schedules\n"
    with working():
        header, line = run("schedules").stdout.splitlines()
        assert header.split() == [
            *("trigger", "expression", "timezone", "edited", "next", "condition")
        ]
        which = line.split()[0]
        done = run("reschedule", which, "0 7 * * *", "--timezone", "Asia/Tokyo")
        assert done.stdout == f"trigger {which}: 0 7 * * *\n"
        [shown] = json.loads(run("schedules", "--json").stdout)
        assert shown["condition"]["expression"] == "0 7 * * *"
        assert (shown["condition"]["timezone"], shown["edited"]) == ("Asia/Tokyo", True)
        assert run("reschedule", which).stdout == f"trigger {which}: as its code has it\n"
        [shown] = json.loads(run("schedules", "--json").stdout)
        assert shown["edited"] is False
        assert isinstance(run("reschedule", which, "x").exception, TriggerDefinitionError)


def test_what_cannot_be(run: Run) -> None:
    """Memory, no JSON: in one line."""
    for arguments in ((), ("fired",), ("emit", "paid"), ("pause", "x")):
        error = run(*arguments).exception
        assert isinstance(error, ConfigError)
        assert "keeps its triggers in memory" in str(error)
    done = run("emit", "paid", "{order: 7}")
    assert done.exit_code == 2
    assert "PAYLOAD is no JSON" in done.output
