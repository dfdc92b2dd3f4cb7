"""What pages say is to be typed: typed into one shell, and what each command came to."""

from __future__ import annotations

import os
import re
import signal
import subprocess
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.support.blocks import Block, same_output

_MARK: Final = "=== end of"
#: Exit codes by the command's first words, where the page says that it is another than 0.
ENDS_WITH: Final = {"pynenc-pg --app order doctor": 3, "pynenc-pg --app order why": 3}


@dataclass(frozen=True, slots=True)
class Typed:
    """A command, what the page shows below it, and what it did."""

    page: str
    command: str
    shown: str
    printed: str
    code: int

    @property
    def wrong(self) -> str:
        """What is not as the page says; empty: nothing."""
        expected = next((n for start, n in ENDS_WITH.items() if self.command.startswith(start)), 0)
        if self.code == expected and (not self.shown or same_output(self.printed, self.shown)):
            return ""
        said = f"{self.printed}--- exit code {self.code}, shown:\n{self.shown}"
        return f"{self.page}\n$ {self.command}\n{said}"


def type_in(
    blocks: Iterable[Block],
    *,
    shell: Sequence[str] = ("bash",),
    folder: Path,
    environment: Mapping[str, str],
    change: Callable[[str], str],
    seconds: float,
) -> tuple[list[Typed], str]:
    """Write the files and type the commands of those blocks, in order, into one shell.

    *change* makes of a file or a command what is typed; nothing: it is left out. What is still
    there in the shell's group afterwards is killed. Returns each command, and standard error.
    """
    commands, script = _script(blocks, change)
    process = subprocess.Popen(
        shell, cwd=folder, env=dict(environment), stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, text=True, start_new_session=True,
    )  # fmt: skip
    try:
        said, log = process.communicate(script, timeout=seconds)
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)  # a worker that is left
    parts = re.split(rf"^{_MARK} \d+: (\d+)\n", said, flags=re.MULTILINE)
    printed = zip(parts[0::2], parts[1::2], strict=False)
    if len(parts) != 2 * len(commands) + 1:
        message = f"the shell ended after {len(parts) // 2} commands:\n{said}{log}"
        raise AssertionError(message)
    return [
        Typed(page, command, shown, was, int(code))
        for (page, command, shown), (was, code) in zip(commands, printed, strict=True)
    ], log


def _script(
    blocks: Iterable[Block], change: Callable[[str], str]
) -> tuple[list[tuple[str, str, str]], str]:
    """The commands, with page and what is shown; and all as lines for a shell."""
    commands: list[tuple[str, str, str]] = []
    lines = []
    for block in blocks:
        if block.file and block.language in {"python", "toml"}:
            text = change(block.text)
            lines.append(f"cat > {block.file} <<'END_OF_FILE'\n{text}END_OF_FILE")
        elif block.language == "console":
            for command, shown in block.commands():
                if typed := change(command):
                    lines += [typed, f"echo '{_MARK} {len(commands)}:' $?"]
                    commands.append((block.page, command, shown))
    return commands, "\n".join(lines) + "\n"


def patient(command: str) -> str:
    """The same, with sleeps three times as long: whatever else this machine does."""
    return re.sub(r"^sleep (\d+)$", lambda found: f"sleep {int(found[1]) * 3}", command)
