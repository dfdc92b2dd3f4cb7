"""``pynenc-pg status render``: the state machine that the database has, drawn."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import psycopg
import pytest
from click.testing import CliRunner

from pynenc_pg.cli.main import cli
from pynenc_pg.exceptions import StoreError
from pynenc_pg.invocation.status import TRANSITIONS, InvocationStatus
from tests.unit.cli_place import place

STEPS = [(str(a), str(b)) for a, steps in TRANSITIONS.items() for b in steps]
SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture
def tasks(database_dsn: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A module that makes an app."""
    yield from place("status_tasks", database_dsn, tmp_path, monkeypatch)


def render(how: str) -> str:
    """Draw."""
    done = CliRunner().invoke(cli, ["status", "render", "--format", how])
    assert done.exit_code == 0, done.output
    return done.output


def test_text(tasks: Any) -> None:
    """Every status, every step, every reason."""
    assert tasks
    said = render("text")
    lines = said.splitlines()
    assert [line.split()[0] for line in lines if line[0] != " "] == [*map(str, InvocationStatus)]
    assert len([line for line in lines if "->" in line]) == len(STEPS)
    assert "  -> failed  if cancelled, expired" in lines
    assert CliRunner().invoke(cli, ["status", "render"]).output == said


def test_mermaid(tasks: Any) -> None:
    """Each step is an arrow; it begins at what nothing leads to, and ends at what is final."""
    assert tasks
    lines = [line.strip() for line in render("mermaid").splitlines()]
    assert lines[0] == "stateDiagram-v2"
    arrows = [tuple(line.partition(":")[0].split(" --> ")) for line in lines if "-->" in line]
    assert sorted(arrow for arrow in arrows if "[*]" not in arrow) == sorted(STEPS)
    assert [arrow for arrow in arrows if arrow[0] == "[*]"] == [("[*]", "registered")]
    assert len([arrow for arrow in arrows if arrow[1] == "[*]"]) == 3


def test_svg(tasks: Any) -> None:
    """Well-formed, an arrow for each step, boxes that do not lie upon each other."""
    assert tasks
    root = ET.fromstring(render("svg"))  # noqa: S314 - it is our own
    titles = [title.text or "" for title in root.findall(f"{SVG}path/{SVG}title")]
    said = [tuple(title.partition(":")[0].split(" to ")) for title in titles]
    assert sorted(said) == sorted(STEPS)
    boxes = [box.attrib for box in root.findall(f"{SVG}g/{SVG}rect")]
    assert len({(box["x"], box["y"]) for box in boxes}) == len(InvocationStatus)
    assert all(float(box["x"]) + 220 <= float(root.attrib["width"]) for box in boxes)
    assert all(float(box["y"]) + 44 <= float(root.attrib["height"]) for box in boxes)


@pytest.mark.parametrize("how", ["text", "mermaid", "svg"])
def test_it_is_drawn_alike_each_time(tasks: Any, how: str) -> None:
    """So that a change of the drawing is a change of the machine."""
    assert tasks
    assert render(how) == render(how)


def test_it_is_what_the_database_has(tasks: Any, database_dsn: str) -> None:
    """Not what the code has; an empty table is told of."""
    with psycopg.connect(database_dsn, autocommit=True) as connection:
        connection.execute("delete from pynenc.status_transition where to_status = 'paused'")
        assert "-> paused" not in render("text")
        connection.execute("delete from pynenc.status_transition")
        connection.execute("delete from pynenc.status")
    done = CliRunner().invoke(cli, ["status", "render"])
    assert isinstance(done.exception, StoreError)
