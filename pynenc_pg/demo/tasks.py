"""An app and its tasks, as a user writes them: they measure Python's own source files."""

from __future__ import annotations

import ast
import os
from pathlib import Path
from typing import TypedDict

from pynenc_pg import PynencBuilder

app = (
    PynencBuilder()
    .app_id("demo")
    .postgres(os.environ.get("PYNENC__POSTGRES__DSN") or "embedded")
    .build()
)


class Function(TypedDict):
    """A function, and where it stands."""

    name: str
    lines: int
    at: str  # path:line


class Parsed(TypedDict):
    """What was found in one file; ``longest`` is None where there is no function."""

    lines: int
    functions: int
    classes: int
    longest: Function | None


class Summary(TypedDict):
    """All files together."""

    files: int
    lines: int
    functions: int
    classes: int
    longest: list[Function]


@app.task
def parse_file(path: str) -> Parsed:
    """Measure one source file. Some test files of Python's own are broken on purpose: they fail.

    Raises:
        SyntaxError: the file does not parse.
    """
    source = Path(path).read_bytes()
    nodes = list(ast.walk(ast.parse(source, filename=path)))
    functions = [
        Function(name=node.name, lines=_length(node), at=f"{path}:{node.lineno}")
        for node in nodes
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    ]
    return Parsed(
        lines=len(source.splitlines()),
        functions=len(functions),
        classes=sum(isinstance(node, ast.ClassDef) for node in nodes),
        longest=max(functions, key=lambda function: function["lines"], default=None),
    )


@app.task
def summarise(results: list[Parsed]) -> Summary:
    """Add up, and pick the ten longest functions, one a file at most."""
    longest = [found for result in results if (found := result["longest"]) is not None]
    longest.sort(key=lambda function: (-function["lines"], function["at"]))
    return Summary(
        files=len(results),
        lines=sum(result["lines"] for result in results),
        functions=sum(result["functions"] for result in results),
        classes=sum(result["classes"] for result in results),
        longest=longest[:10],
    )


def _length(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    return (node.end_lineno or node.lineno) - node.lineno + 1
