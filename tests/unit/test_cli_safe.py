"""What goes to a terminal: nothing that it would obey."""

from __future__ import annotations

import json
from collections.abc import Iterator

import click
import pytest

from pynenc_pg.cli.main import cli
from pynenc_pg.cli.safe import say, say_json
from pynenc_pg.cli.tables import table

EVIL = "\x1b[2J\x07\x7f\x9b1m\u202e\u2028\rx"


def test_tables_and_lines(capsys: pytest.CaptureFixture[str]) -> None:
    """Control characters are shown as escapes, and columns line up with what is shown."""
    say(table(["name", "n"], [[EVIL, "1"], ["plain", [EVIL, None]]]))
    said = capsys.readouterr().out
    assert [c for c in said if c != "\n" and not c.isprintable()] == []
    assert r"\x1b[2J\x07\x7f\x9b1m\u202e\u2028\rx" in said
    _, second, third = said.splitlines()
    assert second.endswith("1")
    assert third.startswith("plain")


def test_json_is_ascii_and_reads_back(capsys: pytest.CaptureFixture[str]) -> None:
    """With the same values."""
    say_json({"said": EVIL})
    said = capsys.readouterr().out
    assert [c for c in said if c != "\n" and not " " <= c <= "~"] == []
    assert json.loads(said) == {"said": EVIL}


def test_text_stands_left_and_numbers_right() -> None:
    """Whatever one value of a long column is, the header stands where the others begin."""
    said = table(["name", "n", "error"], [["a", 10, "x" * 30], ["long name", 9, None]])
    assert said.splitlines() == [
        "name        n  error",
        "a          10  " + "x" * 30,
        "long name   9",
    ]


def commands(group: click.Group = cli, *above: str) -> Iterator[tuple[str, click.Command]]:
    """Yield all there are, by their words."""
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from commands(command, *above, name)
        else:
            yield " ".join([*above, name]), command


def test_every_listing_can_be_filtered_and_read_by_machines() -> None:
    """Whatever it lists."""
    listings = {
        words: {name for each in command.params for name in each.opts}
        for words, command in commands()
        if words.endswith((" list", " fired", " schedules", " show", " history", " tree"))
    }
    assert len(listings) >= 12
    for words, options in listings.items():
        assert "--json" in options, words
        if words.endswith((" list", " fired", " schedules")):
            assert len(options - {"--json", "--limit", "--after", "--help"}) >= 1, words
