"""Rules for files that are no Python: configuration, packages, commands."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import yaml

from pynenc_pg.compat.environment import variables
from pynenc_pg.compat.finding import Advice, Severity, Topic
from pynenc_pg.compat.settings import Written, advise, section_named

Found = Iterator[tuple[int, Advice]]

#: Keys by which a file is known to be a configuration of pynenc.
_TELLING: Final = {"orchestrator_cls", "broker_cls", "state_backend_cls", "runner_cls"}
_PACKAGE: Final = re.compile(
    r"(?<![\w./-])(pynenc(?:[-_](?:redis|mongodb|mongo|rabbitmq))?)(?:\[[\w,-]+\])?"
    r"(?=\s*(?:[=<>~!;,\"'\]@#]|$|\s))(?![-_]pg)",
    re.MULTILINE,
)
_COMMAND: Final = re.compile(
    r"(?<![\w./-])pynenc(?=[\"']?[,\s]+[\"']?(?:--app|-v\b|--verbose|runner|monitor|show_config))"
)
_IMAGE: Final = re.compile(r"^\s*image:\s*[\"']?(?:[\w./-]*/)?(redis|mongo|rabbitmq|valkey)\b")
_PARSERS: Final[dict[str, Callable[[str], Any]]] = {
    ".toml": tomllib.loads,
    ".yaml": yaml.safe_load,
    ".yml": yaml.safe_load,
    ".json": json.loads,
}


def of_file(path: Path, text: str, *, named: bool = False) -> Found:
    """Everything that is to be said of a file; ``named``: code names it as a configuration."""
    yield from variables(text)
    yield from _commands(text)
    if path.suffix in _PARSERS:
        yield from _configuration(path, text, named=named)
    if path.name in {"pyproject.toml", "Pipfile", "setup.cfg", "environment.yml"} or (
        "requirements" in path.name and path.suffix in {".txt", ".in"}
    ):
        yield from _packages(text)


def _configuration(path: Path, text: str, *, named: bool) -> Found:
    try:
        content = _PARSERS[path.suffix](text)
    except (ValueError, yaml.YAMLError):
        return  # a template, perhaps; what cannot be read cannot be run either
    if not isinstance(content, Mapping):
        return
    tool = content.get("tool")
    table = tool.get("pynenc") if isinstance(tool, Mapping) else None
    if table is None and (named or path.stem.startswith("pynenc") or _TELLING & content.keys()):
        table = content
    if isinstance(table, Mapping):
        lines = _Lines(text)
        for key, value in table.items():
            yield from _setting(lines, str(key), value)


def _setting(lines: _Lines, key: str, value: Any) -> Found:
    if not isinstance(value, Mapping):
        yield from _one(lines, "", key, value)
        return
    section = section_named(key)
    for field, inner in value.items():
        if section == "task" and isinstance(inner, Mapping):
            for option, said in inner.items():
                yield from _one(lines, "task", str(option), said, under=str(field))
        elif not isinstance(inner, Mapping):
            yield from _one(lines, key, str(field), inner)


def _one(lines: _Lines, section: str, field: str, value: Any, under: str = "") -> Found:
    text = f"{section}.{field}" if section else field
    found = advise(Written(section, field, value, f"{text} = {value!r}"))
    if found is not None:
        yield lines.of(field, under or section), found


class _Lines:
    """Where keys stand: the parsers do not tell."""

    def __init__(self, text: str) -> None:
        self._lines = text.splitlines()

    def of(self, key: str, section: str) -> int:
        """Return the line of a key, the first below one that names its section."""
        wanted = re.compile(
            rf"^\s*[\"']?{re.escape(key)}[\"']?\s*[=:]|[{{,]\s*[\"']?{re.escape(key)}\b"
        )
        start = 0
        if section:
            head = re.compile(rf"(\[.*\b|^\s*[\"']?){re.escape(section)}\b")
            start = next((n for n, line in enumerate(self._lines) if head.search(line)), 0)
        found = (n for n in range(start, len(self._lines)) if wanted.search(self._lines[n]))
        return next(found, start) + 1


def _packages(text: str) -> Found:
    for number, line in enumerate(text.splitlines(), 1):
        bare = line.strip()
        if bare.startswith(("#", "[")) and not bare.startswith('["'):
            continue
        for found in _PACKAGE.finditer(line):
            if found[1] == "pynenc":
                instead = "pynenc_pg"
            else:
                instead = "leave it out: PostgreSQL is built in, and there are no plugins"
            yield number, Advice(found[0], instead, Topic.COMMANDS)


def _commands(text: str) -> Found:
    for number, line in enumerate(text.splitlines(), 1):
        bare = line.strip()
        if _COMMAND.search(line) and not bare.startswith("#"):
            instead = _COMMAND.sub("pynenc-pg", bare)
            yield number, Advice(bare, instead, Topic.COMMANDS)
        image = _IMAGE.match(line)
        if image:
            yield (
                number,
                Advice(
                    bare,
                    f"tasks need no {image[1]} any more, but PostgreSQL 15 or newer",
                    Topic.STORES,
                    Severity.NOTE,
                ),
            )
