"""``pynenc-pg demo``, for real: its figures, its second run, and the commands it prints."""

from __future__ import annotations

import ast
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest

from pynenc_pg.demo.sources import find_sources

FILES = 12
ROOT = Path(__file__).parents[2]


@pytest.fixture
def environment(database_dsn: str, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Where the demo runs: a fresh database and a sample of the files."""
    monkeypatch.setenv("PYNENC_DEMO_DSN", database_dsn)
    monkeypatch.setenv("PYNENC_DEMO_FILES", str(FILES))
    return dict(os.environ)


def _start(environment: dict[str, str]) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "pynenc_pg", "demo"],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def _demo(environment: dict[str, str]) -> str:
    with _start(environment) as process:
        said, complaints = process.communicate(timeout=60)
    assert process.returncode == 0, complaints
    return said


def _number(pattern: str, said: str) -> int:
    found = re.search(pattern, said)
    assert found, f"{pattern} in {said}"
    return int(found[1].replace(",", ""))


class _Counter(ast.NodeVisitor):
    """Counts in another way than the demo does: by visiting."""

    def __init__(self) -> None:
        self.functions = self.classes = self.longest = 0

    def visit_FunctionDef(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        self.functions += 1
        self.longest = max(self.longest, 1 + (node.end_lineno or 0) - node.lineno)
        self.generic_visit(node)

    visit_AsyncFunctionDef = visit_FunctionDef  # noqa: N815 - ast's name

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        self.classes += 1
        self.generic_visit(node)


def _count(paths: list[str]) -> tuple[_Counter, int, int]:
    """Return the counts of what parses, its lines, and how many files do not parse."""
    counter, lines, broken = _Counter(), 0, 0
    for path in paths:
        try:
            counter.visit(ast.parse(Path(path).read_bytes()))
        except SyntaxError:
            broken += 1
        else:
            with Path(path).open(encoding="latin-1") as file:
                lines += sum(1 for _ in file)
    return counter, lines, broken


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::SyntaxWarning")
@pytest.mark.timeout(120)
def test_figures_and_commands_are_true(environment: dict[str, str], database_dsn: str) -> None:
    """Totals equal an independent count, every file ends once, what is printed to run does run."""
    said = _demo(environment)
    paths = find_sources().paths
    assert len(paths) == FILES
    counter, lines, broken = _count(paths)
    assert _number(r"([\d,]+) files with", said) == FILES - broken
    assert _number(r"([\d,]+) lines,", said) == lines
    assert _number(r"([\d,]+) functions,", said) == counter.functions
    assert _number(r"([\d,]+) classes", said) == counter.classes
    assert _number(r"│ +(\d+) │ \w", said) == counter.longest

    again = _demo(environment)
    assert "an interrupted run" not in again
    for output in (said, again):
        assert _number(r"([\d,]+) SUCCESS", output) == FILES - broken + 1
        assert _number(r"([\d,]+) FAILED", output) == broken
    with psycopg.connect(database_dsn) as connection:
        query = "select status::text, count(*) from pynenc.invocations group by status"
        ended: dict[str, int] = dict(connection.execute(query).fetchall())
        assert sum(ended.values()) == 2 * (FILES + 1)
        assert ended["success"] == 2 * (FILES + 1 - broken)
        assert ended.get("failed", 0) == 2 * broken
        assert connection.execute("select count(*) from pynenc.runner").fetchone() == (0,)
    _run_commands(again, environment)


def _run_commands(said: str, environment: dict[str, str]) -> None:
    """Run each command that is printed for looking oneself, as it stands."""
    commands = re.findall(r'^  (\S.* shell -c "[^"]*")$', said, re.MULTILINE)
    assert len(commands) == 3
    for command, shown in zip(commands, ("parse_file", "SyntaxError|row", "success"), strict=True):
        done = subprocess.run(
            ["/bin/sh", "-c", command],
            cwd=ROOT,
            env=environment,
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        assert re.search(shown, done.stdout)


@pytest.mark.timeout(120)
@pytest.mark.long
def test_interrupted_twice(environment: dict[str, str]) -> None:
    """A demo that is stopped takes its worker along, and the next one tells what is left."""
    environment["PYNENC_DEMO_FILES"] = "5000"  # all there are: it must not end by itself
    for number, before in ((signal.SIGTERM, False), (signal.SIGINT, True)):
        with _start(environment) as process:
            worker, heard = _worker_of(process)
            process.send_signal(number)
            said, _ = process.communicate(timeout=60)
        assert process.returncode == 130
        assert "Interrupted" in said
        assert ("an interrupted run left" in heard) is before
        assert not _lives(worker)


@pytest.mark.timeout(120)
def test_death_of_the_worker_is_told(environment: dict[str, str]) -> None:
    """The demo says so, shows the log's end and fails."""
    with _start({**environment, "PYNENC_DEMO_FILES": "800"}) as process:
        worker, _ = _worker_of(process)
        os.kill(worker, signal.SIGKILL)
        _, complaints = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "the worker has ended by itself (signal 9)" in complaints
    log = re.search(r"its log (\S+\.log):", complaints)
    assert log
    Path(log[1]).unlink()


def _worker_of(process: subprocess.Popen[str]) -> tuple[int, str]:
    """Return the worker's id and what was said, once a first line of progress is there."""
    assert process.stdout
    heard = ""
    for line in process.stdout:
        heard += line
        if " done, " in line:
            return _number(r"worker process (\d+)", heard), heard
    pytest.fail(f"the demo ended too soon: {heard}")


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
