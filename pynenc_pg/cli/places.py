"""Modules: the name by which a file is imported, and its import with one line for what fails."""

from __future__ import annotations

import importlib
import importlib.util
import sys
import sysconfig
import traceback
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pynenc_pg
from pynenc_pg.exceptions import ConfigError, PynencError

#: Folders of code that is not the user's.
_FOREIGN = (
    "<frozen",
    *(sysconfig.get_path(name) for name in ("stdlib", "purelib", "platlib")),
    str(Path(pynenc_pg.__file__).parent),
)


def imported(name: str, asked: str) -> ModuleType | None:
    """Import a module; None if there is none of that name. ``asked`` is how the user named it.

    Raises:
        ConfigError: its import fails; names the user's own error and where it was raised.
        PynencError: raised by the module itself, a good sentence as it is.
    """
    parts = name.split(".")
    found: ModuleType | None = None
    for n in range(1, len(parts) + 1):
        found = _imported(".".join(parts[:n]), asked)
        if found is None:
            break
    return found


def _imported(name: str, asked: str) -> ModuleType | None:
    try:
        return importlib.import_module(name)
    except PynencError:
        raise
    except (Exception, SystemExit) as error:
        # Only this very module may be missing: an import inside it that fails is another story.
        if isinstance(error, ModuleNotFoundError) and error.name == name:
            return None
        message = f"{asked}: importing {name} failed: {_reason(error)}"
        raise ConfigError(message) from error


def _reason(error: BaseException) -> str:
    if isinstance(error, SyntaxError) and error.filename:
        return f"{type(error).__name__}: {error.msg} ({error.filename}, line {error.lineno})"
    reason = f"{type(error).__name__}: {' '.join(str(error).split())}"
    frames = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if not frame.filename.startswith(_FOREIGN)
    ]
    return f"{reason} ({frames[-1].filename}, line {frames[-1].lineno})" if frames else reason


def module_of(path: Path, asked: str) -> str:
    """Return the name by which others import a file, and make sure that it can be imported.

    The name is part of every task's id, so it must be the one producers use: seen from the place
    on the import path that is nearest to the file, the current folder and its ``src`` among them.
    ``asked`` is how the user named it.

    Raises:
        ConfigError: there is no such file, or it cannot be imported by any name.
    """
    file = Path.cwd() / path.expanduser()
    if not file.is_file():
        message = f"{asked}: there is no file {file}"
        raise ConfigError(message)
    file = file.resolve()
    for root in _roots(file):
        name = _name(file, root)
        if name and _leads_to(name, file, root, asked):
            return name
    message = (
        f"{asked}: {file} cannot be imported: its name and those of its folders must be Python "
        "names that no other module has"
    )
    raise ConfigError(message)


def _roots(file: Path) -> Iterator[Path]:
    """Yield folders that names may begin at: the import path, nearest first, then its own."""
    here = Path.cwd().resolve()
    path = {Path(entry).resolve() for entry in sys.path if entry} | {here}
    if not (here / "src" / "__init__.py").exists():
        path.add(here / "src")
    above = [folder for folder in file.parents if folder in path]
    own = file.parent
    while (own / "__init__.py").exists() and own != own.parent:
        own = own.parent
    # Within a package the import path may name a folder of it, as pytest and scripts do.
    yield from (folder for folder in above if own.is_relative_to(folder))
    yield own


def _name(file: Path, root: Path) -> str:
    parts = list(file.relative_to(root).with_suffix("").parts)
    if parts[-1] == "__init__":
        parts.pop()
    return ".".join(parts) if all(part.isidentifier() for part in parts) else ""


def _leads_to(name: str, file: Path, root: Path, asked: str) -> bool:
    """Whether that name means that file; then the root is on the import path."""
    before = list(sys.path)
    if str(root) not in sys.path:
        sys.path.insert(0, str(root))
    package = name.rpartition(".")[0]
    if not package or imported(package, asked) is not None:
        try:
            found = importlib.util.find_spec(name)
        except (ModuleNotFoundError, ValueError):  # the package is a module, or has no spec
            found = None
        if found is not None and found.origin and Path(found.origin).resolve() == file:
            return True
    sys.path[:] = before
    return False
