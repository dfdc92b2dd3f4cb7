"""The command ``pynenc-pg``."""

from pynenc_pg.cli.main import main

__all__ = ["main"]
