"""``pynenc-pg top``: what it draws, which keys it hears, and one run in a terminal."""

from __future__ import annotations

import io
import os
import pty
import select
import signal
import subprocess
import sys
import termios
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from rich.console import Console

from pynenc_pg.cli import top
from pynenc_pg.cli.main import cli
from pynenc_pg.cli.top_view import picture
from pynenc_pg.domain.records import QueueInfo
from pynenc_pg.exceptions import ConfigError, StoreUnavailableError
from pynenc_pg.postgres.listing import Listed, RunnerInfo
from pynenc_pg.postgres.watching import AtWork, Snapshot, rates
from tests.unit.cli_place import begin, fail, place, work

AT = datetime(2026, 11, 27, 8, tzinfo=UTC)
EVIL = "evil\x1b[2J\u202e\r"
SOME = Snapshot(
    at=AT,
    called=100,
    ended=40,
    queues=[
        QueueInfo("mail", True, 3, 1, 0, 1, 2, 0),  # noqa: FBT003 - columns of a row
        QueueInfo(EVIL, False, 0, 0, 0, 0, 0, 0),  # noqa: FBT003
    ],
    runners=[
        RunnerInfo(EVIL, "Test", "here", 1, [], 9, "lease over", 2, False, AT, AT, AT),  # noqa: FBT003
    ],
    longest=[AtWork("id-1", "tasks.send", "running", "me", AT - timedelta(hours=2))],
    failed=[
        Listed(
            "id-2", "tasks.send", "mail", "failed", "expired", "me", "{}", '{"type": "E"}',
            0, 0, None, "id-2", AT, AT - timedelta(seconds=90), AT, None,
        )
    ],
)  # fmt: skip


def drawn(now: Snapshot, before: Snapshot | None = None, *, paused: bool = False) -> str:
    """Draw into a text."""
    console = Console(file=io.StringIO(), width=160)
    console.print(picture("shop", now, before, paused=paused))
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_the_picture() -> None:
    """Every list with its rows; times as how long ago; nothing that a terminal would obey."""
    said = drawn(SOME)
    assert said.startswith("shop  2026-11-27 08:00:00  runners 0/1  [p stops, q ends]")
    for words in ("mail (paused)", "lease over", "2.0 h", "1.5 m ago", "expired", r"evil\x1b[2J"):
        assert words in said
    assert [c for c in said if c != "\n" and not c.isprintable()] == []
    assert "[stopped: p goes on, q ends]" in drawn(SOME, paused=True)


def test_rates_are_of_the_time_between() -> None:
    """None at first; never below nothing, though the counters be reset."""
    later = replace(SOME, at=AT + timedelta(seconds=2), called=150, ended=30)
    assert rates(None, later) is None
    assert rates(SOME, SOME) is None
    assert rates(SOME, later) == (25.0, 0.0)
    assert "calls 25.0/s  ends 0.0/s" in drawn(later, SOME)


class Live:
    """What is drawn, instead of a terminal."""

    def __init__(self) -> None:
        """Nothing yet."""
        self.seen: list[Any] = []

    def update(self, what: Any, *, refresh: bool) -> None:
        """Keep it."""
        assert refresh
        self.seen.append(what)


def test_keys() -> None:
    """P stops the looking, and lets it go on; q ends; others are nothing."""
    keys = iter(["", "p", "", "x", "p", "", "q"])
    looks: list[int] = []

    def look() -> Snapshot:
        looks.append(len(looks))
        return SOME

    live = Live()
    top.watch(look, lambda *_, paused: paused, live, lambda _: next(keys), 0)
    assert len(looks) == 4
    assert live.seen == [False, False, True, True, True, False, False]


def test_a_database_that_is_away_is_waited_for() -> None:
    """It is told of, and looked at again."""
    answers: Iterator[Any] = iter([SOME, StoreUnavailableError("no connection"), SOME])
    keys = iter(["", "", "q"])

    def look() -> Snapshot:
        answer = next(answers)
        if isinstance(answer, Exception):
            raise answer
        return SOME

    live = Live()
    top.watch(look, lambda *_, paused: "drawn", live, lambda _: next(keys), 0)
    assert live.seen == ["drawn", "no connection", "drawn", "drawn"]


@pytest.fixture
def tasks(database_dsn: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A module of tasks, with a runner that nobody runs."""
    for module in place("top_tasks", database_dsn, tmp_path, monkeypatch):
        work(module.app)
        yield module


def test_one_picture(tasks: Any) -> None:
    """Of what is in the database: into a pipe it is printed once."""
    bad, running, waiting = tasks.send(1), tasks.sort([2]), tasks.send(3)
    held = {one.invocation_id: one for one in begin(tasks.app, 2)}
    fail(tasks.app, held[bad.invocation_id], ValueError("secret"))
    for arguments in (("--once",), ()):
        done = CliRunner().invoke(cli, ["top", *arguments])
        assert done.exit_code == 0, done.output
        for words in (bad.invocation_id, running.invocation_id, "mail", "me", "ValueError"):
            assert words in done.output
        assert waiting.invocation_id not in done.output
        assert "secret" not in done.output


def test_without_the_library(tasks: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """It says what to install."""
    assert tasks
    monkeypatch.setitem(sys.modules, "pynenc_pg.cli.top_view", None)
    done = CliRunner().invoke(cli, ["top"])
    assert isinstance(done.exception, ConfigError)
    assert 'pip install "pynenc_pg[top]"' in str(done.exception)


def read_until(terminal: int, words: str) -> None:
    """Read what is drawn until it says this."""
    said, deadline = "", time.monotonic() + 30
    while words not in said and time.monotonic() < deadline:
        if select.select([terminal], [], [], 1)[0]:
            said += os.read(terminal, 65_536).decode(errors="replace")
    assert words in said


def test_ids_are_whole_in_a_narrow_terminal() -> None:
    """They are what one copies."""
    which = "01a21dec-7d07-76fc-893f-8c34f16dbf75"
    console = Console(file=io.StringIO(), width=80)
    long = [AtWork(which, "a.module.of.tasks", "running", "a runner of a long name", AT)]
    console.print(picture("shop", replace(SOME, longest=long)))
    assert isinstance(console.file, io.StringIO)
    assert which in console.file.getvalue()
    assert max(map(len, console.file.getvalue().splitlines())) <= 80


@pytest.mark.parametrize(
    ("end", "code"),
    [(None, 0), pytest.param(signal.SIGINT, 0, marks=pytest.mark.long), (signal.SIGTERM, 143)],
    ids=["q", "INT", "TERM"],
)
def test_in_a_terminal(tasks: Any, tmp_path: Path, end: int | None, code: int) -> None:
    """It takes the screen, hears its keys, and gives the terminal back as it was."""
    tasks.send(1)
    ours, theirs = pty.openpty()
    before = termios.tcgetattr(theirs)
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "160", "LINES": "40"}
    command = [sys.executable, "-m", "pynenc_pg", "--app", "top_tasks", "top", "--interval", "0.2"]
    process = subprocess.Popen(
        command, cwd=tmp_path, env=environment, stdin=theirs, stdout=theirs, stderr=theirs,
    )  # fmt: skip
    try:
        read_until(ours, "held longest")
        os.write(ours, b"p")
        read_until(ours, "stopped: p goes on")
        if end is None:
            os.write(ours, b"q")
        else:
            process.send_signal(end)
        read_until(ours, "\x1b[?1049l")  # the screen is given back
        assert process.wait(30) == code
        assert termios.tcgetattr(theirs) == before
    finally:
        process.kill()
        process.wait(30)
        os.close(ours)
        os.close(theirs)
