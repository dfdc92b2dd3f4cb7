"""Commands of a page, typed into a shell: what is not as the page says is found."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.support.blocks import Block
from tests.support.typed import Typed, patient, type_in


def _type(folder: Path, *texts: str) -> list[Typed]:
    blocks = [Block("page", "python" if t.startswith("# ") else "console", t) for t in texts]
    typed, _ = type_in(
        blocks,
        folder=folder,
        environment=os.environ,
        change=lambda text: "" if text.startswith("skip") else text,
        seconds=20,
    )
    return typed


def test_what_is_as_the_page_says(tmp_path: Path) -> None:
    """Files are written, variables and folders are kept from command to command."""
    typed = _type(
        tmp_path,
        "# a.py\nprint('made')\n",
        "$ skip this\n$ cat a.py\n# a.py\nprint('made')\n$ word=two\n",
        "$ echo one; echo $word\none\n…\n$ true\n",
    )
    assert [one.wrong for one in typed] == [""] * 4
    assert [one.command for one in typed][1:] == ["word=two", "echo one; echo $word", "true"]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("$ echo one\ntwo\n", "$ echo one\none\n--- exit code 0, shown:\ntwo\n"),
        ("$ (exit 3)\n", "--- exit code 3"),
        ("$ no-such-command-anywhere\n", "--- exit code 127"),
    ],
)
def test_what_is_not(tmp_path: Path, text: str, told: str) -> None:
    """Another output, or another exit code, where nothing is shown, too."""
    [one] = _type(tmp_path, text)
    assert told in one.wrong


def test_a_shell_that_ends_too_early(tmp_path: Path) -> None:
    """It is not taken for a page that was followed."""
    with pytest.raises(AssertionError, match="the shell ended after 1 commands"):
        _type(tmp_path, "$ true\n$ exit 0\n$ true\n")


def test_sleeps_are_longer() -> None:
    """Those that are a command of their own."""
    assert patient("sleep 2") == "sleep 6"
    assert patient("echo sleep 2") == "echo sleep 2"
