"""What goes to a terminal: nothing that it would obey."""

from __future__ import annotations

import json

import pytest

from pynenc_pg.cli.safe import say, say_json
from pynenc_pg.cli.tables import table

EVIL = "\x1b[2J\x07\x7f\x9b1m\u202e\u2028\rx"


def test_tables_and_lines(capsys: pytest.CaptureFixture[str]) -> None:
    """Control characters are shown as escapes, and columns line up with what is shown."""
    say(table(["name", "n"], [[EVIL, 1], ["plain", [EVIL, None]]]))
    said = capsys.readouterr().out
    assert [c for c in said if c != "\n" and not c.isprintable()] == []
    assert r"\x1b[2J\x07\x7f\x9b1m\u202e\u2028\rx" in said
    first, second, third = said.splitlines()
    assert second.endswith("  1")
    assert len({len(first.rstrip()), len(second)}) == 1
    assert third.startswith("plain")


def test_json_is_ascii_and_reads_back(capsys: pytest.CaptureFixture[str]) -> None:
    """With the same values."""
    say_json({"said": EVIL})
    said = capsys.readouterr().out
    assert [c for c in said if c != "\n" and not " " <= c <= "~"] == []
    assert json.loads(said) == {"said": EVIL}
