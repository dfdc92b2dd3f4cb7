"""A whole project: which files there are, and what is said of each."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pynenc_pg.compat.files import of_file
from pynenc_pg.compat.finding import Advice, Finding, Severity, Topic
from pynenc_pg.compat.python import of_python
from pynenc_pg.compat.source import Source
from pynenc_pg.exceptions import ConfigError

_SKIPPED: Final = {
    "__pycache__", "build", "dist", "node_modules", "site-packages", "venv",
}  # fmt: skip
_SUFFIXES: Final = {".toml", ".yaml", ".yml", ".json", ".env", ".sh", ".service", ".cfg", ".ini"}
_NAMES: Final = re.compile(
    r"\.env.*|Dockerfile.*|.*\.Dockerfile|Containerfile|Procfile|Pipfile|Makefile|"
    r".*requirements.*\.(txt|in)|justfile"
)
#: A file that is no work of hands; reading it would take long.
_LARGEST: Final = 1_000_000
_CONFIG_FILE: Final = re.compile(
    r"(?:config_filepath\s*=\s*|PYNENC__FILEPATH[\"']?\s*[=:,\]]+\s*)[\"']?([^\s\"',)]+)"
)


@dataclass(slots=True)
class _Read:
    path: Path
    shown: str
    text: str
    source: Source | None = None
    error: SyntaxError | None = None


def check(paths: Iterable[Path]) -> list[Finding]:
    """Read files and folders, and say what is to be changed in them; nothing is executed.

    Raises:
        ConfigError: there is no such file.
    """
    read = [one for path in paths for one in _files(path)]
    apps = {name for one in read if one.source for name in one.source.apps}
    named = {Path(found[1]).name for one in read for found in _CONFIG_FILE.finditer(one.text)}
    findings: set[Finding] = set()
    for one in read:
        for line, advice in _of_one(one, apps, named):
            findings.add(Finding.at(one.shown, line, advice))
    return sorted(findings)


def _of_one(one: _Read, apps: set[str], named: set[str]) -> Iterator[tuple[int, Advice]]:
    if one.error is not None:
        yield (
            one.error.lineno or 1,
            Advice(
                f"no Python that can be read: {one.error.msg}",
                "nothing was looked for in this file",
                Topic.IMPORTS,
                Severity.NOTE,
            ),
        )
    elif one.source is not None:
        one.source.apps = apps
        yield from of_python(one.source)
    else:
        yield from of_file(one.path, one.text, named=one.path.name in named)


def _files(path: Path) -> Iterator[_Read]:
    if not path.exists():
        message = f"there is no {path}: name files and folders of the project"
        raise ConfigError(message)
    for found in [path] if path.is_file() else sorted(_walk(path)):
        try:
            if found.stat().st_size > _LARGEST:
                continue
            text = found.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError):
            continue
        one = _Read(found, str(found), text)
        if found.suffix in {".py", ".pyi"}:
            try:
                one.source = Source.read(text)
            except (SyntaxError, ValueError) as error:
                one.error = error if isinstance(error, SyntaxError) else SyntaxError(str(error))
        yield one


def _walk(folder: Path) -> Iterator[Path]:
    for found in folder.iterdir():
        if found.is_symlink():
            continue
        if found.is_dir():
            hidden = found.name.startswith(".") or (found / "pyvenv.cfg").exists()
            if found.name not in _SKIPPED and not hidden:
                yield from _walk(found)
        elif (
            found.suffix in {".py", *_SUFFIXES} or _NAMES.fullmatch(found.name)
        ) and not found.name.endswith(("-lock.json", ".lock")):
            yield found
