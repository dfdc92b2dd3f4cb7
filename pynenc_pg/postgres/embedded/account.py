"""Which account runs PostgreSQL, and what that account can reach.

PostgreSQL refuses to run as root. Root therefore lends it another account; nothing is created in
``/etc/passwd``, and no folder that was there before changes its mode.
"""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pynenc_pg.exceptions import EmbeddedServerError

if sys.platform != "win32":
    import pwd

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

_PREFERRED = ("postgres", "_postgres", "nobody")
_READ, _EXECUTE = 4, 1


@dataclass(frozen=True, slots=True)
class Account:
    """The account root lends to PostgreSQL."""

    name: str
    uid: int
    gid: int

    def may(self, status: os.stat_result, bits: int) -> bool:
        """Whether the permission *bits* (4 read, 1 execute or pass) are granted by the mode."""
        if status.st_uid == self.uid:
            granted = status.st_mode >> 6
        elif status.st_gid == self.gid:
            granted = status.st_mode >> 3
        else:
            granted = status.st_mode
        return granted & bits == bits

    def blocked_at(self, folder: Path) -> Path | None:
        """Give the outermost folder on the way into *folder* that this account cannot pass."""
        for step in reversed([folder, *folder.parents]):
            if not self.may(step.stat(), _EXECUTE):
                return step
        return None

    def can_run(self, program: Path) -> bool:
        """Whether this account can reach, read and execute *program*."""
        program = program.resolve()
        return self.blocked_at(program.parent) is None and self.may(
            program.stat(), _READ | _EXECUTE
        )


def server_account(data_folders: Iterable[Path] = ()) -> Account | None:
    """Choose the account for the server; None when we are not root and it runs as ourselves.

    The owner of existing data comes first: PostgreSQL does not touch a data folder of another's,
    and a package installed since may have brought the preferred account.
    """
    if os.geteuid() != 0:
        return None
    for folder in data_folders:
        owner = folder.stat().st_uid
        if owner:
            try:
                entry = pwd.getpwuid(owner)
            except KeyError:
                return Account(f"uid {owner}", owner, folder.stat().st_gid)
            return Account(entry.pw_name, entry.pw_uid, entry.pw_gid)
    for name in _PREFERRED:
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return Account(entry.pw_name, entry.pw_uid, entry.pw_gid)
    msg = (
        "PostgreSQL refuses to run as root, and there is no other account to run it as "
        f"(looked for {', '.join(_PREFERRED)}). Run as an ordinary user, or give a DSN."
    )
    raise EmbeddedServerError(msg)
