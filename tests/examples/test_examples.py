"""Each folder of examples/: its one command ends well, and prints what its README shows."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import pytest

from pynenc_pg.postgres.embedded import EmbeddedPostgres
from tests.support.examples import CONSOLE, EXAMPLES, NAMES, ROOT, compare, shown

#: They use a store in memory by themselves, wherever a database may be.
IN_MEMORY: Final = {"01_basic_local_threaded", "05_sync_unit_testing", "06_mem_mode_testing"}

_ROW: Final = re.compile(
    r"^\| \[\d+\]\(([^)]+)/\) \| [^|]+ \| [^|]+ \| \[[^]]+\]\(\.\./docs/[^)]+\) \|$", re.MULTILINE
)

Run = Callable[[str, str], None]


class Launcher:
    """Runs commands of examples, with what the package imports imported before."""

    def __init__(self, folder: Path) -> None:
        command = [sys.executable, "-W", "error", "-m", "tests.examples.launcher"]
        self._output, self._errors = folder / "output", folder / "errors"
        self._process = subprocess.Popen(
            command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def run(self, name: str, dsn: str) -> None:
        """As ``python`` would, but for what is imported already."""
        arguments, _ = shown(name)
        for path in (self._output, self._errors):
            path.unlink(missing_ok=True)
        order = {
            "folder": str(EXAMPLES / name),
            "arguments": arguments,
            "environment": _environment(name, dsn),
            "output": str(self._output),
            "errors": str(self._errors),
        }
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()
        code = int(self._process.stdout.readline())
        compare(name, code, self._output.read_text(), self._errors.read_text())

    def close(self) -> None:
        """End it."""
        self._process.communicate(timeout=30)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    """Return what runs an example's command and looks at what it has printed."""
    launcher = Launcher(tmp_path_factory.mktemp("examples"))
    yield launcher.run
    launcher.close()


def _run_command(name: str, dsn: str) -> None:
    """Run the very command."""
    arguments, _ = shown(name)
    done = subprocess.run(
        [sys.executable, "-W", "error", *arguments],
        cwd=EXAMPLES / name,
        env=_environment(name, dsn),
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
    )
    compare(name, done.returncode, done.stdout, done.stderr)


def _environment(name: str, dsn: str) -> dict[str, str]:
    """What a user's own has, and nothing of the tests'."""
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    ours = {k: v for k, v in os.environ.items() if not k.startswith("PYNENC_")}
    if name == "01_basic_local_threaded":  # the others in memory leave a database alone
        return {**ours, "PYTHONPATH": path}
    dsn = "host=/nowhere" if name in IN_MEMORY else dsn
    return {**ours, "PYTHONPATH": path, "PYNENC__POSTGRES__DSN": dsn}


@pytest.mark.parametrize("name", sorted(set(NAMES) - IN_MEMORY))
def test_on_a_database(name: str, database_dsn: str, run: Run) -> None:
    """The environment names the database, as in production."""
    run(name, database_dsn)


@pytest.mark.parametrize("name", sorted(IN_MEMORY))
def test_without_a_database(name: str, run: Run) -> None:
    """None is named, or one that is not there."""
    run(name, "")


@pytest.fixture(scope="module")
def embedded() -> Iterator[str]:
    """A folder without anything in it, which the server's own user may enter."""
    folder = Path(tempfile.mkdtemp(prefix="pynenc-pg-examples-"))
    folder.chmod(0o755)
    with EmbeddedPostgres(folder):  # else each one waits for the server of the one before to stop
        yield f"embedded://{folder}"
    shutil.rmtree(folder, ignore_errors=True)


@pytest.mark.long
@pytest.mark.parametrize("name", NAMES)
def test_on_the_embedded_server(name: str, embedded: str) -> None:
    """Where the first one finds no tables. Twice: what one run leaves must not disturb the next."""
    for _ in range(2):
        _run_command(name, embedded)


def test_a_script_and_what_became_of_it() -> None:
    """They print the same, as the README says."""
    folder = EXAMPLES / "18_from_script_to_tasks"
    done = subprocess.run(
        [sys.executable, "before.py"], cwd=folder, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == shown(folder.name)[1].splitlines()[0]


def test_all_are_in_the_index() -> None:
    """In the order of their numbers, and nothing else is."""
    index = (EXAMPLES / "README.md").read_text(encoding="utf-8")
    rows = _ROW.findall(index)
    assert rows == NAMES
    assert [int(name.split("_")[0]) for name in NAMES] == list(range(1, len(NAMES) + 1))


def test_each_readme_is_short_and_leads_on() -> None:
    """Ten lines or so beside what is printed, and a page of the documentation at the end."""
    for name in NAMES:
        text = (EXAMPLES / name / "README.md").read_text(encoding="utf-8")
        prose = CONSOLE.sub("", text).split("\n")
        assert len([line for line in prose if line]) <= 12, name
        assert "(../../docs/" in text.partition("\nRead on: ")[2], name


def test_pages_lead_to_the_index() -> None:
    """From the README, and from the documentation."""
    assert "](examples/README.md)" in (ROOT / "README.md").read_text(encoding="utf-8")
    assert "](../examples/README.md)" in (ROOT / "docs/index.md").read_text(encoding="utf-8")
