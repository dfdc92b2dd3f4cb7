"""How a command finds its app."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from pynenc_pg.cli.candidates import candidates
from pynenc_pg.cli.find import find_app, has_app
from pynenc_pg.exceptions import ConfigError, InvalidTaskOptionsError
from tests.app import tasks

APP = "from pynenc_pg import Pynenc\napp = Pynenc({name!r})\n"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty current folder; what is imported from it is forgotten again."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.delenv("PYNENC_APP", raising=False)
    importlib.invalidate_caches()
    before = set(sys.modules)
    yield tmp_path
    for name in set(sys.modules) - before:
        del sys.modules[name]


def _write(folder: Path, files: dict[str, str]) -> None:
    """Write modules, named by their paths."""
    for name, content in files.items():
        path = folder / f"{name}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)


def _refused(name: str | None) -> str:
    with pytest.raises(ConfigError) as refused:
        find_app(name)
    assert "\n" not in str(refused.value)
    return str(refused.value)


@pytest.mark.parametrize(
    "name",
    [
        "tests.app.tasks",
        "tests.app.tasks.app",
        "tests.app.tasks:app",
        "tests/app/tasks.py",
        "tests/app/tasks.py:app",
        "./tests/app/tasks.py",
        tasks.__file__,
    ],
)
def test_ways_to_name_it(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A module with one app, an attribute after a dot or a colon, and all that by path."""
    monkeypatch.chdir(Path(tasks.__file__).parents[2])
    assert find_app(name) is tasks.app


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("nowhere", "--app nowhere: no module 'nowhere' can be imported from"),
        ("nowhere.app", "no module 'nowhere' can be imported"),
        ("nowhere:app", "no module 'nowhere' can be imported"),
        ("tests.app.tasks.add", "tests.app.tasks.add is Task, not a Pynenc app"),
        ("tests.app.tasks:none", "tests.app.tasks has no 'none'; the apps in it: app"),
        ("tests.app", "the module holds no app; write app = Pynenc() in it"),
        ("no/such.py", "there is no file"),
        ("such.py:app", "there is no file"),
    ],
)
def test_what_is_not_there_is_named(name: str, said: str) -> None:
    """The error says what was looked for, and where."""
    assert said in _refused(name)


@pytest.mark.parametrize(
    ("path", "module"),
    [
        ("jobs.py", "jobs"),
        ("inner/jobs.py", "inner.jobs"),
        ("src/shop/jobs.py", "shop.jobs"),
        ("apart/shop/deep/jobs.py", "shop.deep.jobs"),
        ("my-folder/jobs.py", "jobs"),
        ("pack/__init__.py", "pack"),
        ("pack/jobs.py", "pack.jobs"),
    ],
)
def test_a_path_becomes_the_name_producers_use(folder: Path, path: str, module: str) -> None:
    """Seen from the current folder, from src, from the import path, else from its package."""
    for package in ("src/shop", "apart/shop", "apart/shop/deep", "pack"):
        (folder / package).mkdir(parents=True, exist_ok=True)
        (folder / package / "__init__.py").touch()
    sys.path.append(str(folder / "apart"))
    file = folder / path
    file.parent.mkdir(exist_ok=True)
    task = "@app.task\ndef job() -> None: ...\n"
    file.write_text(APP.format(name="by-path") + task)
    app = find_app(path)
    assert list(app.tasks) == [f"{module}.job"]
    assert sys.modules[module].app is app
    assert find_app(f"{file}:app") is app
    assert find_app(f"{module}:app") is app


