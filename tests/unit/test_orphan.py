"""Children that die with their parent. Processes of their own, for there are two to lose."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from pynenc_pg.runner.orphan import VARIABLE, die_with_parent

ROOT = Path(__file__).parents[2]
#: Starts a child, and lives until it is killed. The child says who it is once it is watched.
PARENT = """
import os, subprocess, sys, time
from pynenc_pg.runner.orphan import Lifeline
line = Lifeline()
subprocess.Popen(
    [sys.executable, "-c", sys.argv[1]], pass_fds=line.pass_fds, env=os.environ | line.environment
)
time.sleep(60)
"""
CHILD = """
import os, time
from pynenc_pg.runner import orphan
{before}
assert orphan.die_with_parent()
print(os.getpid(), orphan.VARIABLE in os.environ, flush=True)
time.sleep(60)
"""
LATE = "parent = os.getppid(); os.write(1, b'here\\n')\n"
LATE += "while os.getppid() == parent: time.sleep(0.01)"


@pytest.fixture
def parent(request: pytest.FixtureRequest) -> Iterator[subprocess.Popen[str]]:
    """A parent with a child that does something else before it asks to be watched."""
    child = CHILD.format(before=request.param)
    with subprocess.Popen(
        [sys.executable, "-c", PARENT, child], cwd=ROOT, stdout=subprocess.PIPE, text=True
    ) as process:
        yield process
        process.kill()


def _ends(parent: subprocess.Popen[str]) -> bool:
    """Whether nobody holds the other end of standard output any more: the child is gone, too."""
    assert parent.stdout
    return parent.stdout.read() == ""


@pytest.mark.parametrize("parent", ["", "orphan._LIBC = None"], indirect=True)
def test_a_child_dies_with_its_parent(parent: subprocess.Popen[str]) -> None:
    """After kill -9 of the parent the child is gone, watched by the kernel or by its lifeline."""
    assert parent.stdout
    pid, seen = parent.stdout.readline().split()
    os.kill(int(pid), 0)
    assert seen == "False", "grandchildren would find it"
    parent.kill()
    assert _ends(parent)


@pytest.mark.parametrize("parent", [LATE], indirect=True)
def test_a_parent_that_died_before(parent: subprocess.Popen[str]) -> None:
    """A child that comes too late to be watched ends at once."""
    assert parent.stdout
    assert parent.stdout.readline() == "here\n"
    parent.kill()
    assert _ends(parent)


def test_nobody_to_die_with(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a parent in the environment nothing happens."""
    monkeypatch.delenv(VARIABLE, raising=False)
    before = signal.getsignal(signal.SIGTERM)
    assert not die_with_parent()
    assert signal.getsignal(signal.SIGTERM) is before
