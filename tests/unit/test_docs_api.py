"""The reference of the code: every public name is in it, and its docstring says what it is."""

from __future__ import annotations

import ast
import builtins
import dataclasses
import doctest
import importlib
import inspect
import re
from collections.abc import Iterator
from enum import Enum
from functools import cache
from pathlib import Path
from typing import Any, Final

import pytest

from pynenc_pg import exceptions

API: Final = Path(__file__).parents[2] / "docs" / "reference" / "api"
ROW: Final = re.compile(r"^\| `(pynenc_pg[\w.]*)` \| (.+) \|$", re.MULTILINE)
ROWS: Final = [
    (page.name, name, told)
    for page in sorted(API.glob("*.md"))
    for name, told in ROW.findall(page.read_text(encoding="utf-8"))
]
NAMES: Final = [name for _, name, _ in ROWS]
#: Modules whose ``__all__`` is for users.
PUBLIC: Final = (
    "pynenc_pg",
    "pynenc_pg.postgres.embedded",
    "pynenc_pg.runner.runner_context",
    "pynenc_pg.serializer",
    "pynenc_pg.testing",
    "pynenc_pg.trigger",
    "pynenc_pg.workflow",
)
#: A text, which has no docstring.
_UNTOLD: Final = {"__version__"}
#: Exceptions of what is integrated.
_OTHERS: Final = {"TaskResultDoesNotExist"}


def _found(name: str) -> Any:
    module, _, attribute = name.rpartition(".")
    return getattr(importlib.import_module(module), attribute)


def _first_line(found: Any) -> str:
    text = inspect.getdoc(getattr(found, "__wrapped__", found)) or ""
    return text.partition("\n")[0]


def test_every_public_name_is_in_the_reference() -> None:
    """What a public module offers has a row, under that name or under a shorter one; each once."""
    told = [_found(name) for name in NAMES]
    assert len(NAMES) == len(set(NAMES))
    missing = [
        f"{module}.{name}"
        for module in PUBLIC
        for name in importlib.import_module(module).__all__
        if name not in _UNTOLD and _found(f"{module}.{name}") not in told
    ]
    missing += [
        f"pynenc_pg.exceptions.{name}"
        for name, found in vars(exceptions).items()
        if inspect.isclass(found) and found.__module__ == exceptions.__name__ and found not in told
    ]
    assert not missing, "no row in docs/reference/api"


@pytest.mark.parametrize("page", sorted({page for page, _, _ in ROWS}))
def test_the_rows_are_the_docstrings(page: str) -> None:
    """A row says what the first line of the docstring says: both are read."""
    rows = {name: told for on, name, told in ROWS if on == page}
    assert rows == {name: _first_line(_found(name)) for name in rows}


def _members(kind: type) -> Iterator[tuple[str, Any]]:
    """The methods and properties that a class has from us."""
    for owner in kind.__mro__:
        if owner.__module__.startswith("pynenc_pg"):
            for name, found in vars(owner).items():
                if not name.startswith("_") and (
                    inspect.isfunction(found) or isinstance(found, property | classmethod)
                ):
                    yield name, found


@cache
def _source(module: str) -> tuple[list[str], ast.Module]:
    path = inspect.getsourcefile(importlib.import_module(module))
    assert path
    text = Path(path).read_text(encoding="utf-8")
    return text.splitlines(), ast.parse(text)


def _silent_fields(kind: type) -> Iterator[str]:
    """Fields of a dataclass or TypedDict, and members of an enum, without a ``#:`` beside them."""
    lines, tree = _source(kind.__module__)
    [node] = [
        one for one in ast.walk(tree) if isinstance(one, ast.ClassDef) and one.name == kind.__name__
    ]
    for statement in node.body:
        match statement:
            case ast.AnnAssign(target=ast.Name(id=name)) | ast.Assign(targets=[ast.Name(id=name)]):
                beside = "".join(lines[statement.lineno - 1 : statement.end_lineno])
                if not name.startswith("_") and "#:" not in beside + lines[statement.lineno - 2]:
                    yield name


def _has_fields(kind: type) -> bool:
    return dataclasses.is_dataclass(kind) or issubclass(kind, Enum) or hasattr(kind, "__total__")


@pytest.mark.parametrize("page", sorted({page for page, _, _ in ROWS}))
def test_every_member_says_what_it_is(page: str) -> None:
    """Methods and properties have docstrings, fields a comment that the reference shows."""
    silent = []
    for name in (name for on, name, _ in ROWS if on == page):
        found = _found(name)
        if not inspect.isclass(found):
            continue
        silent += [f"{name}.{member}" for member, one in _members(found) if not inspect.getdoc(one)]
        if _has_fields(found):
            silent += [f"{name}.{field}: no #: beside it" for field in _silent_fields(found)]
    assert not silent


def test_examples_of_docstrings_run() -> None:
    """Those that need nothing around them, and so are not marked as skipped."""
    finder = doctest.DocTestFinder(recurse=True)
    runner = doctest.DocTestRunner(verbose=False)
    said: list[str] = []
    for name in NAMES:
        found = _found(name)
        if inspect.isclass(found) or inspect.isfunction(found):
            module = importlib.import_module(found.__module__)
            for example in finder.find(found, name, module=module, globs=dict(vars(module))):
                runner.run(example, out=said.append)
    assert not said, "".join(said)
    assert runner.tries > 5


def test_errors_that_a_docstring_names_exist() -> None:
    """``Raises:`` names exceptions of Python or of ours."""
    wrong = []
    for name in NAMES:
        found = _found(name)
        members = [*_members(found)] if inspect.isclass(found) else []
        for member, one in [("", found), *members]:
            for raised in _raises(inspect.getdoc(one) or ""):
                known = hasattr(exceptions, raised) or hasattr(builtins, raised)
                if not known and raised not in _OTHERS:
                    wrong.append(f"{name}.{member} raises {raised}")
    assert not wrong


def _raises(text: str) -> list[str]:
    _, _, raises = text.partition("\nRaises:\n")
    return re.findall(r"^    (\w+):", raises, re.MULTILINE)
