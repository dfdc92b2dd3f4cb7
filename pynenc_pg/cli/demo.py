"""``pynenc-pg demo``."""

from __future__ import annotations

import click


@click.command()
def demo() -> None:
    """Analyse the standard library with a real worker on the embedded PostgreSQL."""
    from pynenc_pg.demo.run import run  # noqa: PLC0415 - only this command needs it

    run()
