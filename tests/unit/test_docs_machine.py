"""The page on the state machine shows, and explains, what a database has just now."""

from __future__ import annotations

import re
from typing import Final

from pynenc_pg.cli.machine import svg
from pynenc_pg.postgres.templates import function_files
from tests.tools.machine_page import PAGE, PICTURE, drawn, explained, machine_of

#: Kinds of the code, as the page calls them.
KINDS: Final = {"available": "ready", "owned": "owned", "passing": "neither", "final": "final"}


def test_the_drawing_is_of_the_database(database_dsn: str) -> None:
    """Mermaid and picture; if not: python -m tests.tools.machine_page."""
    page, machine = PAGE.read_text(encoding="utf-8"), machine_of(database_dsn)
    assert drawn(page, machine) == page
    assert PICTURE.read_text(encoding="utf-8") == svg(machine)
    kinds = {KINDS[kind]: [s for s, k in machine.statuses.items() if k == kind] for kind in KINDS}
    rows = re.findall(r"^\| (\w+) \| ((?:`\w+`(?:, )?)+) \|", page, re.MULTILINE)
    assert {kind: sorted(re.findall(r"`(\w+)`", names)) for kind, names in rows} == {
        kind: sorted(names) for kind, names in kinds.items()
    }


def test_every_step_is_explained(database_dsn: str) -> None:
    """Once, with the reasons that the database asks for, and verbs that there are."""
    rows = list(explained(PAGE.read_text(encoding="utf-8")))
    steps = {step: tuple(sorted(why)) for step, why in machine_of(database_dsn).steps.items()}
    assert len(rows) == len(steps)
    assert {step: why for step, why, _, _ in rows} == steps
    verbs = {path.stem for path in function_files()}
    reasons = {reason for why in steps.values() for reason in why}
    named = {name for _, _, who, _ in rows for name in re.findall(r"`(\w+)`", who)}
    assert named - reasons <= verbs
    assert all(who == "none" or "`" in who for _, _, who, _ in rows)
