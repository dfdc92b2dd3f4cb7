"""Looks for apps in the current folder by reading its modules, without importing any."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_MAKERS = ("Pynenc", "PynencBuilder")
_PACKAGE = "pynenc_pg"
#: Of tests, and of other people: apps in there are not what a command is about.
_SKIPPED = {"tests", "test", "node_modules", "site-packages"}


@dataclass(frozen=True, slots=True)
class Candidate:
    """A module that makes an app, as a path below the folder, and the app's name in it."""

    path: Path
    attribute: str

    def __str__(self) -> str:
        """Name it by path, as ``--app`` takes it."""
        return f"{self.path}:{self.attribute}"

    @property
    def dotted(self) -> str:
        """Name it as the user would, with dots where its folders allow it."""
        parts = list(self.path.with_suffix("").parts)
        if parts[0] == "src":
            parts.pop(0)
        if parts[-1] == "__init__":
            parts.pop()
        parts.append(self.attribute)
        return ".".join(parts) if all(part.isidentifier() for part in parts) else str(self)


def candidates(folder: Path) -> list[Candidate]:
    """Return the apps that the folder's modules make; without any, those of its packages."""
    for modules in (_modules(folder), _packaged(folder)):
        found = [
            Candidate(path.relative_to(folder), name) for path in modules for name in _apps_in(path)
        ]
        if found:
            return found
    return []


def unreadable(folder: Path) -> list[str]:
    """Say of each module that mentions an app and is no Python why it is none."""
    return [
        f"{path.relative_to(folder)} is not valid Python: {tree}"
        for path in (*_modules(folder), *_packaged(folder))
        if isinstance(tree := _tree(path), str)
    ]


def _modules(folder: Path) -> list[Path]:
    return [
        path
        for path in sorted(folder.glob("*.py"))
        if not path.name.startswith("test_") and path.name not in {"conftest.py", "setup.py"}
    ]


def _packaged(folder: Path) -> Iterator[Path]:
    """Yield the modules of all packages below; ``src`` itself need not be one."""
    for inner in sorted(path for path in folder.iterdir() if path.is_dir()):
        if inner.name in _SKIPPED or inner.name.startswith("."):
            continue
        if (inner / "__init__.py").exists() or inner.name == "src":
            yield from _modules(inner)
            yield from _packaged(inner)


def _tree(path: Path) -> ast.Module | str | None:
    """Parse a module that mentions an app; a reason if it cannot be, None if it does not."""
    try:
        source = path.read_bytes()
        return ast.parse(source, str(path)) if b"Pynenc" in source else None
    except SyntaxError as error:
        return f"{error.msg}, line {error.lineno}"
    except (OSError, ValueError) as error:
        return str(error)


def _apps_in(path: Path) -> list[str]:
    tree = _tree(path)
    if not isinstance(tree, ast.Module):
        return []
    makers = _maker_names(tree)
    names: dict[str, None] = {}
    for statement in _at_module_level(tree.body):
        match statement:
            case ast.Assign(targets=targets, value=value) if _makes_app(value, makers):
                names |= {each.id: None for each in targets if isinstance(each, ast.Name)}
            case ast.AnnAssign(
                target=ast.Name(id=name), annotation=kind, value=ast.expr() as value
            ):
                if _makes_app(value, makers) or makers.get(_dotted(kind)) == "Pynenc":
                    names[name] = None
    return list(names)


def _maker_names(tree: ast.Module) -> dict[str, str]:
    """Return what ``Pynenc`` and ``PynencBuilder`` are called in this module."""
    names: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == _PACKAGE:
            ours = node.names
            names |= {each.asname or each.name: each.name for each in ours if each.name in _MAKERS}
        elif isinstance(node, ast.Import):
            ours = [each for each in node.names if each.name.split(".")[0] == _PACKAGE]
        else:
            continue
        for each in ours:  # a module of ours, perhaps
            names |= {f"{each.asname or each.name}.{maker}": maker for maker in _MAKERS}
    return names


def _at_module_level(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    """Yield what runs at import, also under ``if``, ``try`` and ``with``."""
    for statement in body:
        yield statement
        if isinstance(statement, ast.If) and "__main__" in ast.dump(statement.test):
            continue
        if isinstance(statement, ast.If | ast.Try | ast.With):
            for inner in ("body", "orelse", "finalbody"):
                yield from _at_module_level(getattr(statement, inner, []))
            for handler in getattr(statement, "handlers", []):
                yield from _at_module_level(handler.body)


def _makes_app(value: ast.expr, makers: dict[str, str]) -> bool:
    """Whether it is ``Pynenc(...)``, or ``PynencBuilder()``, methods, ``.build()``."""
    if not isinstance(value, ast.Call):
        return False
    if makers.get(_dotted(value.func)) == "Pynenc":
        return True
    link: ast.expr = value.func
    if not (isinstance(link, ast.Attribute) and link.attr == "build"):
        return False
    while isinstance(link, ast.Call | ast.Attribute):
        if isinstance(link, ast.Call) and makers.get(_dotted(link.func)) == "PynencBuilder":
            return True
        link = link.func if isinstance(link, ast.Call) else link.value
    return False


def _dotted(node: ast.expr) -> str:
    match node:
        case ast.Name(id=name):
            return name
        case ast.Attribute(value=value, attr=attribute):
            return f"{_dotted(value)}.{attribute}"
        case ast.Constant(value=str(text)):  # an annotation in quotes
            return text
        case _:
            return ""
