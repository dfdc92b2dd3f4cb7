"""``pynenc-pg workflows``: what it shows and does, and where it cannot be used."""

from __future__ import annotations

import importlib
import importlib.util
import json
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from pynenc_pg import InvocationStatus
from pynenc_pg.cli.main import cli
from pynenc_pg.domain.ids import new_invocation_id
from pynenc_pg.exceptions import ConfigError, InvocationNotFoundError, InvocationStatusError
from tests.acceptance.workers import wait_for

Run = Callable[..., Result]

TASKS = """
from pynenc_pg import Pynenc
app = Pynenc("shop")
@app.task
def pack(order: int) -> int: return order
@app.workflow
def order(number: int) -> list[int]:
    order.wf.set_data("number", number)
    packed = order.wf.execute_task(pack, number).result
    order.wf.wait_for_event("approved", {"by": "ann"})
    return [packed, int(order.wf.random() * 0) + 1]
"""


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Run]:
    """Run a command in a folder that makes one app; it is imported anew by the next test."""
    (tmp_path / "flow_tasks.py").write_text(TASKS)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    for name in ("PYNENC_APP", "PYNENC__POSTGRES__DSN"):
        monkeypatch.delenv(name, raising=False)
    importlib.invalidate_caches()
    yield lambda *arguments: CliRunner().invoke(cli, ["workflows", *arguments])
    sys.modules.pop("flow_tasks", None)


@pytest.fixture
def dsn(database_dsn: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """A database that the environment names."""
    monkeypatch.setenv("PYNENC__POSTGRES__DSN", database_dsn)
    return database_dsn


@pytest.fixture
def module(run: Run, dsn: str) -> Iterator[Any]:
    """The tasks once more, with a runner at work: the commands close the app that they import."""
    spec = importlib.util.find_spec("flow_tasks")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    thread = threading.Thread(target=module.app.runner.run)
    thread.start()
    yield module
    module.app.runner.stop_runner_loop()
    thread.join(20)
    module.app.close()


def test_a_run_is_seen_and_told(run: Run, module: Any) -> None:
    """It waits for an event, is paused, signalled and resumed; each shows where it stands."""
    assert run().stdout == "no runs of workflows\n"
    invocation = module.order(7)
    which = invocation.invocation_id
    wait_for(lambda: invocation.status is InvocationStatus.RETRY)
    header, line = run("list", "--live").stdout.splitlines()
    assert header.split() == ["run", "task", "status", "steps", "began", "waits", "for"]
    assert line.startswith(which)
    assert line.endswith("event approved")
    assert run("pause", which, "--reason", "a look").stdout.startswith(f"run {which} stops")
    assert "resume (a look)" in run().stdout
    assert "paused: a look" in run("show", which).stdout
    run("signal", which, "approved", '{"by": "bob"}')
    done = run("signal", which, "approved", '{"by": "ann"}')
    wait_for(lambda: module.app.engine.store.workflows.info(which).paused_at is not None)
    assert run("resume", which).stdout == f"run {which} goes on\n"
    assert invocation.result_or_raise(20) == [7, 1]
    shown = json.loads(run("show", which, "--json").stdout)
    assert [step["kind"] for step in shown["steps"]] == ["set_data", "task", "event", "random"]
    assert shown["steps"][2]["value"] == {"by": "ann"}
    assert shown["data"] == {"number": 7}
    assert len(done.stdout.strip()) == 36
    [listed] = json.loads(run("list", "--json", "--task", invocation.task_id).stdout)
    assert (listed["status"], listed["steps"]) == ("success", 4)
    assert run("list", "--live").stdout == "no runs of workflows\n"


def test_a_fork_and_a_cancellation(run: Run, module: Any) -> None:
    """A fork has what stands before its step; a cancelled run is told of as such."""
    invocation = module.order(7)
    wait_for(lambda: invocation.status is InvocationStatus.RETRY)
    made = run("fork", invocation.invocation_id, "--before", "3").stdout.strip()
    forked = module.app.get_invocation(made)
    wait_for(lambda: forked.status is InvocationStatus.RETRY)
    first, second = (module.app.get_workflow(i.invocation_id) for i in (invocation, forked))
    assert second.steps() == first.steps()
    assert second.info.forked_from == invocation.invocation_id
    assert run("cancel", made).stdout == f"run {made}: cancelled\n"
    for command in ("pause", "resume"):
        error = run(command, made).exception
        assert isinstance(error, InvocationStatusError)
        assert made in str(error)


def test_what_cannot_be(run: Run, dsn: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """No such run, no JSON, memory: in one line."""
    nobody = new_invocation_id()
    for command in (
        ("show", nobody),
        ("pause", nobody),
        ("signal", nobody, "paid"),
        ("show", "x"),
        ("cancel", "x"),
        ("resume", "x"),
    ):
        assert isinstance(run(*command).exception, InvocationNotFoundError)
    done = run("signal", nobody, "paid", "{order: 7}")
    assert done.exit_code == 2
    assert "PAYLOAD is no JSON" in done.output
    for wrong in (("--limit", "0"), ("--limit", "-3"), ("--after", "x")):
        assert run("list", *wrong).exit_code == 2
    monkeypatch.delenv("PYNENC__POSTGRES__DSN")
    sys.modules.pop("flow_tasks", None)
    for arguments in ((), ("show", nobody), ("fork", nobody, "--before", "1")):
        error = run(*arguments).exception
        assert isinstance(error, ConfigError)
        assert "keeps its workflows in memory" in str(error)


def test_pages_follow_on_each_other(run: Run, module: Any) -> None:
    """The last line says how to go on."""
    made = [module.order(n) for n in range(3)]
    for one in made:
        wait_for(lambda one=one: one.status is InvocationStatus.RETRY)  # type: ignore[misc]
    *_, line, more = run("list", "--limit", "2").stdout.splitlines()
    assert line.startswith(made[1].invocation_id)
    assert more == f"more, perhaps: --after {made[1].invocation_id}"
    [rest] = json.loads(run("list", "--after", made[1].invocation_id, "--json").stdout)
    assert rest["invocation_id"] == made[0].invocation_id
