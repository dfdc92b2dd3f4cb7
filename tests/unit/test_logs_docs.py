"""Logging as documented: the examples run, and the list of events is the one of the code."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import pynenc_pg
from tests.unit.log_lines import ID, run, theirs

pytestmark = pytest.mark.usefixtures("restored_logging")

PACKAGE = Path(pynenc_pg.__file__).parent


HOWTO = PACKAGE.parent / "docs" / "howto" / "logging.md"


PAGE = PACKAGE.parent / "docs" / "reference" / "log-events.md"


def test_the_examples_of_the_guide_run(capsys: pytest.CaptureFixture[str]) -> None:
    """What the how-to page tells to write works as it stands, and does what it says."""
    blocks = re.findall(
        r"^```python\n(.*?)^```$", HOWTO.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL
    )
    task, event, set_up, dictionary = blocks
    assert "Adding {x} + {y}" in task  # runs in the tests of the usage guide
    exec(set_up)  # noqa: S102 - it is ours
    exec(event)  # noqa: S102
    said = json.loads(capsys.readouterr().err)
    assert (said["event"], said["message"], said["order"]) == ("order.paid", "Order 7 is paid", 7)
    exec(dictionary)  # noqa: S102
    theirs.warning("outside")
    with run():
        theirs.warning("inside")
    lines = capsys.readouterr().err.splitlines()
    assert lines[0].endswith(" WARNING [-] outside")
    assert lines[1].endswith(f" WARNING [{ID}] inside")


# --- the list of events -----------------------------------------------------------------------

LEVELS = {"debug", "info", "warning", "error", "critical", "exception", "log"}


NAME = re.compile(r"[a-z_*]+(\.[a-z_*]+)+(?=[:,\s]|$)")


def logged() -> Iterator[tuple[str, str]]:
    """Find what the library logs: the place, and the beginning of the message."""
    for path in sorted(PACKAGE.rglob("*.py")):
        if path.name == "noise.py":  # says what others tell it
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)):
                continue
            owner, verb = ast.unparse(node.func.value).rpartition(".")[2], node.func.attr
            if (owner in {"logger", "_logger"} and verb in LEVELS) or (
                owner == "_noise" and verb == "warn"
            ):
                message = node.args[1 if verb == "log" else 0]
                place = f"{path.relative_to(PACKAGE)}:{node.lineno}"
                yield place, _constant(message)


def _constant(node: ast.expr) -> str:
    """Return the text of a message; ``*`` stands for what is filled in."""
    if isinstance(node, ast.Constant):
        return str(node.value).replace("%s", "*")
    assert isinstance(node, ast.JoinedStr), ast.unparse(node)
    return "".join(str(p.value) if isinstance(p, ast.Constant) else "*" for p in node.values)


def test_every_log_call_begins_with_an_event() -> None:
    """Messages are events: a stable name of words and dots, then a short sentence."""
    nameless = [f"{place}: {message}" for place, message in logged() if not NAME.match(message)]
    assert nameless == []


def test_the_page_lists_exactly_the_events_that_are_logged() -> None:
    """No event without a row, no row without an event."""
    rows = re.findall(r"^\| `([a-z_.]+)` \| ", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    assert len(rows) == len(set(rows))
    found = {match[0] for _, message in logged() if (match := NAME.match(message))}
    patterns = [re.compile(name.replace(".", r"\.").replace("*", "[a-z_]+")) for name in found]
    assert len(found) > 20
    unknown = [row for row in rows if not any(pattern.fullmatch(row) for pattern in patterns)]
    missing = [p.pattern for p in patterns if not any(p.fullmatch(row) for row in rows)]
    assert (missing, unknown) == ([], [])
