"""Write the table of features, tests and pages: ``python -m tests.tools.coverage_table``.

The features stand in ``tests/tools/features/*.yaml``, by section. A row has what the feature is,
its tests (addresses below ``tests``) and its pages (below ``docs``, with an anchor where that says
more). One without tests or without pages is refused; so is one whose tests, pages or anchors are
not there, and one of whose names in backticks no page or no test speaks.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

import yaml

from tests.tools.named_tests import ROOT, named_tests

DOCS: Final = ROOT / "docs"
PAGE: Final = DOCS / "reference" / "coverage.md"
FEATURES: Final = Path(__file__).parent / "features"
_HEAD: Final = """\
# Features, their tests and their pages

What the project is asked to do, row by row, with the tests that show it and the pages that tell of
it. Tests marked "(long)" run in `make test-long`, the others in `make test`.

Written by `python -m tests.tools.coverage_table` from `tests/tools/features`: edit that. A row
without tests or pages is refused, and a test holds the table against the suite and the pages.
"""
_FOOT: Final = """
## Asked for, and not there

These have no row above, because nothing does them yet.
"""


@dataclass(frozen=True, slots=True)
class Row:
    """A feature with the addresses of its tests and of its pages."""

    feature: str
    tests: tuple[str, ...]
    pages: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Section:
    """What belongs together, in the order of the file."""

    title: str
    rows: tuple[Row, ...]


@dataclass(frozen=True, slots=True)
class Features:
    """All there are, and what is asked for and not there."""

    sections: tuple[Section, ...]
    missing: tuple[str, ...]


def read() -> Features:
    """Read the lists.

    Raises:
        ValueError: a row has no tests, or no pages.
    """
    sections: list[Section] = []
    missing: list[str] = []
    for path in sorted(FEATURES.glob("*.yaml")):
        listed = yaml.safe_load(path.read_text(encoding="utf-8"))
        missing += listed.get("missing", ())
        for title, rows in listed.get("sections", {}).items():
            sections.append(Section(title, tuple(_row(row) for row in rows)))
    return Features(tuple(sections), tuple(missing))


def _row(row: dict[str, str]) -> Row:
    made = Row(
        row["feature"],
        tuple((row.get("tests") or "").split()),
        tuple((row.get("pages") or "").split()),
    )
    if not made.tests or not made.pages:
        message = f"{made.feature!r} has no {'pages' if made.tests else 'tests'}"
        raise ValueError(message)
    return made


def complaints(row: Row) -> Iterator[str]:
    """Yield what of a row is not so."""
    there = named_tests()
    absent = [test for test in row.tests if test not in there]
    absent += [page for page in row.pages if not _leads_somewhere(page)]
    yield from (f"{row.feature}: {name} is not there" for name in absent)
    if absent:
        return
    pages = "\n".join(_text(_file(page)) for page in row.pages)
    tests = "\n".join(_with_helpers(ROOT / "tests" / there[test].file) for test in row.tests)
    for name in _names(row.feature):
        if name not in pages:
            yield f"{row.feature}: no page of it says {name}"
        if name not in tests:
            yield f"{row.feature}: no test of it says {name}"


def table(features: Features) -> str:
    """Return the page."""
    parts = [_HEAD]
    for section in features.sections:
        parts.append(f"\n## {section.title}\n\n| Feature | Tests | Pages |\n|---|---|---|\n")
        parts += [_line(row) for row in section.rows]
    if features.missing:
        parts.append(_FOOT + "\n" + "".join(f"- {feature}\n" for feature in features.missing))
    return "".join(parts)


def _line(row: Row) -> str:
    there = named_tests()
    tests = ", ".join(
        f"[`{there[test].name}`](../../tests/{there[test].file})"
        + (" (long)" if there[test].long else "")
        for test in row.tests
    )
    pages = ", ".join(f"[{_title(page)}]({_link(page)})" for page in row.pages)
    return f"| {row.feature} | {tests} | {pages} |\n"


def _names(feature: str) -> list[str]:
    """The last word of what stands in backticks, before any parenthesis: `wf.sleep(5)` is sleep."""
    called = (name.partition("(")[0] for name in re.findall(r"`([^`]+)`", feature))
    return [re.findall(r"\w+", name)[-1] for name in called]


def _file(page: str) -> Path:
    name = page.partition("#")[0]
    return (ROOT if name.isupper() else DOCS) / f"{name}.md"


def _link(page: str) -> str:
    name, hash_, anchor = page.partition("#")
    folder, _, stem = name.rpartition("/")
    up = {"": "../../", "reference": ""}.get(folder, f"../{folder}/")
    return f"{up}{stem}.md{hash_}{anchor}"


def _title(page: str) -> str:
    anchor = page.partition("#")[2]
    headings = re.findall(r"^#+ (.*)$", _text(_file(page)), re.MULTILINE)
    found = next((h for h in headings if _anchor(h) == anchor), headings[0])
    return str(found)


def _anchor(heading: str) -> str:
    return re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-")


def _leads_somewhere(page: str) -> bool:
    file, anchor = _file(page), page.partition("#")[2]
    if not file.exists():
        return False
    headings = re.findall(r"^#+ (.*)$", _text(file), re.MULTILINE)
    return not anchor or anchor in {_anchor(heading) for heading in headings}


@cache
def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8")


@cache
def _with_helpers(path: Path) -> str:
    """Return the source of a module of tests, and of the modules of tests that it imports."""
    source = _text(path)
    parts = [source]
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("tests"):
            base = ROOT / str(node.module).replace(".", "/")
            wanted = [base, *(base / alias.name for alias in node.names)]
            files = [one.with_suffix(".py") for one in wanted]
            files += [file for one in wanted[1:] for file in one.glob("*.py")]  # a whole package
            parts += [_text(file) for file in files if file.is_file()]
    return "\n".join(parts)


def main() -> int:
    """Write the page, or say what is wrong."""
    features = read()
    wrong = [
        said for section in features.sections for row in section.rows for said in complaints(row)
    ]
    if wrong:
        sys.stderr.write("\n".join(wrong) + "\n")
        return 1
    PAGE.write_text(table(features), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
