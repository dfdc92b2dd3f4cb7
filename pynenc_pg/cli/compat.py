"""``pynenc-pg compat``: what a project that was written for pynenc must change."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from pynenc_pg.cli.safe import say, say_json
from pynenc_pg.cli.tables import as_json as _as_json

if TYPE_CHECKING:
    from pynenc_pg.compat import Finding

_PATHS = click.Path(exists=True, path_type=Path)


@click.group()
def compat() -> None:
    """Coming from pynenc."""


@compat.command()
@click.argument("paths", nargs=-1, type=_PATHS)
@_as_json
@click.pass_context
def check(context: click.Context, paths: tuple[Path, ...], *, as_json: bool) -> None:
    """Read a project that was written for pynenc, and list what is to be changed.

    Files are read, never imported or executed, and nothing is changed. PATHS are files and folders;
    default: this folder. Exit code 1: something must be changed.
    """
    from pynenc_pg.compat import check as look  # noqa: PLC0415 - no other command needs it

    findings = look(paths or (Path(),))  # no default: click 8.1 has none for many
    if as_json:
        say_json([asdict(one) for one in findings])
    else:
        _tell(findings)
    context.exit(1 if any(one.must_change for one in findings) else 0)


def _tell(findings: list[Finding]) -> None:
    for one in findings:
        say(f"{one.path}:{one.line}: {one.severity}: {one.found}")
        say(f"    {one.instead}  [{one.page}]")
    counts = Counter(str(one.severity) for one in findings)
    counted = (f"{counts[severity]} {severity}" for severity in ("must change", "differs", "note"))
    say(", ".join(counted))
