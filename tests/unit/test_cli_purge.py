"""``pynenc-pg purge`` and ``pynenc-pg db export``: what goes, and what it leaves behind."""

from __future__ import annotations

import importlib
import json
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest
from click.testing import CliRunner, Result

from pynenc_pg import Pynenc
from pynenc_pg.cli.main import cli
from pynenc_pg.exceptions import ConfigError

Run = Callable[..., Result]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Run]:
    """Run a command in a folder that makes one app."""
    (tmp_path / "purge_tasks.py").write_text(
        "from pynenc_pg import Pynenc\napp = Pynenc('shop')\n@app.task\n"
        "def send(order: int) -> int:\n    if order < 0:\n        raise ValueError(order)\n"
        "    return order\n"
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    for name in ("PYNENC_APP", "PYNENC__POSTGRES__DSN"):
        monkeypatch.delenv(name, raising=False)
    importlib.invalidate_caches()
    yield lambda *arguments, **more: CliRunner().invoke(cli, arguments, **more)
    sys.modules.pop("purge_tasks", None)


@pytest.fixture
def app(run: Run, database_dsn: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Pynenc]:
    """An app with two calls that have ended and one that has not."""
    del run
    monkeypatch.setenv("PYNENC__POSTGRES__DSN", database_dsn)
    tasks = importlib.import_module("purge_tasks")
    with tasks.app as app:
        done = [tasks.send(order) for order in (7, -7)]
        worker = threading.Thread(target=app.runner.run)
        worker.start()
        try:
            assert done[0].result_or_raise(timeout=30) == 7
            with pytest.raises(ValueError, match="-7"):
                done[1].result_or_raise(timeout=30)
        finally:
            app.runner.stop_runner_loop()
            worker.join(30)
        tasks.send(8)
        yield app


def test_a_dry_run_leaves_all(run: Run, app: Pynenc) -> None:
    """It says what would go, by status."""
    said = run("purge", "--dry-run")
    assert said.exit_code == 0
    assert [line.split() for line in said.output.splitlines()[1:4]] == [
        ["failed", "1"],
        ["registered", "1"],
        ["success", "1"],
    ]
    assert "3 invocations of app 'shop'" in said.output
    assert "dry run" in said.output
    assert sum(app.orchestrator.count_by_status().values()) == 3
    assert json.loads(run("purge", "--dry-run", "--json").output) == {
        "found": {"failed": 1, "registered": 1, "success": 1},
        "removed": 0,
    }


def test_it_asks(run: Run, app: Pynenc) -> None:
    """Without ``--yes`` somebody has to say so; who says no has lost nothing."""
    said = run("purge", input="n\n")
    assert said.exit_code == 1
    assert sum(app.orchestrator.count_by_status().values()) == 3
    assert run("purge", "--json").exit_code == 2
    assert run("purge", input="y\n").output.endswith("removed 3\n")
    assert app.orchestrator.count_by_status() == {}
    assert run("purge", "--yes").output.endswith("removed 0\n")


def test_in_memory_it_is_not_there(run: Run) -> None:
    """The memory of another process cannot be emptied from here."""
    refused = run("purge", "--yes")
    assert isinstance(refused.exception, ConfigError)
    assert "app.purge()" in str(refused.exception)


def test_export(run: Run, app: Pynenc, database_dsn: str, tmp_path: Path) -> None:
    """What has ended, one a line, with its value, history and errors; between two times."""
    with psycopg.connect(database_dsn, autocommit=True) as session:
        session.execute("set session_replication_role = replica")
        session.execute(
            """update pynenc.invocation_outcome set finished_at = finished_at - interval '3 days'
               where status = 'failed'"""
        )
    assert run("db", "export", "-o", "all.jsonl").exit_code == 0
    lines = [json.loads(line) for line in Path("all.jsonl").read_text().splitlines()]
    by_status = {line["status"]: line for line in lines}
    assert by_status.keys() == {"success", "failed"}
    done = by_status["success"]
    assert (done["arguments"], done["value"]) == ({"order": 7}, 7)
    assert [step["status"] for step in done["history"]] == [
        "registered",
        "pending",
        "running",
        "success",
    ]
    young = run("db", "export", "--newer-than", "2")
    old = run("db", "export", "--older-than", "2", "--newer-than", "4")
    assert [json.loads(x.stdout.splitlines()[0])["status"] for x in (young, old)] == [
        "success",
        "failed",
    ]
    assert old.stderr == "1 invocations\n"
    assert run("db", "export", "--app-id", "nobody").stdout == ""
    del app, tmp_path
