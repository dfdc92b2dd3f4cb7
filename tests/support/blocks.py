"""The code that stands in the pages for users, block by block."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from textwrap import dedent
from typing import Final

ROOT: Final = Path(__file__).parents[2]
DOCS: Final = ROOT / "docs"
_BLOCK: Final = re.compile(r"^( *)```(\w*)[^\n]*\n(.*?)^\1```[ \t]*$", re.MULTILINE | re.DOTALL)
_FILE: Final = re.compile(r"# ([\w/]+\.(?:py|toml))\n")
_OPERATORS: Final = "();<>|&"
#: What is another one at each run.
_VARIES: Final = (
    (re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"), "ID"),
    (re.compile(r"PostgreSQL \d+(\.\d+)*"), "PostgreSQL N"),
    (re.compile(r"revision pynenc_\d+"), "revision pynenc_N"),
    (re.compile(r"\d{4}-\d\d-\d\d[ T]\d\d:\d\d(:\d\d(\.\d+)?)?([+-]\d\d(:\d\d)?|Z)?"), "TIME"),
    (re.compile(r"\b\d+(\.\d+)? ?(ms|s|min|h)\b"), "N s"),
    (re.compile(r" +"), " "),
    (re.compile(r" $", re.MULTILINE), ""),
)


@dataclass(frozen=True, slots=True)
class Block:
    """A block of code in a page."""

    page: str  # from the top of the checkout
    language: str
    text: str

    @property
    def file(self) -> str | None:
        """The file that it is, if its first line names one."""
        named = _FILE.match(self.text)
        return named[1] if named else None

    def commands(self) -> Iterator[tuple[str, str]]:
        """Yield what is typed after ``$``, and what it prints."""
        for part in re.split(r"^\$ ", self.text, flags=re.MULTILINE)[1:]:
            lines = part.splitlines(keepends=True)
            count = next(n for n, line in enumerate(lines, 1) if not line.endswith("\\\n"))
            yield "".join(lines[:count]).replace("\\\n", "").strip(), "".join(lines[count:])


def blocks_of(page: Path) -> list[Block]:
    """Return the blocks of a page, in order."""
    found = _BLOCK.findall(page.read_text(encoding="utf-8"))
    name = str(page.relative_to(ROOT))
    return [Block(name, language, dedent(text)) for _, language, text in found]


def all_blocks() -> list[Block]:
    """Return the blocks of all pages for users."""
    pages = [*sorted(DOCS.rglob("*.md")), ROOT / "README.md", ROOT / "CONTRIBUTING.md"]
    return [block for page in pages for block in blocks_of(page)]


def arguments_of(command: str, name: str = "pynenc-pg") -> Iterator[list[str]]:
    """Yield the arguments of each call of a program in a command line of a shell."""
    lexer = shlex.shlex(command, posix=True, punctuation_chars=_OPERATORS)
    lexer.whitespace_split = True
    words = list(lexer)
    while name in words:
        words = words[words.index(name) + 1 :]
        end = next((n for n, word in enumerate(words) if set(word) <= set(_OPERATORS)), None)
        given = words[:end]
        to_file = end is not None and words[end].startswith(">")
        yield given[:-1] if to_file and given[-1:] == ["2"] else given  # 2> file


def same_output(printed: str, shown: str) -> bool:
    """Whether a page shows what was printed; a dot-dot-dot stands for any text."""
    for pattern, word in _VARIES:
        printed, shown = pattern.sub(word, printed), pattern.sub(word, shown)
    parts = [re.escape(part) for part in re.split(r"\.\.\.$|…", shown.strip(), flags=re.MULTILINE)]
    lines = ".*?".join(parts)
    return re.fullmatch(lines, printed.strip(), re.DOTALL) is not None
