"""Where another process finds the same app: it imports it, and nothing of ours is pickled."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from pynenc_pg.conf.config_pynenc import PynencConf
from pynenc_pg.conf.section import Section
from pynenc_pg.exceptions import ConfigError

#: Modules of programs: imported under another name they would be run again.
_PROGRAMS = frozenset({"__main__", "__mp_main__"})


@dataclass(frozen=True, slots=True)
class Address:
    """A module and a name in it, the modules of tasks, and what was set in code."""

    module: str
    name: str
    task_modules: tuple[str, ...]
    #: Section (empty: the top), field, value.
    settings: tuple[tuple[str, str, Any], ...] = ()

    def load(self) -> Any:
        """Import the app and all of its tasks, and set what was set in code."""
        app = getattr(importlib.import_module(self.module), self.name)
        for module in self.task_modules:
            importlib.import_module(module)
        for section, field, value in self.settings:
            setattr(getattr(app.conf, section) if section else app.conf, field, value)
        return app


def address_of(app: object, conf: PynencConf, modules: Iterable[str]) -> Address:
    """Find the app in what has been imported; ``modules`` are those of its tasks.

    Raises:
        ConfigError: no module holds it, or only one that is run as a program.
    """
    task_modules = tuple(sorted({*modules} - _PROGRAMS))
    places = list(_places(app, [*task_modules, *sys.modules]))
    for module, name in places:
        if module not in _PROGRAMS:
            return Address(module, name, task_modules, tuple(_set_in_code(conf)))
    where = "it is in __main__ alone" if places else "no module has it at its top level"
    message = (
        f"the app {conf.app_id!r} cannot be found by the processes that shall run its tasks: "
        f"{where}; write app = Pynenc() in a module that can be imported"
    )
    raise ConfigError(message)


def _places(app: object, modules: Iterable[str]) -> Iterator[tuple[str, str]]:
    for module in modules:
        # A copy: a module may be imported meanwhile, by another thread.
        for name, value in list(getattr(sys.modules.get(module), "__dict__", {}).items()):
            if value is app:
                yield module, name


def _set_in_code(conf: PynencConf) -> Iterator[tuple[str, str, Any]]:
    for field in sorted(conf.model_fields_set):
        value = getattr(conf, field)
        if not isinstance(value, Section) and conf.source(field) == "code":
            yield "", field, value
    for section in (conf.runner, conf.postgres, conf.client_data_store):
        for field in sorted(section.model_fields_set):
            if section.source(field) == "code":
                yield section.section, field, getattr(section, field)
