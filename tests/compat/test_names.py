"""Every public name of pynenc is there, or the check says what to do instead."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any, Final

from pynenc_pg import Pynenc, PynencBuilder
from pynenc_pg.compat import apps, settings, tasks
from pynenc_pg.compat.names import place_of
from pynenc_pg.conf.settings import every_key
from pynenc_pg.invocation.group import InvocationGroup
from pynenc_pg.invocation.handle import Invocation
from pynenc_pg.invocation.status import InvocationStatus
from pynenc_pg.runner.base import BaseRunner
from pynenc_pg.task import Task
from pynenc_pg.trigger.facade import AppTrigger

LIST: Final = Path(__file__).with_name("pynenc_0_1.txt")
#: Of the same name and another kind: what one did with it fails.
OTHERWISE: Final = {("pynenc.conf.config_pynenc", "LogFormat")}


def _line(what: str) -> list[str]:
    """Settings, or methods of a builder, with those of the plugin for Redis."""
    text = LIST.read_text(encoding="utf-8")
    [line] = [line for line in text.splitlines() if line.startswith(f"# {what}: ")]
    return line.split()[2:]


def _listed() -> list[tuple[str, str]]:
    lines = LIST.read_text(encoding="utf-8").splitlines()
    pairs = (line.split(": ") for line in lines if not line.startswith("#"))
    return [(module, name) for module, names in pairs for name in names.split()]


def _is_there(module: str, name: str) -> bool:
    try:
        return hasattr(importlib.import_module(module), name)
    except ModuleNotFoundError:
        return False


def test_every_name_has_its_place() -> None:
    """What the check names can be imported, and of what is gone it says something."""
    wrong = []
    for module, name in _listed():
        place = place_of(module, name)
        if place.gone:
            told = "has no public name" not in place.advice
        else:
            told = _is_there(place.module, place.name)
        if not told:
            wrong.append((module, name, place))
    assert len(_listed()) > 200
    assert wrong == []


def test_nothing_that_is_there_is_called_gone() -> None:
    """Nor moved: what has the same path stays where it is."""
    wrong = []
    for module, name in _listed():
        here = module.replace("pynenc", "pynenc_pg", 1)
        same = place_of(module, name).path == f"{here}.{name}"
        if _is_there(here, name) != same and (module, name) not in OTHERWISE:
            wrong.append((module, name))
    assert wrong == []


def test_every_setting_is_known() -> None:
    """It is one of ours, or the check says which is, or why there is none."""
    for field in _line("settings"):
        _check_setting(field)


def _check_setting(field: str) -> None:
    section = "task" if f"task.{field}" in every_key() else ""
    advice = settings.advise(settings.Written(section, field, None, field, known=False))
    if advice is None:
        assert {field, f"task.{field}"} & set(every_key())
    else:
        assert "there is no such setting" not in advice.instead
        [first, *_] = [*advice.instead.removeprefix("write ").split(), ""]
        assert not advice.instead.startswith("write ") or first.strip(",:") in every_key()


def test_every_method_of_a_builder_is_known() -> None:
    """It is there, or the check says what is; never both."""
    for name in _line("builder"):
        assert hasattr(PynencBuilder, name) != (name in tasks._BUILDER), name
    for name in {*tasks._PARAMETERS, *tasks._BY_NAME}:
        assert hasattr(PynencBuilder, name), name


def test_what_is_asked_in_vain_is_not_there() -> None:
    """The check sends nobody away from what there is."""
    with Pynenc("asked") as app:
        parts: dict[str, Any] = {
            "broker": app.broker,
            "client_data_store": app.client_data_store,
            "orchestrator": app.orchestrator,
            "runner": app.runner,
            "state_backend": app.state_backend,
            "trigger": AppTrigger,
        }
        there = [
            name
            for name in apps._OF_COMPONENTS
            if hasattr(parts[name.partition(".")[0]], name.partition(".")[2])
        ]
        # They return records, not invocations.
        assert set(there) <= {
            "orchestrator.purge", "state_backend.get_history", "state_backend.get_invocation",
        }  # fmt: skip
        for part, names in apps._FINE.items():
            assert all(hasattr(parts[part], name) for name in names)
        assert not [name for name in apps._OF_APP if hasattr(app, name)]
    for kind in (Task, Invocation, InvocationGroup, InvocationStatus, BaseRunner):
        assert not [name for name in apps._ALONE if hasattr(kind, name)]
