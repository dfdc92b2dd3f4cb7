"""Every setting with its value and its source, fit to be seen."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from pynenc_pg.conf.config_pynenc import PynencConf
from pynenc_pg.conf.section import Section
from pynenc_pg.conf.settings import SECTIONS
from pynenc_pg.domain.concurrency import RateLimit

#: What stands where a password was.
MASK = "***"
_SECRET = r"(?:[a-z_]*(?:password|secret)|scram_\w+_key)"  # noqa: S105 - names of parameters
_IN_QUERY = re.compile(rf"([?&]{_SECRET}=)[^&#]*", re.IGNORECASE)
_IN_WORDS = re.compile(rf"(\b{_SECRET}\s*=\s*)('(?:\\.|[^'\\])*'?|(?:\\.|[^\s\\])+)", re.IGNORECASE)
_SCHEME = re.compile(r"[a-z][a-z0-9+.-]*://", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Shown:
    """One setting. The value is what JSON can hold; passwords in it are masked."""

    key: str
    value: Any
    source: str


def shown_settings(conf: PynencConf) -> Iterator[Shown]:
    """Yield every setting, those of single tasks at the end, the weakest first."""
    for part in (conf, *(getattr(conf, name) for name in SECTIONS)):
        yield from _of_section(part)
    for one in conf.task_settings:
        yield Shown(one.key, plain(one.value), one.source)


def _of_section(part: Section) -> Iterator[Shown]:
    for field in type(part).model_fields:
        if not (isinstance(part, PynencConf) and field in SECTIONS):
            value = plain(getattr(part, field))
            if part.secret(field):
                value = hide_password(value) if isinstance(value, str) else _masked(value)
            yield Shown(part.key(field), value, part.source(field))


def _masked(value: Any) -> Any:
    return [MASK] * len(value) if isinstance(value, list) else value


def plain(value: Any) -> Any:
    """Return what JSON can hold: classes and functions by their dotted paths."""
    if isinstance(value, list | tuple):
        return [plain(each) for each in value]
    if isinstance(value, str | int | float) or value is None:
        return value
    if isinstance(value, RateLimit):
        return str(value)
    name = getattr(value, "__qualname__", None)
    if name is None:
        return repr(value)
    return name if value.__module__ == "builtins" else f"{value.__module__}.{name}"


def hide_password(dsn: str) -> str:
    """Return a DSN to be seen: host, user and database stay, passwords become ``***``.

    What is neither a URI nor ``key=value`` is masked as a whole.

    >>> hide_password("postgresql://me:pw@db.example.org/shop")
    'postgresql://me:***@db.example.org/shop'
    """
    scheme = _SCHEME.match(dsn)
    if scheme is None:
        if dsn == "embedded" or not dsn:
            return dsn
        return _IN_WORDS.sub(rf"\1{MASK}", dsn) if "=" in dsn and "//" not in dsn else MASK
    before, found, query = dsn[scheme.end() :].partition("?")
    if "@" not in before and "@" in query:  # an unescaped ? within the password
        before, found, query = dsn[scheme.end() :], "", ""
    user, at, rest = before.rpartition("@")
    name, colon, _ = user.partition(":")
    password = MASK if colon else ""
    shown = f"{scheme[0]}{name}{colon}{password}{at}{rest}{found}{query}"
    return _IN_QUERY.sub(rf"\1{MASK}", shown)
