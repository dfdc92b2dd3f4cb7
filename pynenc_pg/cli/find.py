"""Finds the app that a command is about."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from types import ModuleType

from pynenc_pg import Pynenc
from pynenc_pg.cli.candidates import Candidate, candidates, unreadable
from pynenc_pg.cli.places import imported, module_of
from pynenc_pg.exceptions import ConfigError

VARIABLE = "PYNENC_APP"


def find_app(name: str | None = None) -> Pynenc:
    """Import an app by ``module``, ``module.attr``, ``module:attr``, a path, or ``path:attr``.

    Without a name ``PYNENC_APP`` names it; else the current folder must define exactly one. The
    tasks of the module are registered by its import.

    Raises:
        ConfigError: there is no such module, no app in it, more than one, or its import fails.
    """
    given = name or os.environ.get(VARIABLE)
    if given:
        return _named(given, "--app" if name else VARIABLE)
    found = candidates(Path.cwd())
    if len(found) == 1:
        return _named(str(found[0]), "--app")
    raise ConfigError(_which(found))


def has_app(name: str | None = None) -> bool:
    """Whether an app is named, or the current folder has any; nothing is imported."""
    return bool(name or os.environ.get(VARIABLE) or candidates(Path.cwd()))


def is_clear(name: str | None = None) -> bool:
    """Whether an app is named, or the current folder has one alone; nothing is imported."""
    return bool(name or os.environ.get(VARIABLE)) or len(candidates(Path.cwd())) == 1


def _which(found: list[Candidate]) -> str:
    if found:
        names = ", ".join(each.dotted for each in found)
        return f"which app? There are {names}: give --app {found[0].dotted}, or set {VARIABLE}"
    broken = "".join(f"; {reason}" for reason in unreadable(Path.cwd()))
    return (
        f"which app? No module in {Path.cwd()} makes one: give --app MODULE[.ATTR] or "
        f"--app path/to/tasks.py, or set {VARIABLE}{broken}"
    )


def _named(name: str, option: str) -> Pynenc:
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.insert(0, here)
    asked = f"{option} {name}"
    place, colon, attribute = name.partition(":")
    if place.endswith(".py") or "/" in place:
        module_name = module_of(Path(place), asked)
        module = imported(module_name, asked)
    else:
        module_name, module = place, imported(place, asked)
        if module is None and not colon:
            module_name, _, attribute = place.rpartition(".")
            module = imported(module_name, asked) if module_name else None
    if module is None:
        message = f"{asked}: no module {module_name or place!r} can be imported from {here}"
        raise ConfigError(message)
    return _attribute(module, attribute, asked) if attribute else _only_app(module, asked)


def _attribute(module: ModuleType, attribute: str, asked: str) -> Pynenc:
    if not hasattr(module, attribute):
        apps = ", ".join(sorted(_apps(module))) or "none"
        message = f"{asked}: {module.__name__} has no {attribute!r}; the apps in it: {apps}"
        raise ConfigError(message)
    app = getattr(module, attribute)
    if not isinstance(app, Pynenc):
        kind = type(app).__name__
        message = f"{asked}: {module.__name__}.{attribute} is {kind}, not a Pynenc app"
        raise ConfigError(message)
    return app


def _apps(module: ModuleType) -> dict[str, Pynenc]:
    return {name: value for name, value in vars(module).items() if isinstance(value, Pynenc)}


def _only_app(module: ModuleType, asked: str) -> Pynenc:
    apps = _apps(module)
    different = {id(app): app for app in apps.values()}
    if not different:
        message = f"{asked}: the module holds no app; write app = Pynenc() in it"
        raise ConfigError(message)
    if len(different) > 1:
        names = ", ".join(f"{module.__name__}.{name}" for name in sorted(apps))
        message = f"{asked}: the module holds several apps; give one of {names}"
        raise ConfigError(message)
    return next(iter(different.values()))
