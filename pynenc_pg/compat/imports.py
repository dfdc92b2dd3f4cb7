"""Rules about names: imports, dotted names in text, and attributes of imported modules."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from typing import Final

from pynenc_pg.compat.finding import Advice, Topic
from pynenc_pg.compat.names import (
    OLD,
    PLUGINS,
    Place,
    as_old,
    is_mistaken,
    is_old,
    is_ours,
    module_of,
    place_of,
)
from pynenc_pg.compat.source import Source, shown

Found = Iterator[tuple[int, Advice]]

_DOTTED: Final = re.compile(rf"(?:{OLD}|{'|'.join(PLUGINS)})(?:\.[A-Za-z_]\w*)+")
_TOPICS: Final = {
    "runner": Topic.RUNNERS,
    "serializer": Topic.SERIALIZERS,
    "trigger": Topic.TRIGGERS,
    "conf": Topic.SETTINGS,
    "orchestrator": Topic.STORES,
    "broker": Topic.STORES,
    "state_backend": Topic.STORES,
    "client_data_store": Topic.STORES,
}


def imports(source: Source) -> Found:
    """Every import of pynenc and of its plugins."""
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Import):
            for one in node.names:
                if is_old(one.name):
                    yield node.lineno, _whole(one)
        elif isinstance(node, ast.ImportFrom) and not node.level and node.module:
            names = [
                one
                for one in node.names
                if is_old(node.module)
                or (is_ours(node.module) and is_mistaken(node.module, one.name))
            ]
            for advice in _from(node, node.module, names) if names else ():
                yield node.lineno, advice


def attributes(source: Source) -> Found:
    """``pynenc.x.Y`` where ``pynenc`` was imported as a module and Y is not where it was."""
    inner: set[int] = set()
    for node in ast.walk(source.tree):
        if not isinstance(node, ast.Attribute) or id(node) in inner:
            continue
        inner.update(id(part) for part in ast.walk(node.value) if isinstance(part, ast.Attribute))
        dotted = source.origin(node)
        if not dotted or not _through_module(source, node):
            continue
        if _left(node) in source.ours and not is_mistaken(*_as_ours(dotted)):
            continue
        place = place_of(*dotted.rpartition(".")[::2])
        new = f"{OLD}_pg{dotted.removeprefix(OLD)}"
        if not place.gone and place.path == new:
            continue
        # What is named may be a member of a class, as Enum.MEMBER: then its class decides.
        owner = place_of(*dotted.rpartition(".")[0].rpartition(".")[::2])
        if place.gone and not owner.gone and owner.name[:1].isupper():
            continue
        yield node.lineno, Advice(dotted, _advice(place), _topic(dotted))


def strings(source: Source) -> Found:
    """Text that is the dotted name of something in pynenc, as patch() and settings take it."""
    for node in ast.walk(source.tree):
        text = node.value if isinstance(node, ast.Constant) else None
        if isinstance(node, ast.Constant) and isinstance(text, str) and _DOTTED.fullmatch(text):
            place = place_of(*text.rpartition(".")[::2])
            if place.gone and not module_of(text).gone:
                place = module_of(text)
            yield node.lineno, Advice(repr(text), _named(place), _topic(text))


def _whole(one: ast.alias) -> Advice:
    found = f"import {one.name}" + (f" as {one.asname}" if one.asname else "")
    if one.name == OLD:
        return Advice(found, f"import pynenc_pg as {one.asname or OLD}", Topic.IMPORTS)
    place = module_of(one.name)
    instead = place.advice if place.gone else f"import {place.path}"
    return Advice(found, instead, _topic(one.name))


def _from(node: ast.ImportFrom, module: str, names: list[ast.alias]) -> Iterator[Advice]:
    moved: dict[str, list[str]] = {}
    old = as_old(module)
    for one in names:
        place = place_of(old, one.name)
        found = f"from {module} import {one.name}"
        if one.name == "*":
            yield Advice(found, "import the names that are used", Topic.IMPORTS)
        elif place.gone and not (inner := module_of(f"{old}.{one.name}")).gone:
            moved.setdefault(inner.module, []).append(_renamed(one, inner.name))
        elif place.gone:
            yield Advice(found, place.advice, _topic(f"{old}.{one.name}"))
        else:
            moved.setdefault(place.module, []).append(_renamed(one, place.name))
    if moved:
        instead = "; ".join(f"from {new} import {', '.join(what)}" for new, what in moved.items())
        yield Advice(shown(node, 100), instead, Topic.IMPORTS)


def _renamed(one: ast.alias, new: str) -> str:
    """The name that is used below stays what it was."""
    called = one.asname or one.name
    return new if called == new else f"{new} as {called}"


def _through_module(source: Source, node: ast.Attribute) -> bool:
    """Whether the name at the left end is that of a module."""
    return source.bound.get(_left(node), "").islower()


def _left(node: ast.expr) -> str:
    """Return the name at the left end."""
    while isinstance(node, ast.Attribute):
        node = node.value
    return node.id if isinstance(node, ast.Name) else ""


def _as_ours(dotted: str) -> tuple[str, str]:
    module, _, name = dotted.replace(OLD, f"{OLD}_pg", 1).rpartition(".")
    return module, name


def _advice(place: Place) -> str:
    return place.advice if place.gone else place.path


def _named(place: Place) -> str:
    return place.advice if place.gone else repr(place.path)


def _topic(dotted: str) -> Topic:
    parts = dotted.split(".")
    if parts[0] in PLUGINS:
        return Topic.STORES
    return _TOPICS.get(parts[1] if len(parts) > 1 else "", Topic.IMPORTS)
