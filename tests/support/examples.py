"""The folders of examples/, and what their READMEs show."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[2]
EXAMPLES: Final = ROOT / "examples"
NAMES: Final = sorted(path.name for path in EXAMPLES.iterdir() if path.name[0].isdigit())
CONSOLE: Final = re.compile(r"^```console\n(.*?)^```", re.MULTILINE | re.DOTALL)
#: What differs from run to run.
_CHANGING: Final = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|[0-9a-f]{64}|\d+\.\d+s\b")


def shown(name: str) -> tuple[list[str], str]:
    """The arguments for Python that the README says, and what it prints there."""
    text = (EXAMPLES / name / "README.md").read_text(encoding="utf-8")
    block = CONSOLE.findall(text)[0]
    folder, command, *printed = block.splitlines()
    assert folder == f"$ cd examples/{name}"
    program, *arguments = command.removeprefix("$ ").split()
    assert program == "python"
    return arguments, "\n".join(printed)


def compare(name: str, code: int, output: str, errors: str) -> None:
    """Fail if the command ended badly, or said something else than its README shows."""
    arguments, expected = shown(name)
    assert code == 0, output + errors
    said = errors if "unittest" in arguments else output
    assert _blank(said) == _blank(expected), said + errors


def _blank(text: str) -> list[str]:
    return [_CHANGING.sub("…", line) for line in text.strip().splitlines()]
