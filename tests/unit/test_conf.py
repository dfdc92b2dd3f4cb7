"""The configuration: which source wins, what it says of itself, what may be set later."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pynenc_pg import Pynenc, PynencBuilder
from pynenc_pg.conf.config_postgres import PostgresConf
from pynenc_pg.conf.config_pynenc import PynencConf
from pynenc_pg.conf.load import load
from pynenc_pg.exceptions import ConfigError
from pynenc_pg.runner.dummy import DummyRunner
from pynenc_pg.runner.thread import ThreadRunner


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty current folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_each_source_fills_in_what_the_stronger_ones_leave_out(folder: Path) -> None:
    """Code > environment > PYNENC__FILEPATH > filepath > pyproject > default, by setting."""
    fields = ["concurrency", "heartbeat", "poll", "batch", "grace"]

    def section(value: int) -> dict[str, int]:
        """The n-th source sets the n-th field and those after it, all to n."""
        return dict.fromkeys(fields[value - 1 :], value)

    pyproject = "\n".join(f"{field} = {value}" for field, value in section(5).items())
    (folder / "pyproject.toml").write_text(f"[tool.pynenc.runner]\n{pyproject}\n")
    (folder / "given.json").write_text(json.dumps({"runner": section(4)}))
    (folder / "named.json").write_text(json.dumps({"runner": section(3)}))
    environment = {f"PYNENC__RUNNER__{name.upper()}": str(n) for name, n in section(2).items()}
    conf = load(
        {"runner": {"concurrency": 1}},
        filepath="given.json",
        environment={**environment, "PYNENC__FILEPATH": "named.json", "OTHER": "x"},
    )
    assert [getattr(conf.runner, field) for field in fields] == [1, 2, 2, 2, 2]
    weaker = {"PYNENC__RUNNER__HEARTBEAT": "2", "PYNENC__FILEPATH": "named.json"}
    (folder / "named.json").write_text('{"runner": {"poll": 3}}')
    (folder / "given.json").write_text('{"runner": {"poll": 4, "batch": 4}}')
    conf = load({"runner": {"concurrency": 1}}, filepath="given.json", environment=weaker)
    assert [getattr(conf.runner, field) for field in fields] == [1, 2, 3, 4, 5]
    assert conf.runner.sweep == 0.5
    assert [conf.runner.source(field) for field in [*fields, "sweep"]] == [
        "code",
        "environment PYNENC__RUNNER__HEARTBEAT",
        f"file {folder / 'named.json'}",
        f"file {folder / 'given.json'}",
        f"pyproject.toml {folder}",
        "default",
    ]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.yaml", "app_id: shop\nrunner:\n  queues: [a, b]\n"),
        ("a.yml", "app_id: shop\nrunner: {queues: 'a, b'}\n"),
        ("a.json", '{"app_id": "shop", "runner": {"queues": ["a", "b"]}}'),
        ("a.toml", 'app_id = "shop"\n[runner]\nqueues = ["a", "b"]\n'),
        ("a.TOML", '[tool.pynenc]\napp_id = "shop"\nrunner.queues = "a,b"\n[tool.other]\nx = 1\n'),
    ],
)
def test_kinds_of_files(folder: Path, name: str, content: str) -> None:
    """YAML, JSON and TOML, the last also with [tool.pynenc], by any path."""
    (folder / name).write_text(content)
    for path in (name, folder / name):
        conf = load(filepath=path, environment={})
        assert (conf.app_id, conf.runner.queues) == ("shop", ("a", "b"))
    assert load(environment={"PYNENC__FILEPATH": str(folder / name)}).app_id == "shop"


def test_an_empty_file_says_nothing(folder: Path) -> None:
    """A YAML file of comments alone, and a pyproject.toml without our table, are no errors."""
    (folder / "a.yaml").write_text("# later\n")
    (folder / "pyproject.toml").write_text('[project]\nname = "shop"\n')
    assert load(filepath="a.yaml", environment={}).app_id == "pynenc"


def test_text_of_the_environment_becomes_values(folder: Path) -> None:
    """Numbers, booleans, lists with commas or as JSON, words in any case; names in any case."""
    conf = load(
        environment={
            "PYNENC__RUNNER__QUEUES": '["a", "b"]',
            "PYNENC__RUNNER__CONCURRENCY": "7",
            "pynenc__dev_mode_force_sync_tasks": "true",
            "PYNENC__LOGGING_LEVEL": "WARNING",
            "PYNENC__LOGGING_FORMAT": "Json",
            "PYNENC__LOGGING_COLORS": "no",
            "PYNENC__ARGUMENT_PRINT_MODE": "FULL",
            "PYNENC__POSTGRES__SCHEMA": "mine",
        }
    )
    assert (conf.runner.queues, conf.runner.concurrency) == (("a", "b"), 7)
    assert (conf.dev_mode_force_sync_tasks, conf.logging_colors) == (True, False)
    assert (conf.logging_level, conf.logging_format) == ("warning", "json")
    assert (conf.argument_print_mode, conf.postgres.schema_name) == ("full", "mine")
    assert load(environment={"PYNENC__RUNNER__QUEUES": "a, b,"}).runner.queues == ("a", "b")


def test_an_empty_variable_takes_a_value_away(folder: Path) -> None:
    """Where a setting may be unset, an empty variable unsets what a file says."""
    (folder / "pyproject.toml").write_text('[tool.pynenc.postgres]\ndsn = "dbname=x"\n')
    assert load(environment={}).store == "postgres"
    conf = load(environment={"PYNENC__POSTGRES__DSN": ""})
    assert (conf.store, conf.postgres.dsn) == ("memory", None)
    assert load(environment={"PYNENC__FILEPATH": ""}).app_id == "pynenc"


def test_sections_may_be_objects(folder: Path) -> None:
    """Code may give a section as an object; what the object leaves out is left to the others."""
    environment = {"PYNENC__POSTGRES__POOL_SIZE": "9"}
    conf = load({"postgres": PostgresConf(dsn="dbname=x")}, environment=environment)
    assert (conf.postgres.dsn, conf.postgres.pool_size) == ("dbname=x", 9)
    assert conf.postgres.source("dsn") == "code"
    for name in ("schema", "schema_name"):
        assert load({"postgres": {name: "x"}}, environment={}).postgres.schema_name == "x"


def test_the_environment_is_that_of_the_process(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without another one given, os.environ is read."""
    monkeypatch.setenv("PYNENC__APP_ID", "shop")
    assert Pynenc().conf.app_id == "shop"
    assert Pynenc("own").conf.app_id == "own"


