"""What must never be so: the invariants of the design, asked of the database itself."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from pynenc_pg.cli.checks.finding import PROBLEM, Finding, Patient

#: Rows of each rule that are named.
_MOST: Final = 5
_BROKEN: Final = "select invariant, rule, about from {schema}.broken(%s, %s, %s)"


def invariants(patient: Patient) -> Iterator[Finding]:
    """Look for lost, doubled, stolen and stranded work, one finding for each rule."""
    found: dict[tuple[str, str], list[tuple[str, ...]]] = {}
    asked = (patient.app.conf.app_id, patient.since, _MOST)
    for invariant, rule, about in patient.database.call(_BROKEN, asked):
        found.setdefault((invariant, rule), []).append(tuple(about))
    for (invariant, rule), rows in found.items():
        named = "; ".join(" ".join(row) for row in rows)
        yield Finding("invariants", PROBLEM, f"{invariant}, {rule}: {named}", rows=tuple(rows))
