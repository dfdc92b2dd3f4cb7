"""``pynenc-pg config show``: every value, where it came from, and no password."""

from __future__ import annotations

import importlib
import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from pynenc_pg.cli.main import cli
from pynenc_pg.conf.load import load
from pynenc_pg.conf.settings import every_key
from pynenc_pg.conf.show import hide_password, plain, shown_settings
from pynenc_pg.exceptions import ConfigError

SECRET = "not-to-be-seen"  # noqa: S105 - the tests look for it
DSN = f"postgresql://me:{SECRET}@db.example.org:5432/shop"
Run = Callable[..., Result]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Run]:
    """Run a command in an empty folder; modules it imports are forgotten again."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    for name in ("PYNENC_APP", "PYNENC__POSTGRES__DSN"):
        monkeypatch.delenv(name, raising=False)
    importlib.invalidate_caches()
    before = set(sys.modules)

    def run_it(*arguments: str) -> Result:
        return CliRunner().invoke(cli, arguments)

    yield run_it
    for name in set(sys.modules) - before:
        del sys.modules[name]


@pytest.mark.parametrize("command", [("config", "show"), ("show_config",)])
def test_every_setting_has_a_line(
    run: Run, command: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Key, value and source in columns, for all there is; the alias does the same."""
    monkeypatch.setenv("PYNENC__POSTGRES__DSN", DSN)
    monkeypatch.setenv("PYNENC__RUNNER__QUEUES", "a,b")
    done = run(*command)
    assert (done.exit_code, done.stderr) == (0, "")
    lines = [line.split(maxsplit=1) for line in done.stdout.splitlines()]
    assert [key for key, _ in lines] == every_key()
    rest = {key: " ".join(value.split()) for key, value in lines}
    assert rest["postgres.dsn"] == (
        "postgresql://me:***@db.example.org:5432/shop environment PYNENC__POSTGRES__DSN"
    )
    assert rest["runner.queues"] == "a, b environment PYNENC__RUNNER__QUEUES"
    assert rest["runner_cls"] == "- default"
    assert rest["task.retry_jitter"] == "true default"
    assert SECRET not in done.stdout


def test_json_for_machines(run: Run, tmp_path: Path) -> None:
    """An object by key, of values as JSON has them, options of single tasks included."""
    (tmp_path / "pyproject.toml").write_text(
        f"[tool.pynenc.postgres]\ndsn = '{DSN}'\n"
        "[tool.pynenc.task.'shop.charge']\nretry_for = ['ValueError']\n"
    )
    done = run("config", "show", "--json")
    assert (done.exit_code, done.stderr) == (0, "")
    found = json.loads(done.stdout)
    assert list(found) == [*every_key(), 'task."shop.charge".retry_for']
    source = f"pyproject.toml {tmp_path}"
    assert found['task."shop.charge".retry_for'] == {"value": ["ValueError"], "source": source}
    assert found["runner.concurrency"] == {"value": 4, "source": "default"}
    assert found["logging_colors"] == {"value": None, "source": "default"}
    assert found["task.retry_for"]["value"] == ["pynenc_pg.exceptions.RetryError"]
    assert SECRET not in done.stdout


def test_the_app_of_the_folder_is_shown(run: Run, tmp_path: Path) -> None:
    """What code says is there, also without --app where the folder has one app."""
    (tmp_path / "shown_tasks.py").write_text(
        "from pynenc_pg import Pynenc, PynencBuilder\n"
        "class Own: ...\n"
        "app = PynencBuilder().app_id('shop').serializer(Own).build()\n"
    )
    for options in ((), ("--app", "shown_tasks")):
        found = json.loads(run(*options, "config", "show", "--json").stdout)
        assert found["app_id"] == {"value": "shop", "source": "code"}
        assert found["serializer_cls"]["value"] == "shown_tasks.Own"
    (tmp_path / "shown_more.py").write_text("from pynenc_pg import Pynenc\nx = Pynenc()\n")
    done = run("config", "show")
    assert isinstance(done.exception, ConfigError)
    assert "There are shown_more.x, shown_tasks.app" in str(done.exception)


def test_help_names_the_commands(run: Run) -> None:
    """The root lists both names, and --app says how an app is found."""
    said = run("--help").stdout
    assert "show_config" in said
    assert "PYNENC_APP" in said
    assert "--json" in run("config", "show", "--help").stdout


@pytest.mark.parametrize(
    ("dsn", "shown"),
    [
        (DSN, "postgresql://me:***@db.example.org:5432/shop"),
        ("postgresql://me@h/d", "postgresql://me@h/d"),
        ("postgresql:///d", "postgresql:///d"),
        ("postgresql://h:5432/d", "postgresql://h:5432/d"),
        (f"postgres://:{SECRET}@h", "postgres://:***@h"),
        (f"postgresql://me:a/{SECRET}@{SECRET}@h/d", "postgresql://me:***@h/d"),
        (f"postgresql://me:a?{SECRET}@h/d", "postgresql://me:***@h/d"),
        (f"postgresql://h/d?password={SECRET}&x=1", "postgresql://h/d?password=***&x=1"),
        (f"postgresql://h/d?x=a@b&sslpassword={SECRET}", "postgresql://h/d?x=a@b&sslpassword=***"),
        (f"host=h password={SECRET} dbname=d", "host=h password=*** dbname=d"),
        (f"host=h password = '{SECRET} \\' {SECRET}' x=1", "host=h password = *** x=1"),
        (f"host=h PASSWORD='{SECRET} x", "host=h PASSWORD=***"),
        (f"password=a\\ {SECRET} host=h", "password=*** host=h"),
        (f"oauth_client_secret={SECRET} host=h", "oauth_client_secret=*** host=h"),
        (f"scram_client_key={SECRET} host=h", "scram_client_key=*** host=h"),
        ("host=h passfile=/x", "host=h passfile=/x"),
        ("embedded", "embedded"),
        ("embedded:///some/folder", "embedded:///some/folder"),
        (f"postgres//me:{SECRET}@h/d", "***"),
        (f"postgres//me:{SECRET}@h/d?x=1", "***"),
        (SECRET, "***"),
    ],
)
def test_passwords_are_masked(dsn: str, shown: str) -> None:
    """In each form a DSN can have; the host stays, and what is no DSN is masked as a whole."""
    assert hide_password(dsn) == shown
    conf = load({"postgres": {"dsn": dsn}}, environment={})
    found = {one.key: one.value for one in shown_settings(conf)}
    assert found["postgres.dsn"] == shown


def test_values_become_what_json_holds() -> None:
    """Classes and functions by their paths; what has none by its repr."""
    assert plain((ValueError, ConfigError)) == ["ValueError", "pynenc_pg.exceptions.ConfigError"]
    assert plain(load).endswith("load.load")
    assert plain({1}) == "{1}"
    assert plain(None) is None
