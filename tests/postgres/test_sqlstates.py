"""The error codes: the ones raised, the ones documented and the ones translated are the same."""

from __future__ import annotations

import re
from pathlib import Path

import psycopg
import pytest

from pynenc_pg import exceptions
from pynenc_pg.postgres import errors
from pynenc_pg.postgres.templates import frozen_files, function_files, migrations_path

DOCUMENT = Path(__file__).parents[2] / "docs" / "reference" / "sqlstates.md"
ROW = re.compile(r"^\| `(PN\d{3})` \| (.+) \| (.+) \| `(\w+)` \|$", re.MULTILINE)


def raised() -> set[str]:
    """Collect the codes of all `errcode = ..` in the SQL that a database gets."""
    folders = sorted(p for p in (migrations_path() / "sql").iterdir() if p.is_dir())
    files = [*function_files(), *(file for folder in folders for file in frozen_files(folder))]
    texts = [file.read_text(encoding="utf-8") for file in files]
    return {code for text in texts for code in re.findall(r"errcode = '(\w+)'", text)}


def documented() -> dict[str, tuple[str, str, str]]:
    """Read the table of the document: meaning, way out, exception."""
    found = ROW.findall(DOCUMENT.read_text(encoding="utf-8"))
    assert len(found) == len({row[0] for row in found})
    return {code: (meaning, way_out, error) for code, meaning, way_out, error in found}


def test_the_document_lists_exactly_the_codes_that_are_raised() -> None:
    """No code without a line, no line without a code, each with a meaning and a way out."""
    table = documented()
    assert set(table) == raised()
    assert set(re.findall(r"PN\d{3}", DOCUMENT.read_text(encoding="utf-8"))) == raised()
    assert all(len(meaning) > 20 and len(way) > 10 for meaning, way, _ in table.values())


def test_the_guards_own_list_is_true() -> None:
    """The codes in the head of the guard's file are those it raises."""
    guard = (migrations_path() / "sql" / "0001" / "02_guard.sql").read_text(encoding="utf-8")
    head = set(re.findall(r"^--\s+(PN\d{3}) ", guard, re.MULTILINE))
    assert head == set(re.findall(r"errcode = '(PN\d{3})'", guard))


@pytest.mark.parametrize("code", sorted(raised()))
def test_each_code_becomes_the_documented_exception(code: str) -> None:
    """`translate` knows each code, and the exception is the one the document names."""
    assert code in errors._BY_SQLSTATE
    kind = getattr(psycopg.errors, "ProgrammingError", psycopg.ProgrammingError)
    error = type("Raised", (kind,), {"sqlstate": code})("said")
    ours = errors.translate(error)
    assert type(ours) is getattr(exceptions, documented()[code][2])
    assert str(ours).endswith(f"[{code}]")


def test_no_translation_is_for_a_code_nobody_raises() -> None:
    """Every PN code that is translated is raised somewhere."""
    assert {code for code in errors._BY_SQLSTATE if code.startswith("PN")} == raised()


def test_verbs_name_the_codes_they_raise_in_their_header() -> None:
    """A function that raises a code says so in the comment above it."""
    for file in function_files():
        text = file.read_text(encoding="utf-8")
        header = text.split("create or replace")[0]
        for code in re.findall(r"errcode = '(\w+)'", text):
            assert code in header, f"{file.name} raises {code}"
