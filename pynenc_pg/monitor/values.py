"""Stored values, made fit to be seen: markers of the wire format read, secrets masked, escaped.

Nothing is decoded by a serializer here: looking at a value never runs code of its class.
"""

from __future__ import annotations

import codecs
import contextlib
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any, Final
from urllib.parse import urlsplit

from markupsafe import Markup, escape

#: What stands where a value must not be seen.
MASK: Final = "***"
#: Characters of a value that a page shows.
LONGEST: Final = 20_000
_DEEPEST: Final = 60
_LINK: Final = re.compile(r"https?://[^\s<>\"'\\]+", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Noted:
    """A value that is more than JSON says: of which kind, and its parts."""

    kind: str
    value: Any = None


@dataclass(frozen=True, slots=True)
class Stored:
    """A large value that is stored by itself."""

    name: str


class Masks:
    """Decides by name what nobody sees."""

    def __init__(self, patterns: tuple[str, ...]) -> None:
        """Patterns as of files, in any case of letters."""
        self._patterns = tuple(pattern.lower() for pattern in patterns)
        each = "|".join(map(_expression, self._patterns))
        #: The same for the database: the name of an argument; and a value in which such a name
        #: stands before another one, however deep, also where JSON stands in a text.
        self.of_names = f"^({each})$" if each else None
        self.of_values = rf'"({each})\\*"\s*[:,]' if each else None

    def covers(self, name: object) -> bool:
        """Whether what has this name is masked."""
        lowered = str(name).lower()
        return any(fnmatchcase(lowered, pattern) for pattern in self._patterns)

    def masked(self, value: Any, depth: int = 0) -> Any:
        """Return the value without what is masked in it."""
        if depth > _DEEPEST:
            return Noted("nested deeper than is shown")
        if isinstance(value, dict):
            return {
                name: MASK if self.covers(name) else self.masked(each, depth + 1)
                for name, each in value.items()
            }
        if isinstance(value, list):
            return [self.masked(each, depth + 1) for each in value]
        if isinstance(value, Noted):
            return Noted(value.kind, self.masked(value.value, depth + 1))
        return value


def _expression(pattern: str) -> str:
    """Return a pattern as a regular expression of PostgreSQL; of a set, any character.

    >>> _expression("*pass_w?rd*"), _expression("api[_-]key")
    ('[^"]*pass_w[^"]rd[^"]*', 'api[^"]key')
    """
    parts = re.split(r"(\[!?\]?[^]]*\]|[*?])", pattern)
    joker = {"*": '[^"]*'}
    return "".join(
        re.escape(part) if number % 2 == 0 else joker.get(part, '[^"]')
        for number, part in enumerate(parts)
    )


def readable(text: str | None) -> Any:
    """Read a stored value; what is no JSON comes back as its text."""
    if text is None:
        return None
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return text
    return _plain(found)


def _plain(value: Any, depth: int = 0) -> Any:
    if depth > _DEEPEST:
        return Noted("nested deeper than is shown")
    if isinstance(value, list):
        return [_plain(each, depth + 1) for each in value]
    if not isinstance(value, dict):
        return value
    if "$sig" in value:
        value = {name: each for name, each in value.items() if name != "$sig"}
        if set(value) == {"$value"}:
            return _plain(value["$value"], depth + 1)
    if len(value) == 1:
        [(marker, inner)] = value.items()
        read = _MARKERS.get(marker)
        if read is not None:
            with contextlib.suppress(ValueError, TypeError, KeyError, AttributeError):
                return read(inner, depth + 1)
    return {
        (name[1:] if name.startswith("$$") else name): _plain(each, depth + 1)
        for name, each in value.items()
    }


def _text(inner: Any, _depth: int) -> Any:
    return codecs.decode(inner.encode("ascii"), "unicode_escape")


def _object(inner: Any, depth: int) -> Any:
    return Noted(inner["class"].replace(":", "."), _plain(inner["data"], depth))


def _pickled(inner: Any, depth: int) -> Any:
    return Noted("jsonpickle", _plain(json.loads(inner), depth))


_MARKERS: Final[Mapping[str, Callable[[Any, int], Any]]] = {
    "$str": _text,
    "$float": lambda inner, _: Noted(str(inner)),
    "$dict": lambda inner, depth: {
        str(_plain(name, depth)): _plain(each, depth) for name, each in inner
    },
    "$json": _object,
    "$jsonpickle": _pickled,
    "$pickle": lambda inner, _: Noted(f"a pickle of {len(inner):,} characters"),
    "$bytes": lambda inner, _: Noted(f"bytes, {len(inner):,} characters in base64"),
    "$tuple": _plain,
    "$ref": lambda inner, _: Stored(str(inner)),
}


def one_line(value: Any, longest: int = 120) -> str:
    """Return a value on one line, shortened."""
    text = json.dumps(value, ensure_ascii=False, default=_default)
    return text if len(text) <= longest else f"{text[: longest - 1]}…"


def arguments_line(value: Any, longest: int = 120) -> str:
    """Return arguments as a call has them: ``x=1, name="Ann"``."""
    if not isinstance(value, dict):
        return one_line(value, longest)
    text = ", ".join(f"{name}={one_line(each, longest)}" for name, each in value.items())
    return text if len(text) <= longest else f"{text[: longest - 1]}…"


def as_json(value: Any) -> str:
    """Return a value as JSON on several lines, for a form."""
    return json.dumps(value, ensure_ascii=False, indent=2, default=_default)


def signs(value: Any) -> set[str]:
    """Return the texts that stand in ``as_json`` for what is no JSON, or must not be seen."""
    if isinstance(value, Stored):
        return {_sign(value)}
    if isinstance(value, Noted):
        return {_sign(value)} | signs(value.value)
    if isinstance(value, dict):
        value = [*value.values()]
    if isinstance(value, list):
        return set().union(*map(signs, value))
    return {MASK} if value == MASK else set()


def _sign(value: Stored | Noted) -> str:
    return f"<large value {value.name[:12]}>" if isinstance(value, Stored) else f"<{value.kind}>"


def _default(value: Any) -> Any:
    if isinstance(value, Noted) and value.value is not None:
        return {_sign(value): value.value}
    return _sign(value) if isinstance(value, Stored | Noted) else str(value)


def pretty(value: Any) -> Markup:
    """Return a value as indented HTML; texts that are links lead there, nothing else does."""
    parts: list[Markup] = []
    _write(value, 0, parts)
    text = Markup("").join(parts)
    return text if len(text) <= 3 * LONGEST else _cut(value)


def _cut(value: Any) -> Markup:
    text = as_json(value)
    more = len(text) - LONGEST
    note = Markup('\n<span class="note">… {:,} characters more</span>').format(max(more, 0))
    return escape(text[:LONGEST]) + note


def _write(value: Any, depth: int, parts: list[Markup]) -> None:
    if isinstance(value, dict) and value:
        _write_many("{", [(name, each) for name, each in value.items()], "}", depth, parts)
    elif isinstance(value, list) and value:
        _write_many("[", [(None, each) for each in value], "]", depth, parts)
    elif isinstance(value, Noted):
        parts.append(Markup('<span class="note">{}</span>').format(value.kind))
        if value.value is not None:
            parts.append(Markup(" "))
            _write(value.value, depth, parts)
    elif isinstance(value, Stored):
        parts.append(
            Markup('<a class="note" href="/values/{0}">large value {1}</a>').format(
                value.name, value.name[:12]
            )
        )
    elif isinstance(value, str):
        parts.append(Markup('<span class="text">{}</span>').format(linked(json_text(value))))
    else:
        word = json.dumps(value, ensure_ascii=False, default=str)
        parts.append(Markup('<span class="plain">{}</span>').format(word))


def _write_many(
    begin: str, pairs: list[tuple[Any, Any]], end: str, depth: int, parts: list[Markup]
) -> None:
    parts.append(escape(begin))
    for number, (name, each) in enumerate(pairs):
        parts.append(escape(("," if number else "") + "\n" + "  " * (depth + 1)))
        if name is not None:
            parts.append(Markup('<span class="name">{}</span>: ').format(json_text(name)))
        _write(each, depth + 1, parts)
    parts.append(escape("\n" + "  " * depth + end))


def json_text(value: object) -> str:
    """Return a text as JSON has it."""
    return json.dumps(str(value), ensure_ascii=False)


def linked(text: str) -> Markup:
    """Escape a text; what begins with http:// or https:// in it becomes a link."""
    parts: list[Markup] = []
    last = 0
    for found in _LINK.finditer(text):
        address = found[0].rstrip(".,;:)]}")
        if not is_link(address):
            continue
        parts.append(escape(text[last : found.start()]))
        parts.append(
            Markup('<a href="{0}" rel="noreferrer noopener" target="_blank">{0}</a>').format(
                address
            )
        )
        last = found.start() + len(address)
    return Markup("").join([*parts, escape(text[last:])])


def is_link(address: str) -> bool:
    """Whether an address may be linked to: http or https, and nothing else."""
    try:
        found = urlsplit(address)
    except ValueError:
        return False
    return found.scheme.lower() in {"http", "https"} and bool(found.netloc)
