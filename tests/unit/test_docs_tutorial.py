"""The tutorial: each file and each command, from the first page to the last, in one folder."""

from __future__ import annotations

import importlib
import os
import re
import runpy
import shlex
import signal
import socket
import sys
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from itertools import pairwise
from pathlib import Path
from typing import Final

import pytest

from pynenc_pg import Pynenc
from pynenc_pg.cli.main import main
from pynenc_pg.testing import eager, on_postgres
from tests.support.blocks import DOCS, Block, arguments_of, blocks_of, same_output
from tests.support.typed import patient, type_in

PAGES: Final = sorted((DOCS / "tutorial").glob("[0-9]*.md"))
STEPS: Final = [block for page in PAGES for block in blocks_of(page)]
#: Commands that are not executed, and why.
ELSEWHERE: Final = {
    "python3 -m venv": "the tests have an environment",
    ". .venv/bin/activate": "the same",
    "pip install": "nothing is installed from a registry",
    "export PYNENC__POSTGRES__DSN": "the server is that of the tests",
}
#: Only the whole tutorial executes them: they are about processes, or take long.
LONG: Final = ("kill", "wait", "curl", "pytest")
_SYNC: Final = "PYNENC__DEV_MODE_FORCE_SYNC_TASKS"


def test_each_page_leads_to_the_next() -> None:
    """And the contents name all of them in order."""
    contents = (DOCS / "index.md").read_text(encoding="utf-8")
    assert re.findall(r"\(tutorial/(.*?)\)", contents) == [page.name for page in PAGES]
    for page, following in pairwise(PAGES):
        text = page.read_text(encoding="utf-8")
        assert re.search(rf"Next:\s\[[^]]+\]\({following.name}\)", text), page.name


def _elsewhere(command: str) -> bool:
    return any(command.startswith(one) for one in ELSEWHERE)


@pytest.fixture
def folder(tmp_path: Path, database_dsn: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty folder, where the environment says what the server is."""
    for name in [name for name in os.environ if name.startswith("PYNENC_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PYNENC__POSTGRES__DSN", database_dsn)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    before = signal.getsignal(signal.SIGINT)
    yield tmp_path
    signal.signal(signal.SIGINT, before)  # `db shell` leaves it to psql


class Reader:
    """Somebody who follows the tutorial within this process: what is ready runs when it is due."""

    def __init__(self, folder: Path, dsn: str, capture: pytest.CaptureFixture[str]) -> None:
        self.folder = folder
        self.dsn = dsn
        self.capture = capture
        self.variables: dict[str, str] = {}
        self.served = "tasks"  # the module that the worker begins with
        self.working = False  # whether there is a worker

    def write(self, block: Block) -> None:
        """Write a file; modules are imported anew from now on."""
        assert block.file
        (self.folder / block.file).write_text(block.text, encoding="utf-8")
        self.forget()

    def forget(self) -> None:
        """Forget the modules of the folder."""
        found = sys.modules.get("tasks")
        if found is not None:
            found.app.close()
        for path in self.folder.glob("*.py"):
            sys.modules.pop(path.stem, None)
        importlib.invalidate_caches()

    def type(self, command: str) -> str | None:
        """Do what it says, if that can be done here; return what it prints."""
        for name, value in self.variables.items():
            command = command.replace(f"${name}", value)
        if kept := re.fullmatch(r"(\w+)=\$\((.*)\)", command):
            self.variables[kept[1]] = (self.type(kept[2]) or "").strip()
            return ""
        words = shlex.split(command)
        if words[0] in LONG:
            self.working = self.working and words != ["kill", "$!"]
            return None
        if "runner start" in command:
            [arguments] = arguments_of(command)
            self.served = arguments[1] if arguments[0] == "--app" else "tasks"
            self.working = True
            return None
        self.capture.readouterr()
        if words[0] == "sleep":
            self._work()
        elif words[-2] == "python":
            self._run(words[-1], sync=words[0].startswith(_SYNC))
        else:
            self._command(words)
        return self.capture.readouterr().out

    def _work(self) -> None:
        importlib.import_module(self.served)
        if self.working:
            with on_postgres(self._app(), self.dsn) as world:
                world.run_until_idle()

    def _run(self, script: str, *, sync: bool) -> None:
        importlib.import_module(self.served)
        app = self._app()
        with ExitStack() as stack:
            if sync:
                stack.enter_context(eager(app))
            else:
                world = stack.enter_context(on_postgres(app, self.dsn))
                if self.working:
                    stack.enter_context(world.runner())
            runpy.run_path(str(self.folder / script), run_name="__main__")

    def _command(self, words: list[str]) -> None:
        self.forget()  # it is another process
        sys.argv[:] = words
        with suppress(SystemExit):
            main()

    def _app(self) -> Pynenc:
        app = importlib.import_module("tasks").app
        assert isinstance(app, Pynenc)
        return app


@pytest.mark.usefixtures("restored_logging")
def test_the_tutorial_within_one_process(
    folder: Path,
    database_dsn: str,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Its files, scripts and commands, but for what is about processes: all print what is shown."""
    monkeypatch.setattr(sys, "argv", [*sys.argv])
    reader = Reader(folder, database_dsn, capfd)
    wrong = []
    for block in STEPS:
        if block.file and block.language in {"python", "toml"}:
            reader.write(block)
        elif block.language == "console":
            for command, shown in block.commands():
                if _elsewhere(command):
                    continue
                printed = reader.type(command)
                if printed is not None and shown and not same_output(printed, shown):
                    wrong.append(f"{block.page}\n$ {command}\n{printed}--- shown:\n{shown}")
    reader.forget()
    assert not wrong, "\n\n".join(wrong)


def _free_port() -> str:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return str(found.getsockname()[1])


@pytest.mark.long
@pytest.mark.timeout(300)
def test_the_tutorial_as_it_stands(folder: Path, database_dsn: str) -> None:
    """All of it in one shell, with a real worker: each command prints what is shown."""
    bin_ = folder / ".bin"
    bin_.mkdir()
    for name, module in (("pynenc-pg", "-m pynenc_pg"), ("python", ""), ("pytest", "-m pytest")):
        program = f'#!/bin/sh\nexec "{sys.executable}" {module} "$@"\n'
        (bin_ / name).write_text(program, encoding="utf-8")
        (bin_ / name).chmod(0o755)
    port = _free_port()
    typed, log = type_in(
        STEPS,
        folder=folder,
        environment={**os.environ, "PATH": f"{bin_}:{os.environ['PATH']}"},
        change=lambda text: "" if _elsewhere(text) else patient(text).replace("8089", port),
        seconds=280,
    )
    wrong = [one.wrong for one in typed if one.wrong]
    assert not wrong, "\n\n".join([*wrong, log])
