"""All rules for a Python file."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from typing import Final

from pynenc_pg.compat import apps, imports, tasks
from pynenc_pg.compat.environment import of_variable
from pynenc_pg.compat.finding import Advice
from pynenc_pg.compat.source import Source

Found = Iterator[tuple[int, Advice]]

RULES: Final[tuple[Callable[[Source], Found], ...]] = (
    imports.imports,
    imports.attributes,
    imports.strings,
    apps.made,
    apps.settings,
    apps.asked,
    apps.main_guard,
    tasks.options,
    tasks.builders,
    tasks.triggers,
    tasks.serializers,
)


def of_python(source: Source) -> Found:
    """Everything that is to be said of a module."""
    for rule in RULES:
        yield from rule(source)
    yield from _variables(source)


def _variables(source: Source) -> Found:
    """Names of variables of the environment that stand in code, with the value beside them."""
    values: dict[int, str] = {}
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Dict):
            pairs = zip(node.keys, node.values, strict=True)
        elif isinstance(node, ast.Call) and len(node.args) > 1:  # setenv(name, value)
            pairs = zip(node.args, node.args[1:], strict=False)
        elif isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Subscript):
            pairs = zip([node.targets[0].slice], [node.value], strict=True)
        else:
            continue
        for key, value in pairs:
            if isinstance(value, ast.Constant) and isinstance(value.value, str):
                values[id(key)] = value.value
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            advice = of_variable(node.value, values.get(id(node)))
            if advice is not None:
                yield node.lineno, advice
