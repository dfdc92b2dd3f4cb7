"""Plain JSON: the values that stand in a row as they are, and the strings JSON has no way to say.

Every call comes through here, so this is written for speed.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable
from typing import Any, Final

#: PostgreSQL's json has neither NUL nor lone surrogates.
_HOSTILE: Final = re.compile("[\x00\ud800-\udfff]")
_SIMPLE: Final = frozenset({int, bool, type(None)})
_ENCODER: Final = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"))


class NotJsonError(Exception):
    """Somewhere inside is a value that JSON does not know."""


def refuse(_value: Any) -> Any:
    """Say that it is not plain."""
    raise NotJsonError


def plain(value: Any, other: Callable[[Any], Any] = refuse) -> Any:  # noqa: PLR0911 - a table
    """Return the JSON that stands for a plain value; what is none inside goes to ``other``.

    Types are taken literally: an ``IntEnum`` or a ``str`` subclass is not plain.
    """
    kind = type(value)
    if kind in _SIMPLE:
        return value
    if kind is str:
        return {"$str": escaped(value)} if is_hostile(value) else value
    if kind is float:
        return value if math.isfinite(value) else {"$float": repr(value)}
    if kind is list:
        return [plain(item, other) for item in value]
    if kind is dict:
        wire = {}
        for key, item in value.items():
            if type(key) is not str:
                return other(value)
            if is_hostile(key):
                return _pairs(value, other)
            wire[f"${key}" if key[:1] == "$" else key] = plain(item, other)
        return wire
    return other(value)


def dumps(wire: Any) -> str:
    """Return the JSON text of what ``plain`` returned."""
    return _ENCODER.encode(wire)


def is_hostile(text: str) -> bool:
    """Whether PostgreSQL cannot hold it."""
    # Whether a text is ASCII is known without looking at it.
    return "\x00" in text if text.isascii() else _HOSTILE.search(text) is not None


def escaped(text: str) -> str:
    """Return it with Python's escapes, for ``{"$str": …}``."""
    return text.encode("unicode_escape").decode("ascii")


def _pairs(value: dict[Any, Any], other: Callable[[Any], Any]) -> Any:
    if any(type(key) is not str for key in value):
        return other(value)
    return {"$dict": [[plain(key), plain(item, other)] for key, item in value.items()]}
