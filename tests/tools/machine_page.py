"""Draw the state machine into its page, from a database: ``python -m tests.tools.machine_page``.

The page has the drawing as Mermaid, and a picture beside it for where Mermaid is not drawn. Both
are what ``pynenc-pg status render`` prints of a database that was migrated just now.
"""

from __future__ import annotations

import re
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from pynenc_pg.cli.machine import Machine, mermaid, svg
from pynenc_pg.cli.status import read
from pynenc_pg.postgres.database import PgDatabase
from pynenc_pg.postgres.deploy import migrate
from pynenc_pg.postgres.embedded import EmbeddedPostgres

DOCS: Final = Path(__file__).parents[2] / "docs"
PAGE: Final = DOCS / "explanation" / "state-machine.md"
PICTURE: Final = DOCS / "images" / "state-machine.svg"
_MARKED: Final = re.compile(r"(?<=<!-- machine -->\n).*?(?=<!-- /machine -->)", re.DOTALL)
_ROW: Final = re.compile(r"^\| `(\w+)` \| `(\w+)` \|([^|]*)\| ([^|]+) \| ([^|]+) \|$", re.MULTILINE)


def machine_of(dsn: str) -> Machine:
    """Return the machine that a database enforces."""
    database = PgDatabase(dsn, app_id="drawing")
    try:
        return read(database)
    finally:
        database.close()


def drawn(page: str, machine: Machine) -> str:
    """Return the page with the machine between its markers.

    Raises:
        ValueError: it has no markers.
    """
    new, times = _MARKED.subn(lambda _: f"```mermaid\n{mermaid(machine)}```\n", page)
    if times != 1:
        message = f"{PAGE} must have one pair of markers, <!-- machine --> and <!-- /machine -->"
        raise ValueError(message)
    return new


def explained(page: str) -> Iterator[tuple[tuple[str, str], tuple[str, ...], str, str]]:
    """Yield each step that the page's tables explain, its reasons, who takes it, what it means."""
    for before, after, reasons, who, meaning in _ROW.findall(page):
        why = tuple(sorted(re.findall(r"`(\w+)`", reasons)))
        yield (before, after), why, who, meaning


def main() -> int:
    """Write page and picture."""
    with tempfile.TemporaryDirectory(prefix="pynenc-pg-") as folder:
        home = Path(folder)
        home.chmod(0o755)  # a server that root starts runs as somebody else
        with EmbeddedPostgres(home, durable=False) as server:
            migrate(server.dsn)
            machine = machine_of(server.dsn)
    PAGE.write_text(drawn(PAGE.read_text(encoding="utf-8"), machine), encoding="utf-8")
    PICTURE.write_text(svg(machine), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
