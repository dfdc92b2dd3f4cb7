"""The page on the architecture leads to files that are there, and to every room of the package."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[2]
PAGE: Final = ROOT / "docs" / "explanation" / "architecture.md"


def test_what_it_names_is_there() -> None:
    """Files and folders by their paths, SQL files by their names."""
    named = re.findall(r"`([\w./-]+)`", PAGE.read_text(encoding="utf-8"))
    paths = [name for name in named if name.startswith(("pynenc_pg/", "tests/", "migrations"))]
    assert len(paths) >= 40
    assert [name for name in paths if not (ROOT / name).exists()] == []
    functions = ROOT / "pynenc_pg" / "postgres" / "sql"
    sql = [name for name in named if name.endswith(".sql") and "/" not in name]
    assert [name for name in sql if not list(functions.rglob(name))] == []


def test_every_room_is_named() -> None:
    """A newcomer finds each folder of the package, and each of its verbs' ways."""
    page = PAGE.read_text(encoding="utf-8")
    rooms = {path.parent.name for path in (ROOT / "pynenc_pg").glob("*/__init__.py")}
    told = set(re.findall(r"`pynenc_pg/(\w+)", page))
    assert rooms - told <= {"demo", "domain"}  # an example, and values that others use
    for verb in ("register", "claim", "pause", "resume", "finish", "retry", "watch"):
        assert f"`{verb}`" in page
