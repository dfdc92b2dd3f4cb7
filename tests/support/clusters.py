"""Data folders that are copied: an ``initdb`` costs as much processor time as a whole test."""

from __future__ import annotations

import subprocess
from pathlib import Path

from pynenc_pg.postgres.embedded import binaries, cluster, folders
from pynenc_pg.postgres.embedded.account import server_account


def seed(home: Path, pattern: Path) -> None:
    """Give a home the data of another one whose server does not run; the home is made.

    What starts a server there finds them, and makes none.
    """
    folders.prepare_home(home, server_account())
    for data in cluster.data_folders(pattern):
        subprocess.run(["cp", "-a", str(data), str(home)], check=True)


def make(home: Path) -> Path:
    """Make the data of a server that was never started."""
    account = server_account()
    folders.prepare_home(home, account)
    cluster.create(home, binaries.find(account), account, durable=False)
    return home
