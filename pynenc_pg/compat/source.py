"""A Python file as the rules see it: its tree, and which of its names are of pynenc."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from pynenc_pg.compat.names import as_old, is_old, is_ours

#: What makes an app, and the last word of what makes one step by step.
_MAKERS: Final = ("Pynenc", "PynencBuilder")


@dataclass(slots=True)
class Source:
    """One module. ``apps`` are names that stand for apps anywhere in the project."""

    tree: ast.Module
    text: str
    apps: set[str]
    bound: dict[str, str] = field(default_factory=dict)  # name here: dotted name in pynenc
    ours: set[str] = field(default_factory=set)  # those of them that are imported from pynenc_pg
    builders: set[str] = field(default_factory=set)
    strangers: bool = False  # another library's apps are here, too

    @classmethod
    def read(cls, text: str) -> Source:
        """Parse a module.

        Raises:
            SyntaxError: it is none.
        """
        source = cls(ast.parse(text), text, set())
        for node in ast.walk(source.tree):
            if isinstance(node, ast.Import | ast.ImportFrom):
                source._bind(node)
        for node in ast.walk(source.tree):
            if isinstance(node, ast.Assign):
                source._learn(node)
        return source

    def origin(self, node: ast.expr) -> str:
        """Return the dotted name in pynenc that an expression is; empty if it is none."""
        if isinstance(node, ast.Name):
            return self.bound.get(node.id, "")
        if isinstance(node, ast.Attribute):
            before = self.origin(node.value)
            return f"{before}.{node.attr}" if before else ""
        return ""

    def is_app(self, node: ast.expr) -> bool:
        """Whether an expression is an app: its name is that of one somewhere in the project."""
        name = node.id if isinstance(node, ast.Name) else getattr(node, "attr", "")
        return name in self.apps and not (self.strangers and not self.bound)

    def is_builder(self, node: ast.expr) -> bool:
        """Whether an expression is a builder, also in the middle of a chain of its methods."""
        while isinstance(node, ast.Call):
            if self.made(node) == "PynencBuilder":
                return True
            if not isinstance(node.func, ast.Attribute):
                return False
            node = node.func.value
        return isinstance(node, ast.Name) and node.id in self.builders

    def made(self, node: ast.expr) -> str:
        """Return which class of pynenc a call makes one of, of those that make apps."""
        if not isinstance(node, ast.Call):
            return ""
        last = self.origin(node.func).rpartition(".")[2]
        return last if last in _MAKERS else ""

    def calls(self) -> Iterator[ast.Call]:
        """Every call."""
        return (node for node in ast.walk(self.tree) if isinstance(node, ast.Call))

    def _bind(self, node: ast.Import | ast.ImportFrom) -> None:
        if isinstance(node, ast.Import):
            for one in node.names:
                top = one.name.partition(".")[0]
                self._bind_one(one.name, one.asname or top, one.name if one.asname else top)
                self.strangers |= top in {"celery", "procrastinate", "huey", "dramatiq"}
        elif node.module and not node.level:
            for one in node.names:
                name = f"{node.module}.{one.name}"
                self._bind_one(node.module, one.asname or one.name, name)
            self.strangers |= node.module.partition(".")[0] in {"celery", "procrastinate", "huey"}

    def _bind_one(self, module: str, name: str, dotted: str) -> None:
        if is_old(module) or is_ours(module):
            self.bound[name] = as_old(dotted)
            self.ours |= {name} if is_ours(module) else set()

    def _learn(self, node: ast.Assign) -> None:
        """Note names that apps and builders are given."""
        names = {target.id for target in node.targets if isinstance(target, ast.Name)}
        value = node.value
        if self.made(value) == "Pynenc" or (
            isinstance(value, ast.Call)
            and isinstance(value.func, ast.Attribute)
            and value.func.attr == "build"
            and self.is_builder(value.func.value)
        ):
            self.apps |= names
        elif self.is_builder(value):
            self.builders |= names


def literal(node: ast.expr) -> tuple[object, bool]:
    """Return the value of an expression, and whether it stands there in the open."""
    try:
        return ast.literal_eval(node), True
    except ValueError:
        return None, False


def shown(node: ast.AST, limit: int = 70) -> str:
    """Return an expression as it could be written, on one line."""
    text = " ".join(ast.unparse(node).split())
    return text if len(text) <= limit else f"{text[: limit - 3]}..."