def test_a_value_set_later_comes_from_code() -> None:
    """Assignment is checked, converted and noted as code, at the top and within a section."""
    conf = load(environment={"PYNENC__APP_ID": "shop", "PYNENC__POSTGRES__DSN": "dbname=x"})
    assert conf.source("app_id") == "environment PYNENC__APP_ID"
    conf.app_id = "other"
    assert (conf.app_id, conf.source("app_id")) == ("other", "code")
    assert conf.source("runner_cls") == "default"
    conf.runner_cls = "ThreadRunner"
    assert conf.source("runner_cls") == "code"
    conf.postgres.dsn = None
    assert (conf.store, conf.postgres.source("dsn")) == ("memory", "code")
    conf.runner = {"queues": "a,b"}  # type: ignore[assignment]
    assert conf.runner.queues == ("a", "b")
    assert (conf.runner.source("queues"), conf.runner.source("poll")) == ("code", "default")


def test_use_case_6_passes_through_a_mix() -> None:
    """Components are set one by one over others; only an app that uses the mix is refused."""
    conf = load({"orchestrator_cls": "PgOrchestrator", "broker_cls": "PgBroker"}, environment={})
    conf.orchestrator_cls = "MemOrchestrator"
    with pytest.raises(ConfigError, match=r"MemOrchestrator .* and broker_cls = PgBroker"):
        conf.check()
    conf.broker_cls = "MemBroker"
    conf.state_backend_cls = "MemStateBackend"
    conf.check()
    assert conf.store == "memory"


@pytest.mark.parametrize(
    ("values", "store"),
    [
        ({}, "memory"),
        ({"postgres": {"dsn": "dbname=x"}}, "postgres"),
        ({"postgres": {"dsn": "dbname=x"}, "trigger_cls": "MemTrigger"}, "memory"),
        ({"client_data_store_cls": "PgClientDataStore"}, "postgres"),
        ({"state_backend_cls": "PgStateBackend"}, "postgres"),
    ],
)
def test_components_follow_those_that_are_set(values: dict[str, object], store: str) -> None:
    """One named component, whichever, decides for all five; else the DSN does."""
    assert load(values, environment={}).store == store


def test_a_serializer_may_be_a_class() -> None:
    """A name, a dotted path or the class itself."""
    conf = PynencConf()
    for serializer in ("JsonSerializer", "my.module.Serializer", dict):
        conf.serializer_cls = serializer
        assert conf.serializer_cls == serializer


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


def test_the_runner_follows_the_configuration() -> None:
    """``runner_cls`` may be set at any time, also after a first use."""
    app = Pynenc("a")
    assert isinstance(app.runner, DummyRunner)
    app.conf.runner_cls = "ThreadRunner"
    assert isinstance(app.runner, ThreadRunner)
    assert app.runner is app.runner
    app.conf.runner_cls = "Nobody"
    with pytest.raises(
        ConfigError, match=r"'Nobody': choose one of AsyncRunner, DummyRunner, MultiThreadRunner"
    ):
        _ = app.runner


def test_a_serializer_nobody_knows() -> None:
    """The error names those there are."""
    app = PynencBuilder().custom_config(serializer_cls="Xml").build()
    with pytest.raises(ConfigError, match=r"Xml.*JsonPickleSerializer"):
        _ = app.serializer


def test_what_the_parts_have_to_set() -> None:
    """A section of its own says the runner how often to look; the rest of ``runner`` stays."""
    app = PynencBuilder().task_control(queue_timeout_sec=2).thread_runner(3).build()
    assert (app.conf.runner.poll, app.conf.runner_settings.poll) == (10.0, 2.0)
    assert (app.runner.conf.poll, app.runner.conf.concurrency) == (2.0, 3)
    environment = {"PYNENC__TRIGGER__ENABLE_SCHEDULER": "false"}
    assert not load(environment=environment).trigger.enable_scheduler
    plain = Pynenc("plain", config_values={"orchestrator": {"cycle_control": True}})
    assert plain.conf.runner_settings is plain.conf.runner
