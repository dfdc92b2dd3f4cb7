"""The configuration: which source wins, and what a wrong key or value is told."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pynenc_pg import Pynenc, PynencBuilder
from pynenc_pg.conf.load import load
from pynenc_pg.exceptions import ConfigError
from pynenc_pg.runner.dummy import DummyRunner
from pynenc_pg.runner.thread import ThreadRunner


def test_code_beats_environment_beats_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each source fills in what the stronger ones leave out, also within a section."""
    (tmp_path / "pyproject.toml").write_text(
        '[tool.pynenc]\napp_id = "file"\nserializer_cls = "JsonSerializer"\n'
        "[tool.pynenc.runner]\nconcurrency = 2\nheartbeat = 3\npoll = 4\n"
    )
    monkeypatch.chdir(tmp_path)
    environment = {"PYNENC__APP_ID": "environment", "PYNENC__RUNNER__HEARTBEAT": "5", "OTHER": "x"}
    conf = load({"app_id": "code", "runner": {"poll": 6}}, environment)
    assert (conf.app_id, conf.serializer_cls) == ("code", "JsonSerializer")
    runner = conf.runner
    assert (runner.concurrency, runner.heartbeat, runner.poll, runner.grace) == (2, 5.0, 6.0, 1.0)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"ap_id": "x"}, "ap_id is not a configuration key"),
        ({"runner": {"treads": 1}}, "runner.treads is not a configuration key"),
        ({"runner": {"concurrency": 0}}, "runner.concurrency = 0: "),
        ({"orchestrator_cls": "RedisOrchestrator"}, "orchestrator_cls = 'RedisOrchestrator': "),
        (
            {"orchestrator_cls": "MemOrchestrator", "broker_cls": "PgBroker"},
            "MemOrchestrator and PgBroker: memory and PostgreSQL components do not mix",
        ),
    ],
)
def test_what_cannot_be_is_named(values: dict[str, Any], said: str) -> None:
    """A wrong key or value is an error that names it."""
    with pytest.raises(ConfigError) as refused:
        load(values, {})
    assert said in str(refused.value)


def test_a_wrong_dsn_is_not_shown() -> None:
    """A DSN may hold a password: its value stands in no error and in no repr."""
    with pytest.raises(ConfigError) as refused:
        load({"postgres": {"dsn": ["secret"]}}, {})
    assert "secret" not in str(refused.value)
    conf = load({"postgres": {"dsn": "postgresql://me:secret@h/d"}}, {})
    assert "secret" not in repr(conf)


def test_a_dsn_moves_everything_to_postgresql() -> None:
    """Nothing configured is memory and no runner; a DSN is PostgreSQL and threads."""
    memory = Pynenc("a")
    assert memory.conf.store == "memory"
    assert isinstance(memory.runner, DummyRunner)
    with pytest.raises(ConfigError, match="set runner_cls = 'ThreadRunner'"):
        memory.runner.run()
    postgres = PynencBuilder().app_id("a").postgres("dbname=x").build()
    assert postgres.conf.store == "postgres"
    assert isinstance(postgres.runner, ThreadRunner)
    assert PynencBuilder().memory().thread_runner(7).build().conf.runner.concurrency == 7


def test_the_runner_follows_the_configuration() -> None:
    """``runner_cls`` may be set at any time, also after a first use."""
    app = Pynenc("a")
    assert isinstance(app.runner, DummyRunner)
    app.conf.runner_cls = "ThreadRunner"
    assert isinstance(app.runner, ThreadRunner)
    assert app.runner is app.runner
    app.conf.runner_cls = "Nobody"
    with pytest.raises(ConfigError, match="'Nobody': choose one of DummyRunner, ThreadRunner"):
        _ = app.runner


def test_a_serializer_nobody_knows() -> None:
    """The error names those there are."""
    app = PynencBuilder().custom_config(serializer_cls="Xml").build()
    with pytest.raises(ConfigError, match="'Xml': choose one of JsonPickleSerializer"):
        _ = app.serializer
