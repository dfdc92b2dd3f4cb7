"""Finds the app that a command is about."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

from pynenc_pg import Pynenc
from pynenc_pg.exceptions import ConfigError


def find_app(name: str | None) -> Pynenc:
    """Import ``module:attr``, ``module.attr`` or a module that holds exactly one app.

    Raises:
        ConfigError: there is no such module, no app in it, or more than one.
    """
    if not name:
        message = "which app? Give --app MODULE[.ATTR], as in pynenc-pg --app tasks runner start"
        raise ConfigError(message)
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.insert(0, here)
    module_name, _, attribute = name.partition(":")
    if not attribute:
        found = _import(module_name)
        if found is not None:
            return _only_app(found, module_name)
        module_name, _, attribute = name.rpartition(".")
    module = _import(module_name) if module_name else None
    if module is None:
        message = f"--app {name}: no module {module_name or name!r} can be imported from {here}"
        raise ConfigError(message)
    app = getattr(module, attribute, None)
    if not isinstance(app, Pynenc):
        message = (
            f"--app {name}: {module_name}.{attribute} is {type(app).__name__}, not a Pynenc app"
        )
        raise ConfigError(message)
    return app


def _import(name: str) -> object | None:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        # Only this very module may be missing: an import inside it that fails is another story.
        if error.name and (name == error.name or name.startswith(error.name + ".")):
            return None
        raise


def _only_app(module: object, name: str) -> Pynenc:
    apps = {id(value): value for value in vars(module).values() if isinstance(value, Pynenc)}
    if len(apps) != 1:
        message = f"--app {name}: the module holds {len(apps)} apps, not one; name it: {name}.ATTR"
        raise ConfigError(message)
    return next(iter(apps.values()))
