"""Every test of the suite by its address, read from the source: nothing is imported."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Final

ROOT: Final = Path(__file__).parents[2]
_LONG: Final = "pytest.mark.long"


@dataclass(frozen=True, slots=True)
class NamedTest:
    """A test function: the file below ``tests``, its name (``Class::name`` of a class)."""

    file: str
    name: str
    says: str  # the first line of its docstring
    long: bool  # all of it runs in ``make test-long`` alone

    @property
    def address(self) -> str:
        """As pytest has it, from ``tests`` on."""
        return f"{self.file}::{self.name}"


@cache
def named_tests() -> Mapping[str, NamedTest]:
    """All tests there are, by address."""
    folder = ROOT / "tests"
    return MappingProxyType(
        {
            test.address: test
            for path in sorted(folder.rglob("test_*.py"))
            for test in _of(path.relative_to(folder).as_posix(), path.read_text(encoding="utf-8"))
        }
    )


def _of(file: str, source: str) -> Iterator[NamedTest]:
    module = ast.parse(source)
    everywhere = any(
        isinstance(node, ast.Assign)
        and any(isinstance(to, ast.Name) and to.id == "pytestmark" for to in node.targets)
        and _LONG in ast.unparse(node.value)
        for node in module.body
    )
    yield from _in(file, module.body, "", long=everywhere)


def _in(file: str, body: list[ast.stmt], prefix: str, *, long: bool) -> Iterator[NamedTest]:
    for node in body:
        if isinstance(node, ast.ClassDef):
            yield from _in(file, node.body, f"{node.name}::", long=long or _is_long(node))
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name[:4] == "test":
            says = (ast.get_docstring(node) or "").partition("\n")[0]
            yield NamedTest(file, prefix + node.name, says, long or _is_long(node))


def _is_long(node: ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    """Whether it is marked itself; a mark of one of its parameters is of that one alone."""
    return any(ast.unparse(mark) == _LONG for mark in node.decorator_list)
