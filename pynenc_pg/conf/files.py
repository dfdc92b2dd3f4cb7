"""Configuration files: TOML, YAML and JSON by their suffix, and ``pyproject.toml``."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from pynenc_pg.exceptions import ConfigError


def read_pyproject(folder: Path) -> Mapping[str, Any]:
    """Return ``[tool.pynenc]`` of the folder's ``pyproject.toml``; nothing where there is none.

    Raises:
        ConfigError: the file cannot be read.
    """
    path = folder / "pyproject.toml"
    if not path.is_file():
        return {}
    table = _tool_pynenc(_parsed(path, _toml, str(path)))
    return {} if table is None else _mapping(table, f"[tool.pynenc] of {path}")


def read_file(path: Path, *, named_by: str) -> Mapping[str, Any]:
    """Return what a file says; ``named_by`` is who told us to read it.

    Raises:
        ConfigError: there is no such file, its kind is unknown, or it cannot be read.
    """
    what = f"{path}, named by {named_by},"
    parse = _PARSERS.get(path.suffix.lower())
    if parse is None:
        kinds = ", ".join(_PARSERS)
        message = f"{what} is of no kind we know: its name must end in one of {kinds}"
        raise ConfigError(message)
    content = _parsed(path, parse, what)
    if parse is _toml:
        table = _tool_pynenc(content)
        content = content if table is None else table
    return _mapping({} if content is None else content, what)


def _toml(text: str) -> Any:
    return tomllib.loads(text)


def _yaml(text: str) -> Any:
    # Imported at need: most apps have no YAML file.
    import yaml  # noqa: PLC0415

    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        # Its own text shows the line, which may hold a password.
        mark = getattr(error, "problem_mark", None)
        place = f" (at line {mark.line + 1}, column {mark.column + 1})" if mark else ""
        message = f"{getattr(error, 'problem', None) or 'no YAML'}{place}"
        raise ValueError(message) from None


def _json(text: str) -> Any:
    return json.loads(text)


_PARSERS: Final[dict[str, Callable[[str], Any]]] = {
    ".toml": _toml,
    ".yaml": _yaml,
    ".yml": _yaml,
    ".json": _json,
}


def _parsed(path: Path, parse: Callable[[str], Any], what: str) -> Any:
    try:
        return parse(path.read_text(encoding="utf-8"))
    except OSError as error:
        message = f"{what} cannot be read: {error.strerror or error}"
        raise ConfigError(message) from error
    except ValueError as error:
        message = f"{what} is not valid: {' '.join(str(error).split())}"
        raise ConfigError(message) from None


def _tool_pynenc(content: Any) -> Any:
    tool = content.get("tool")
    return tool.get("pynenc") if isinstance(tool, Mapping) else None


def _mapping(content: Any, what: str) -> Mapping[str, Any]:
    if not isinstance(content, Mapping):
        message = f"{what} must hold keys with values, not {type(content).__name__}"
        raise ConfigError(message)
    return content
