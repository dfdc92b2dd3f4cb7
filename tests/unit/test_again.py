"""The command line and the folder with which a worker begins anew."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from pynenc_pg.cli import again

ARGUMENTS = ["--app", "tasks.app", "runner", "start"]


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        (["python", "-m", "pynenc_pg", *ARGUMENTS], ["-m", "pynenc_pg", *ARGUMENTS]),
        (["python", "-I", "/bin/pynenc-pg", *ARGUMENTS], ["-I", "/bin/pynenc-pg", *ARGUMENTS]),
        (["python", "-m", "tests.faults.nursery"], ["-m", "pynenc_pg", *ARGUMENTS]),
    ],
    ids=["module", "script", "forked by another program"],
)
def test_the_same_command(
    given: list[str], wanted: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the interpreter's own options, however it was begun."""
    monkeypatch.setattr(sys, "orig_argv", given)
    monkeypatch.setattr(sys, "argv", ["pynenc-pg", *ARGUMENTS])
    assert again.command() == [sys.executable, *wanted]


def test_a_link_that_was_moved_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The folder is the one that the link leads to now; a PWD that lies is not believed."""
    link = tmp_path / "current"
    for release in ("1", "2"):
        (tmp_path / release).mkdir()
    link.symlink_to(tmp_path / "1")
    monkeypatch.chdir(link)
    monkeypatch.setenv("PWD", str(link))
    assert again._folder() == str(link)
    for lie in (str(tmp_path / "2"), str(tmp_path / "nowhere")):
        monkeypatch.setenv("PWD", lie)
        assert again._folder() == os.path.realpath(tmp_path / "1")
