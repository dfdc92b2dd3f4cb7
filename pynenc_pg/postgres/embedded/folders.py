"""The folders of an embedded server: whose they are, who may enter, and how long a path may be."""

from __future__ import annotations

import os
import stat
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import platformdirs

from pynenc_pg.exceptions import EmbeddedServerError

if TYPE_CHECKING:
    from pynenc_pg.postgres.embedded.account import Account

ROOT_HOME = Path("/var/lib/pynenc_pg/embedded")
"""Root's default: its own data folder is below ``/root``, where no other account can go."""

SHORT_PLACE = Path("/tmp")
"""Not ``TMPDIR``, which may be long itself (it is on macOS)."""

# A socket address holds 107 bytes on Linux and 103 on macOS; ``/.s.PGSQL.5432`` takes 15.
_LONGEST = 80
# What would need quoting in a list of folders or of hosts.
_AWKWARD = frozenset(",:\"'\\")


def default_home() -> Path:
    """Return the folder used when none is named; one per user."""
    if os.geteuid() == 0:
        return ROOT_HOME
    return platformdirs.user_data_path("pynenc_pg") / "embedded"


def prepare_home(home: Path, account: Account | None) -> None:
    """Create *home* where missing, and make sure it is ours and *account* can pass through it.

    Folders that exist keep their mode. New ones are closed to others; root's let them pass, not
    look, because the server's account must reach its data inside.
    """
    missing = [step for step in (home, *home.parents) if not step.exists()]
    if account:
        _require_way(missing[-1].parent if missing else home, home, account)
    mode = 0o700 if account is None else 0o711
    for step in reversed(missing):
        _make(step, mode)
    status = home.stat()
    if not stat.S_ISDIR(status.st_mode):
        msg = f"{home} is not a folder: choose another path for the embedded server's data."
        raise EmbeddedServerError(msg)
    if status.st_uid != os.geteuid():
        msg = (
            f"{home} belongs to uid {status.st_uid}, and this runs as uid {os.geteuid()}. An "
            "embedded server is one user's own: run as that user, or choose another folder."
        )
        raise EmbeddedServerError(msg)
    if status.st_mode & stat.S_IWOTH:
        msg = (
            f"Every user may write to {home} (mode {stat.S_IMODE(status.st_mode):o}): anybody "
            "could replace the database in it. Choose another folder, such as one inside it."
        )
        raise EmbeddedServerError(msg)


def make_for_account(folder: Path, account: Account | None) -> None:
    """Create *folder*, closed to everybody but the account that runs the server."""
    _make(folder, 0o700)
    if account:
        os.chown(folder, account.uid, account.gid, follow_symlinks=False)


def socket_folder(home: Path, account: Account | None) -> Path:
    """Return the folder for the server's socket, creating it where missing.

    It is ``home/socket``, or, when that is too long for a socket address, a folder of ours below
    /tmp with a random name, kept in ``home/socket-path``. Call it with the boot lock held.
    """
    usual = home / "socket"
    if len(os.fsencode(usual)) <= _LONGEST and not _AWKWARD.intersection(str(usual)):
        if not usual.exists():
            make_for_account(usual, account)
        _require_private(usual, account)
        return usual
    note = home / "socket-path"
    if note.exists():
        known = Path(note.read_text("utf-8"))
        # It goes with a reboot or a cleaning of /tmp; afterwards it may be somebody else's.
        if _is_private(known, account) and _is_ours(known.parent):
            return known
    outer = Path(tempfile.mkdtemp(prefix="pynenc_pg-", dir=SHORT_PLACE))
    if account:
        outer.chmod(0o711)
    short = outer / "s"
    make_for_account(short, account)
    note.write_text(str(short), "utf-8")
    return short


def _require_way(existing: Path, home: Path, account: Account) -> None:
    blocker = account.blocked_at(existing)
    if blocker:
        msg = (
            f"PostgreSQL cannot run as root; it runs as {account.name!r}, and that account "
            f"cannot pass {blocker} (mode {stat.S_IMODE(blocker.stat().st_mode):o}) on the way to "
            f"{home}. Choose a folder it can reach (the default for root is {ROOT_HOME}), run as "
            f"an ordinary user, or open the way yourself with `chmod o+x {blocker}`."
        )
        raise EmbeddedServerError(msg)


def _make(folder: Path, mode: int) -> None:
    try:
        folder.mkdir(mode=mode)
    except FileExistsError:
        # Another process starting the same server was faster.
        return
    if mode != stat.S_IMODE(folder.stat().st_mode):
        # The umask had its say.
        folder.chmod(mode)


def _is_private(folder: Path, account: Account | None) -> bool:
    owner = account.uid if account else os.geteuid()
    try:
        status = folder.lstat()
    except OSError:
        return False
    return (
        stat.S_ISDIR(status.st_mode)
        and status.st_uid == owner
        and stat.S_IMODE(status.st_mode) == 0o700  # noqa: PLR2004 - reads best as a mode
    )


def _is_ours(folder: Path) -> bool:
    """Whether nobody else can rename or replace what is in *folder*."""
    status = folder.lstat()
    return (
        stat.S_ISDIR(status.st_mode)
        and status.st_uid == os.geteuid()
        and not status.st_mode & 0o022
    )


def _require_private(folder: Path, account: Account | None) -> None:
    if not _is_private(folder, account):
        owner = account.name if account else f"uid {os.geteuid()}"
        msg = (
            f"{folder} must be a folder of mode 700 that belongs to {owner}, because whoever "
            "enters it is superuser of the database. Remove it; it is made anew."
        )
        raise EmbeddedServerError(msg)
