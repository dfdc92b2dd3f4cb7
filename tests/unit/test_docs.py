"""The pages for users: every example runs, and prints what stands beside it."""

from __future__ import annotations

import importlib
import re
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import entry_points
from pathlib import Path
from typing import Final

import pytest

from pynenc_pg.conf.load import load
from pynenc_pg.testing import in_memory

ROOT: Final = Path(__file__).parents[2]
DOCS: Final = ROOT / "docs"
BLOCK: Final = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)
FILE: Final = re.compile(r"# (\w+\.py)\n")
PRINTED: Final = re.compile(r"print\(.*\)  # (.+)$", re.MULTILINE)


def _blocks(page: str) -> list[str]:
    """The page's examples in Python; one whose first line names a file is that file."""
    found = BLOCK.findall((ROOT / page).read_text(encoding="utf-8"))
    assert found
    return found


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder to import modules from, which are forgotten afterwards."""
    monkeypatch.syspath_prepend(tmp_path)
    before = set(sys.modules)
    yield tmp_path
    for name in set(sys.modules) - before:
        if (tmp_path / f"{name}.py").exists():
            del sys.modules[name]


def _write(block: str, folder: Path) -> str | None:
    """Write an example that is a file; return the module's name."""
    named = FILE.match(block)
    if named is None:
        return None
    (folder / named[1]).write_text(block, encoding="utf-8")
    importlib.invalidate_caches()
    return named[1].removesuffix(".py")


@pytest.mark.parametrize(
    "page",
    [
        "docs/howto/call-and-wait.md",
        "docs/howto/parallelize.md",
        "docs/howto/retries.md",
        "docs/howto/concurrency.md",
        "docs/howto/queues.md",
        "docs/howto/hooks.md",
        "docs/howto/schedule.md",
        "docs/howto/cache-results.md",
        "docs/howto/time-limits.md",
        "docs/howto/triggers.md",
        "docs/howto/large-arguments.md",
        "docs/howto/workflows.md",
        "docs/howto/from-celery.md",
        "docs/howto/from-procrastinate.md",
        "docs/reference/triggers.md",
    ],
)
def test_examples_of_a_page_run(
    page: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """One after the other, and each prints what stands beside it."""
    first, *blocks = _blocks(page)
    assert _write(first, folder) == "tasks"
    tasks = importlib.import_module("tasks")
    names: dict[str, object] = {}
    runs = any("app.runner.run" in block for block in blocks)  # then nothing need be done for it
    with tasks.app if runs else in_memory(tasks.app):
        for block in blocks:
            module = _write(block, folder)
            if module is not None:
                importlib.import_module(module)
                continue
            exec(compile(block, page, "exec"), names)  # noqa: S102 - our own page
            assert capsys.readouterr().out.splitlines() == PRINTED.findall(block)


def test_a_function_decides_on_the_delay(folder: Path) -> None:
    """The second module of the page on retries waits as it was told."""
    [block] = [b for b in _blocks("docs/howto/retries.md") if b.startswith("# limits.py")]
    _write(block, folder)
    limits = importlib.import_module("limits")
    with in_memory(limits.app) as world:
        invocation = limits.ask("why")
        world.run_until_idle()
        world.advance(89)
        assert world.run_until_idle() == 0
        world.advance(1)
        assert invocation.result == "42"


def test_the_configuration_of_retries_is_read(tmp_path: Path) -> None:
    """Its TOML gives the task what it says."""
    text = (DOCS / "howto/retries.md").read_text(encoding="utf-8")
    [block] = re.findall(r"^```toml\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    (tmp_path / "shop.toml").write_text(block, encoding="utf-8")
    [variable] = re.findall(r"'(PYNENC__CONFIGTASK__\S+)=30'", text)
    one = load(filepath=tmp_path / "shop.toml", environment={}).task_conf("shop.tasks.fetch", {})
    assert (one.max_retries, one.retry_for) == (3, (ConnectionError, TimeoutError))
    assert (one.retry_delay, one.retry_backoff, one.retry_jitter) == (30, 1.5, False)
    other = load(environment={variable: "30"}).task_conf("shop.tasks.fetch", {})
    assert other.retry_delay == 30


def test_the_priority_rules_are_read(tmp_path: Path) -> None:
    """The TOML of the page on queues rules whom it says."""
    text = (DOCS / "howto/queues.md").read_text(encoding="utf-8")
    [block] = re.findall(r"^```toml\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    (tmp_path / "shop.toml").write_text(block, encoding="utf-8")
    conf = load(filepath=tmp_path / "shop.toml", environment={})
    ruled = {
        name: (conf.task_conf(name, {}).queue, conf.task_conf(name, {}).priority)
        for name in ("shop.reports.monthly", "shop.mail.send_receipt", "shop.tidy_up")
    }
    assert ruled == {
        "shop.reports.monthly": ("slow", -10),
        "shop.mail.send_receipt": ("default", 20),
        "shop.tidy_up": ("default", 0),
    }
    invoices = conf.task_conf("shop.reports.send_invoices", {})
    assert (invoices.queue, invoices.priority) == ("mail", 50)


@pytest.mark.parametrize(
    "page", ["docs/howto/test-your-tasks.md", "docs/howto/fastapi.md", "docs/howto/flask.md"]
)
def test_examples_of_tests_pass(page: str, folder: Path, server_dsn: str) -> None:
    """Each page that tests, as a project of its own: pytest finds its tests, and all pass."""
    blocks = _blocks(page)
    assert all(_write(block, folder) for block in blocks)
    command = [sys.executable, "-m", "pytest", "-q", "-W", "error", "-p", "no:cacheprovider", "."]
    if not entry_points(group="pytest11", name="pynenc_pg"):  # installed from older code
        command += ["-p", "pynenc_pg.testing.plugin"]
    done = subprocess.run(
        [*command, f"--pynenc-dsn={server_dsn}"],
        cwd=folder, capture_output=True, text=True, check=False, timeout=100,
    )  # fmt: skip
    tests = sum(len(re.findall(r"^ *def test_", block, re.MULTILINE)) for block in blocks)
    assert f"{tests} passed" in done.stdout, done.stdout + done.stderr
    assert done.returncode == 0


_IN_MEMORY: Final = """
import sys
import tasks
from pynenc_pg.testing import in_memory
with in_memory(tasks.app):
    exec(compile(sys.stdin.read(), "page", "exec"))
"""


def test_examples_of_tracing_run(folder: Path) -> None:
    """In a process of its own: who exports what can be said once."""
    module, block = _blocks("docs/howto/tracing.md")
    assert _write(module, folder) == "tasks"
    command = [sys.executable, "-W", "error", "-c", _IN_MEMORY]
    done = subprocess.run(
        command, cwd=folder, input=block, capture_output=True, text=True, check=False, timeout=60
    )
    assert done.stdout.splitlines() == PRINTED.findall(block), done.stderr
    assert done.returncode == 0, done.stderr


def test_examples_of_the_readme_run(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What it shows is what is printed."""
    tasks, call = _blocks("README.md")
    assert _write(tasks, folder) == "tasks"
    assert _write(call, folder) == "call"
    with in_memory(importlib.import_module("tasks").app):
        importlib.import_module("call")
    printed = capsys.readouterr().out
    assert printed
    assert f"$ python call.py\n{printed}" in (ROOT / "README.md").read_text(encoding="utf-8")
