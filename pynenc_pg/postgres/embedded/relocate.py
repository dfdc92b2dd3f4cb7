"""Copies of a wheel's binaries for an account that cannot reach the virtual environment.

Root's environments usually lie below ``/root``, which other accounts cannot pass and which must
stay so. The copy is root's own, made once per version, and checked before every use.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import stat
import tempfile
from pathlib import Path

from pynenc_pg.exceptions import EmbeddedServerError

PLACE = Path("/var/tmp")
"""Where copies are kept: reachable by every account, and it survives a reboot."""


def reachable_copy(base: Path, parts: tuple[str, ...], program: str) -> Path:
    """Copy the folders *parts* of *base*, with their relative places, to where anybody may read.

    The places matter: the programs look for their libraries beside them. *program* is the path
    of one of them below *base*; its size and time tell versions apart. Returns the copy's base.
    """
    status = (base / program).stat()
    key = f"{base}\0{status.st_size}\0{status.st_mtime_ns}"
    target = PLACE / f"pynenc_pg-{hashlib.sha256(key.encode()).hexdigest()[:16]}"
    if target.is_symlink() or target.exists():
        _refuse_foreign(target)
        if _is_complete(base, parts, target):
            return target
        # Cleaners of temporary folders remove single files by age.
        _discard(target)
    draft = Path(tempfile.mkdtemp(prefix="pynenc_pg-draft-", dir=PLACE))
    try:
        for part in parts:
            shutil.copytree(base / part, draft / part, symlinks=True, copy_function=_copy_readable)
        for folder, _, _ in os.walk(draft):
            Path(folder).chmod(0o755)
        draft.rename(target)
    except OSError as error:
        # Another process may have been first with the same copy.
        if not target.exists() or not _is_complete(base, parts, target):
            msg = (
                f"Copying PostgreSQL from {base} to {target} failed: {error}. Make room there, or "
                "name a bin folder that every account can read in PYNENC_PG_BIN."
            )
            raise EmbeddedServerError(msg) from error
        _refuse_foreign(target)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return target


def _refuse_foreign(folder: Path) -> None:
    """Raise unless *folder* is a real folder of ours that nobody else can write to."""
    status = folder.lstat()
    ours = status.st_uid == os.geteuid() and not status.st_mode & 0o022
    if not (stat.S_ISDIR(status.st_mode) and ours):
        msg = (
            f"{folder} is not a folder of uid {os.geteuid()}'s own (owner {status.st_uid}, mode "
            f"{stat.S_IMODE(status.st_mode):o}), so no program is run from it. Remove it, or name "
            "a bin folder in PYNENC_PG_BIN."
        )
        raise EmbeddedServerError(msg)


def _is_complete(base: Path, parts: tuple[str, ...], copy: Path) -> bool:
    for part in parts:
        for folder, _, names in os.walk(base / part):
            for name in names:
                original = Path(folder, name)
                twin = copy / original.relative_to(base)
                try:
                    if twin.lstat().st_size != original.lstat().st_size:
                        return False
                except FileNotFoundError:
                    return False
    return True


def _discard(folder: Path) -> None:
    """Move *folder* out of the way before emptying it, so that nobody meets it half empty."""
    grave = Path(tempfile.mkdtemp(prefix="pynenc_pg-stale-", dir=PLACE))
    folder.rename(grave / "copy")
    shutil.rmtree(grave, ignore_errors=True)


def _copy_readable(source: str, target: str) -> str:
    """Copy one file; readable by all, executable by all where its owner could execute it."""
    shutil.copyfile(source, target)
    executable = Path(source).stat().st_mode & stat.S_IXUSR
    Path(target).chmod(0o755 if executable else 0o644)
    return target