def test_a_path_from_outside(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    """A file elsewhere is named from its package, or by itself."""
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    _write(elsewhere, {"alone": APP.format(name="alone"), "pack_a/__init__": ""})
    _write(elsewhere, {"pack_a/inner": APP.format(name="inner")})
    assert find_app(f"{elsewhere}/alone.py").conf.app_id == "alone"
    assert find_app(f"{elsewhere}/pack_a/inner.py").conf.app_id == "inner"
    assert "pack_a.inner" in sys.modules


def test_a_path_whose_name_is_taken(folder: Path) -> None:
    """A file called like a module that is loaded already cannot be imported, and is told why."""
    _write(folder, {"json": APP.format(name="x")})
    assert "names that no other module has" in _refused("json.py")


def test_without_a_name_the_only_one_is_found(folder: Path) -> None:
    """The folder's modules are read, not imported; what makes no app is never run."""
    _write(
        folder,
        {
            "tasks_a": APP.format(name="only"),
            "main": "from tasks_a import app\nraise SystemExit('not imported: Pynenc')\n",
            "helpers": "raise RuntimeError('never imported')\n",
            "test_tasks": APP.format(name="test"),
            "tests/__init__": "",
            "tests/apps": APP.format(name="test"),
            "shop/__init__": "",
            "shop/apps": APP.format(name="second choice"),
        },
    )
    assert has_app()
    assert "tasks_a" not in sys.modules
    assert find_app(None).conf.app_id == "only"
    assert find_app("").conf.app_id == "only"
    assert "main" not in sys.modules


def test_packages_are_looked_at_where_no_module_makes_one(folder: Path) -> None:
    """Also those below src, as deep as they go; folders that are no package are not."""
    _write(
        folder,
        {
            "src/shop/__init__": "",
            "src/shop/inner/__init__": "",
            "src/shop/inner/apps": APP.format(name="deep"),
            "loose/apps": APP.format(name="loose"),
        },
    )
    (folder / ".hidden").mkdir()
    app = find_app()
    assert app.conf.app_id == "deep"
    assert sys.modules["shop.inner.apps"].app is app


def test_the_variable_names_it(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """PYNENC_APP is asked before the folder, --app before both."""
    _write(folder, {"one_a": APP.format(name="one"), "two_a": APP.format(name="two")})
    monkeypatch.setenv("PYNENC_APP", "two_a")
    assert find_app().conf.app_id == "two"
    assert find_app("one_a").conf.app_id == "one"
    monkeypatch.setenv("PYNENC_APP", "none_a")
    assert _refused(None).startswith("PYNENC_APP none_a: no module 'none_a'")


def test_several_are_listed(folder: Path) -> None:
    """With more than one app, in one module or in several, the error names them all."""
    two = APP.format(name="a") + "other: Pynenc = Pynenc('b')\n"
    _write(folder, {"one_b": APP.format(name="one"), "two_b": two})
    assert _refused(None) == (
        "which app? There are one_b.app, two_b.app, two_b.other: "
        "give --app one_b.app, or set PYNENC_APP"
    )
    assert "one of two_b.app, two_b.other" in _refused("two_b")


def test_none_is_told_how(folder: Path) -> None:
    """An empty folder, and one whose module cannot be read, are told what to do."""
    assert not has_app()
    assert "which app? No module in" in _refused(None)
    assert "give --app MODULE[.ATTR]" in _refused(None)
    _write(folder, {"broken_c": "from pynenc_pg import Pynenc\napp = Pynenc(\n"})
    assert "broken_c.py is not valid Python: '(' was never closed, line 2" in _refused(None)


@pytest.mark.parametrize(
    ("source", "names"),
    [
        ("from pynenc_pg import Pynenc as P\napp = P()", ["app"]),
        ("import pynenc_pg\napp = pynenc_pg.Pynenc('x')", ["app"]),
        ("import pynenc_pg as pg\napp = pg.PynencBuilder().memory().build()", ["app"]),
        ("import pynenc_pg.app\nx = pynenc_pg.app.Pynenc()", ["x"]),
        ("from pynenc_pg import app as m\nx = m.Pynenc()", ["x"]),
        ("from pynenc_pg.builder import PynencBuilder\nx = (PynencBuilder()\n.build())", ["x"]),
        ("from pynenc_pg import Pynenc\nx: Pynenc = make()", ["x"]),
        ("from pynenc_pg import Pynenc\nx: 'Pynenc' = make()", ["x"]),
        ("from pynenc_pg import Pynenc\nif 1:\n  x = Pynenc()\nelse:\n  x = Pynenc('b')", ["x"]),
        (
            "from pynenc_pg import Pynenc\ntry:\n  x = Pynenc()\nexcept OSError:\n  y = Pynenc()",
            "xy",
        ),
        ("from pynenc_pg import Pynenc\nif __name__ == '__main__':\n  x = Pynenc()", []),
        ("from pynenc_pg import Pynenc\ndef f():\n  x = Pynenc()", []),
        ("from pynenc_pg import PynencBuilder\nx = PynencBuilder()", []),
        ("from pynenc_pg import PynencBuilder\nx = PynencBuilder().memory()", []),
        ("from pynenc_pg import Pynenc\nx: Pynenc\ny = str(Pynenc())", []),
        ("from mine import Pynenc\nx = Pynenc()", []),
        ("# Pynenc\nx = build()\ny = a.build()\nz = a[0].build().build()", []),
    ],
)
def test_what_makes_an_app(folder: Path, source: str, names: list[str]) -> None:
    """What is assigned at the top of a module, by whatever name the class goes there."""
    (folder / "a.py").write_text(source)
    assert [one.attribute for one in candidates(folder)] == list(names)


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("import not_there_at_all", "ModuleNotFoundError: No module named 'not_there_at_all' ({}"),
        ("x = 1\nraise ValueError('two\\nlines')", "ValueError: two lines ({}, line 2)"),
        ("import json\njson.loads('')", "JSONDecodeError: Expecting value: line 1 column 1 (char"),
        ("import json\njson.loads('')", "({}, line 2)"),
        ("x = (", "SyntaxError: '(' was never closed ({}, line 1)"),
        ("raise SystemExit(3)", "SystemExit: 3 ({}, line 1)"),
        ("def f(): return 1/0\nf()", "ZeroDivisionError: division by zero ({}, line 1)"),
    ],
)
@pytest.mark.parametrize("name", ["broken_d.app", "broken_d", "broken_d:app", "broken_d.py"])
def test_an_error_inside_the_module_is_the_users_own(
    folder: Path, source: str, said: str, name: str
) -> None:
    """A module that fails is not called missing: one line with its error, and where."""
    _write(folder, {"broken_d": source})
    told = _refused(name)
    assert told.startswith(f"--app {name}: importing broken_d failed: ")
    assert said.format(folder / "broken_d.py") in told


def test_an_error_of_a_package_on_the_way(folder: Path) -> None:
    """An __init__ that fails is told as well, by name and by path."""
    _write(folder, {"pack_e/__init__": "import not_there", "pack_e/inner": APP.format(name="x")})
    for name in ("pack_e.inner", "pack_e/inner.py"):
        assert "No module named 'not_there'" in _refused(name)


def test_our_own_errors_stay_what_they_are(folder: Path) -> None:
    """A wrong option of a decorator is raised as such, with the words it has."""
    _write(folder, {"options_f": APP.format(name="x") + "@app.task(max_retrys=1)\ndef f(): ...\n"})
    with pytest.raises(InvalidTaskOptionsError, match="did you mean 'max_retries'"):
        find_app("options_f")
