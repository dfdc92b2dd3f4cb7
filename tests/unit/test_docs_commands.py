"""The page of the commands has every command, and every option of each."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import click

from pynenc_pg.cli.checks import CHECKS
from pynenc_pg.cli.main import cli

DOCS: Final = Path(__file__).parents[2] / "docs"
#: An older name of config show.
UNTOLD: Final = {"show_config"}


def _leaves(command: click.Command, path: tuple[str, ...] = ()) -> Iterator[tuple[str, set[str]]]:
    if isinstance(command, click.Group):
        for name, inner in command.commands.items():
            yield from _leaves(inner, (*path, name))
        return
    options = {o.opts[0] for o in command.params if isinstance(o, click.Option)}
    yield " ".join(path), options


def test_every_command_and_option_is_told() -> None:
    """And none that there is not."""
    page = (DOCS / "reference" / "commands.md").read_text(encoding="utf-8")
    told: dict[str, set[str]] = {}
    for row in re.findall(r"^\| (`.*) \|$", page, re.MULTILINE):
        names, _, options = row.split(" | ") if row.count(" | ") == 2 else (*row.split(" | "), "")
        for name in re.findall(r"`([^`]+)`", names):
            told[name] = set(re.findall(r"`(--[a-z-]+)`", options))
    known = {name: options for name, options in _leaves(cli) if name not in UNTOLD}
    told["workflows resume"] -= {"--reason"}
    assert told == known


def test_every_check_of_the_doctor_is_told() -> None:
    """By the name that --check takes."""
    page = (DOCS / "howto" / "operate.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| ((?:`[a-z_]+`(?:, )?)+) \|", page, re.MULTILINE)
    assert {name for row in rows for name in re.findall(r"`([a-z_]+)`", row)} == set(CHECKS)
