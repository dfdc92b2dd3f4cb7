"""What ``group.progress()`` writes, to a terminal and elsewhere."""

from __future__ import annotations

import os
import pty
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import pytest

from tests.acceptance.workers import ROOT, wait_for

COUNT = 40
HIDES, SHOWS = "\x1b[?25l", "\x1b[?25h"  # the cursor
SAID = [f"said {n}" for n in range(COUNT)]
_PROGRAM = "from tests.app import progress_program; progress_program"
To = Literal["terminal", "pipe"]


class _Reader:
    """Reads the other end of a terminal or a pipe until everybody has closed it."""

    def __init__(self, kind: To) -> None:
        self._end, self.given = pty.openpty() if kind == "terminal" else os.pipe()
        self._read = bytearray()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    @property
    def text(self) -> str:
        """What has come so far."""
        return self._read.decode(errors="replace").replace("\r\n", "\n")

    def close(self) -> None:
        """Wait for the rest."""
        self._thread.join(20)
        os.close(self._end)

    def _run(self) -> None:
        try:
            while part := os.read(self._end, 4096):
                self._read += part
        except OSError:
            pass  # a terminal that nobody has open any more


@dataclass
class _Program:
    """``progress_program`` and what it writes."""

    process: subprocess.Popen[bytes]
    out: _Reader
    err: _Reader

    def wait(self) -> None:
        """Wait for its end, which must be a good one."""
        code = self.process.wait(30)
        for reader in {id(r): r for r in (self.out, self.err)}.values():
            reader.close()
        assert code == 0, self.err.text


def _start(out: To, err: To, environment: Mapping[str, str], seconds: float = 0.03) -> _Program:
    """Start it; if both go to a terminal, it is the same one."""
    error = _Reader(err)
    output = error if (out, err) == ("terminal", "terminal") else _Reader(out)
    plain = {k: v for k, v in os.environ.items() if k not in {"FORCE_COLOR", "TTY_COMPATIBLE"}}
    process = subprocess.Popen(
        [sys.executable, "-c", f"{_PROGRAM}.main({COUNT}, {seconds})"],
        cwd=ROOT,
        env={**plain, "TERM": "xterm-256color", "COLUMNS": "100", **environment},
        stdin=subprocess.DEVNULL,
        stdout=output.given,
        stderr=error.given,
    )
    for given in {output.given, error.given}:
        os.close(given)
    return _Program(process, output, error)


def _run(out: To, err: To, **environment: str) -> tuple[str, str]:
    """Run it; return what it has written to standard output and to standard error."""
    program = _start(out, err, environment)
    program.wait()
    return program.out.text, program.err.text


def _lines(text: str) -> list[str]:
    """Return the lines of a text without the bar, sorted: threads write them in any order."""
    bare = re.sub(r"\x1b\[[?0-9;]*[A-Za-z]", "", text)
    return sorted(line for line in re.split(r"[\r\n]+", bare) if line.startswith(("said", "all")))


def _counts(text: str) -> list[int]:
    """Return how many were done, in each picture of the bar."""
    return [int(done) for done in re.findall(rf"(\d+)/{COUNT}\b", text)]


def test_a_bar_on_a_terminal() -> None:
    """It grows until all have ended, failed ones too, and the cursor is there again.

    What tasks print meanwhile goes where it would go without the bar.
    """
    out, err = _run("pipe", "terminal")
    assert _lines(out) == sorted([*SAID, "all have ended"])
    assert "said" not in err
    counts = _counts(err)
    assert counts == sorted(counts)
    assert counts[-1] == COUNT
    assert any(0 < done < COUNT for done in counts)
    assert "progress_program.say" in err
    assert err.count(HIDES) == err.count(SHOWS) == 1
    assert err.index(HIDES) < err.index(SHOWS)


def test_what_is_printed_beside_the_bar() -> None:
    """On one terminal lines stand above the bar, and none of them is lost."""
    out, _ = _run("terminal", "terminal")
    assert _lines(out) == sorted([*SAID, "all have ended"])
    assert _counts(out)[-1] == COUNT


@pytest.mark.parametrize("out", ["pipe", "terminal"])
def test_lines_where_there_is_no_terminal(out: To) -> None:
    """Plain lines: nothing moves the cursor, hides it, or writes over what is there."""
    said, err = _run(out, "pipe")
    assert f"{COUNT} of {COUNT} done" in err
    assert re.search("[\x1b\r\b]", err) is None
    assert _lines(said) == sorted([*SAID, "all have ended"])


def test_coloured_lines_where_they_are_asked_for() -> None:
    """FORCE_COLOR, as build servers set it, makes no terminal of a file: colours, and no bar."""
    _, err = _run("pipe", "pipe", FORCE_COLOR="1")
    plain = re.sub(r"\x1b\[[0-9;]*m", "", err)
    assert f"{COUNT} of {COUNT} done" in plain
    assert re.search("[\x1b\r\b]", plain) is None


def test_lines_on_a_terminal_without_a_cursor() -> None:
    """One that cannot draw gets lines as well, not a bar at the end."""
    _, err = _run("pipe", "terminal", TERM="dumb")
    assert f"{COUNT} of {COUNT} done" in err
    assert "\x1b" not in err


def test_an_interrupted_bar_gives_the_cursor_back() -> None:
    """Ctrl-C in the middle leaves a terminal that one can work with."""
    program = _start("pipe", "terminal", {}, seconds=0.5)
    wait_for(lambda: any(_counts(program.err.text)), lambda: program.err.text)
    program.process.send_signal(signal.SIGINT)
    assert program.process.wait(20) != 0
    program.err.close()
    program.out.close()
    assert program.err.text.rindex(SHOWS) > program.err.text.rindex(HIDES)
    assert max(_counts(program.err.text)) < COUNT
