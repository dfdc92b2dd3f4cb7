"""What editors and type checkers know of a user's tasks."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

CODE = Path(__file__).with_name("user_code.py")
#: The lines that a checker must refuse.
WANTED = {
    number
    for number, line in enumerate(CODE.read_text().splitlines(), 1)
    if line.rstrip().endswith("# error")
}


def run(folder: Path, *command: str) -> str:
    """Run a checker, whatever it finds, and return what it says."""
    done = subprocess.run(
        [sys.executable, "-m", *command], cwd=folder, capture_output=True, text=True, check=False
    )
    assert done.stdout, done.stderr
    return done.stdout


def compare(found: dict[int, str]) -> None:
    """Fail with what was not refused, or refused without being wrong."""
    surplus = {line: found[line] for line in found.keys() - WANTED}
    assert (WANTED - found.keys(), surplus) == (set(), {})


def test_lines_are_marked() -> None:
    """The file has lines that must be refused."""
    assert len(WANTED) > 10


@pytest.mark.parametrize("config", ["ours", pytest.param("none", marks=pytest.mark.long)])
def test_mypy(tmp_path: Path, config: str) -> None:
    """``mypy --strict`` refuses the marked lines and no other.

    With our own configuration it has our modules in its cache after ``make check``.
    """
    options = ["--strict", "--no-error-summary"]
    if config == "none":
        options += ["--config-file=", f"--cache-dir={tmp_path}"]
    said = run(CODE.parents[2], "mypy", *options, str(CODE))
    lines = re.findall(r"user_code\.py:(\d+): error: (.*)", said)
    assert lines, said
    compare({int(line): message for line, message in lines})


@pytest.mark.parametrize("mode", [pytest.param("standard", marks=pytest.mark.long), "strict"])
def test_pyright(tmp_path: Path, mode: str) -> None:
    """Pyright refuses the marked lines and no other."""
    project = tmp_path / "pyrightconfig.json"
    settings = {"include": [str(CODE)], "typeCheckingMode": mode, "pythonVersion": "3.11"}
    project.write_text(json.dumps({**settings, "reportUnusedExpression": False}))
    python = ("--pythonpath", sys.executable)
    said = run(tmp_path, "basedpyright", "--outputjson", "-p", str(project), *python)
    errors = [d for d in json.loads(said)["generalDiagnostics"] if d["severity"] == "error"]
    assert errors, said
    compare({d["range"]["start"]["line"] + 1: d["message"] for d in errors})
