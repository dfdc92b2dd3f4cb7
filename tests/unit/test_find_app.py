"""How a command finds its app."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from pynenc_pg.cli.find import find_app
from pynenc_pg.exceptions import ConfigError
from tests.app import tasks


@pytest.mark.parametrize("name", ["tests.app.tasks", "tests.app.tasks.app", "tests.app.tasks:app"])
def test_ways_to_name_it(name: str) -> None:
    """A module with one app, and a module with an attribute after a dot or a colon."""
    assert find_app(name) is tasks.app


@pytest.mark.parametrize(
    ("name", "said"),
    [
        (None, "which app"),
        ("", "which app"),
        ("nowhere", "no module 'nowhere' can be imported"),
        ("nowhere.app", "no module 'nowhere' can be imported"),
        ("tests.app.tasks.add", "tests.app.tasks.add is Task, not a Pynenc app"),
        ("tests.app.tasks:none", "is NoneType, not a Pynenc app"),
        ("tests.app", "the module holds 0 apps"),
    ],
)
def test_what_is_not_there_is_named(name: str | None, said: str) -> None:
    """The error says what was looked for, and where."""
    with pytest.raises(ConfigError) as refused:
        find_app(name)
    assert said in str(refused.value)


def test_an_error_inside_the_module_is_the_users_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A module that fails at import raises its own error, and is not called missing."""
    (tmp_path / "broken_tasks.py").write_text("import not_there_at_all\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    with pytest.raises(ModuleNotFoundError, match="not_there_at_all"):
        find_app("broken_tasks.app")
