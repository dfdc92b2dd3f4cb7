"""The configuration: what a wrong key or value is told."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pynenc_pg.conf.load import load
from pynenc_pg.exceptions import ConfigError

SECRET = "not-to-be-seen"  # noqa: S105 - the tests look for it


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty current folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def _refused(values: Any = None, **arguments: Any) -> str:
    """Return the one line that is said."""
    with pytest.raises(ConfigError) as refused:
        load(values, **{"environment": {}, **arguments})
    assert "\n" not in str(refused.value)
    return str(refused.value)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"ap_id": "x"}, "ap_id is not a configuration key (set in code): did you mean app_id?"),
        ({"concurrency": 3}, "did you mean runner.concurrency?"),
        ({"runner": {"treads": 1}}, "runner.treads is not a configuration key (set in code): "),
        ({"runner": {"treads": 1}}, "section runner has queues, queue_order, concurrency"),
        ({"runner": {"pol": 1}}, "did you mean runner.poll?"),
        ({"postgres": {"shema": "x"}}, "did you mean postgres.schema?"),
        ({"runner": {"dsn": "x"}}, "did you mean postgres.dsn?"),
        ({"redis": {"host": "x"}}, "redis is not a configuration key"),
        ({"task": {"retires": 1}}, "task.retires is not a configuration key"),
        ({"task": {"a.b": {"prority": 1}}}, 'did you mean task."a.b".priority?'),
        (
            {"runner": {"concurrency": 0}},
            "concurrency = 0: must be greater than or equal to 1 (set",
        ),
        (
            {"runner": {"concurrency": "x"}},
            "concurrency = 'x': must be a whole number (set in code)",
        ),
        ({"runner": {"lease": float("inf")}}, "runner.lease = inf: must be a finite number"),
        ({"runner": {"queues": "a b"}}, "the name of a queue has letters, digits"),
        ({"runner": {"queues": "[1"}}, "looks like a JSON list but is none"),
        (
            {"orchestrator": {"cycle_control": False}},
            "orchestrator.cycle_control = False: must be true, the database does it in any case",
        ),
        ({"broker": {"queue_timeout_sec": "x"}}, "broker.queue_timeout_sec = 'x': must be a"),
        ({"broker": {"queue_timeout_sec": 0}}, "queue_timeout_sec = 0: must be greater than 0"),
        ({"runner": 3}, "runner = (hidden): must be a table of settings (set in code)"),
        (
            {"orchestrator_cls": "RedisOrchestrator"},
            "'RedisOrchestrator': must be 'MemOrchestrator' or 'PgOrchestrator' (set in code)",
        ),
        ({"logging_level": "loud"}, "must be 'debug', 'info', 'warning', 'error' or 'critical'"),
        ({"logging_colors": "blue"}, "logging_colors = 'blue': must be true or false"),
        ({"argument_print_mode": "all"}, "'hidden', 'keys', 'truncated' or 'full'"),
        ({"app_id": ""}, "app_id = '': "),
        ({"serializer_cls": 5}, "serializer_cls = 5: must be a string or a type"),
        (
            {"task": {"retry_delay": -1}},
            "task.retry_delay = -1: must be greater than or equal to 0",
        ),
        ({"task": {"retry_backoff": 0.5}}, "must be greater than or equal to 1"),
    ],
)
def test_what_cannot_be_is_named(values: dict[str, Any], said: str) -> None:
    """A wrong key or value is an error that names it, its source, and what may be instead."""
    assert said in _refused(values)


@pytest.mark.parametrize(
    ("variable", "said"),
    [
        ("PYNENC__APPID", "appid is not a configuration key (environment PYNENC__APPID): did you"),
        ("PYNENC__REDIS__HOST", "redis is not a configuration key (environment PYNENC__REDIS__HO"),
        ("PYNENC__RUNNER__POLL", "runner.poll = '?': must be a number (environment PYNENC__RUNNER"),
        ("PYNENC__RUNNER", "runner = (hidden): is a section, set its keys"),
        ("PYNENC__", "PYNENC__ names no setting"),
        ("PYNENC__RUNNER__", "PYNENC__RUNNER__ names no setting"),
        ("PYNENC__RUNNER__POLL__X", "(environment PYNENC__RUNNER__POLL__X)"),
        ("PYNENC__CONFIGTASK__QUEUE", "write PYNENC__CONFIGTASK__MODULE#TASK__OPTION"),
        ("PYNENC__CONFIGTASK__A#B__QUEU", 'task."a.b".queu is not a configuration key'),
        ("PYNENC__CONFIGTASK__A#B__QUEUE", "task.\"a.b\".queue = '?': the name of a queue"),
    ],
)
def test_a_wrong_variable_is_named(variable: str, said: str) -> None:
    """A variable of ours that is no key, or whose text cannot be its value, is an error."""
    assert said in _refused(environment={variable: "?"})


def test_a_wrong_value_is_found_also_where_another_wins(folder: Path) -> None:
    """What a file says wrong does not hide behind the environment."""
    (folder / "pyproject.toml").write_text("[tool.pynenc.runner]\nconcurrency = 0\n")
    said = _refused({"runner": {"concurrency": 2}})
    assert (
        f"runner.concurrency = 0: must be greater than or equal to 1 (pyproject.toml {folder})"
        in (said)
    )


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("none.toml", None, "none.toml, named by config_filepath, cannot be read: No such file"),
        (
            "a.ini",
            "",
            "is of no kind we know: its name must end in one of .toml, .yaml, .yml, .json",
        ),
        ("a.toml", "a = = 1", "is not valid: Invalid value (at line 1, column 5)"),
        ("a.json", "{", "is not valid: Expecting property name"),
        ("a.yaml", "a: [", "is not valid: "),
        ("a.yaml", "- a\n", "must hold keys with values, not list"),
        ("a.yaml", "5: x\n", "5 is not a configuration key"),
        ("a.toml", "tool.pynenc = 3", "must hold keys with values, not int"),
        ("a.json", '{"runner": {"poll": 0}}', "runner.poll = 0: must be greater than 0 (file "),
    ],
)
def test_a_wrong_file_is_named(folder: Path, name: str, content: str | None, said: str) -> None:
    """A file that is not there, of another kind or not well formed is named with the reason."""
    if content is not None:
        (folder / name).write_text(content)
    assert said in _refused(filepath=name)
    assert name in _refused(environment={"PYNENC__FILEPATH": name})


def test_a_pyproject_that_is_no_toml(folder: Path) -> None:
    """It is named, and not passed over."""
    (folder / "pyproject.toml").write_text("[tool.pynenc\n")
    assert "pyproject.toml is not valid: " in _refused()
    (folder / "pyproject.toml").write_text("[tool]\npynenc = 3\n")
    assert "[tool.pynenc] of " in _refused()


def test_no_error_shows_a_password(folder: Path) -> None:
    """A DSN may hold one: it stands in no error, wherever it was written, and in no repr."""
    dsn = f"postgresql://me:{SECRET}@h/d"
    (folder / "a.yaml").write_text(f"postgres:\n  dsn: [{dsn}\nx: {SECRET}: y\n")
    told = [
        _refused({"postgres": {"dsn": [dsn]}}),
        _refused({"postgres": dsn}),
        _refused({"dsn": dsn}),
        _refused({"postgres": {"dns": dsn}}),
        _refused(environment={"PYNENC__POSTGRES": dsn}),
        _refused(environment={"PYNENC__POSTGRES__DNS": dsn}),
        _refused(filepath="a.yaml"),
    ]
    assert not [line for line in told if SECRET in line]
    conf = load({"postgres": {"dsn": dsn}}, environment={})
    assert SECRET not in repr(conf)
    with pytest.raises(ConfigError) as refused:
        conf.postgres.dsn = [dsn]  # type: ignore[assignment]
    assert SECRET not in str(refused.value)
    assert refused.value.__cause__ is None


@pytest.mark.parametrize(
    ("values", "pair"),
    [
        ({"orchestrator_cls": "MemOrchestrator", "broker_cls": "PgBroker"}, ("Mem", "PgBroker")),
        ({"broker_cls": "PgBroker", "trigger_cls": "MemTrigger"}, ("PgBroker", "MemTrigger")),
        (
            {"state_backend_cls": "PgStateBackend", "client_data_store_cls": "MemClientDataStore"},
            ("PgStateBackend", "MemClientDataStore"),
        ),
    ],
)
def test_families_do_not_mix(values: dict[str, str], pair: tuple[str, str]) -> None:
    """Any two of the five: both are named with their sources."""
    said = _refused(values)
    assert "memory and PostgreSQL components do not mix" in said
    assert all(name in said for name in pair)
    assert said.count("(set in code)") == 2


def test_a_lease_outlives_its_heartbeat() -> None:
    """Else every runner would be dead before it could say that it lives."""
    said = _refused({"runner": {"lease": 12}})
    assert said.startswith("runner.lease = 12.0 (set in code) is over before it is renewed")
    assert load({"runner": {"lease": 12, "heartbeat": 3}}, environment={}).runner.lease == 12


def test_assignments_are_told_the_same() -> None:
    """What is set later is refused as at the start, and leaves the value as it was."""
    conf = load({}, environment={})
    for name, value, said in (
        ("ap_id", "x", "ap_id is not a configuration key (set in code): did you mean app_id?"),
        ("broker_cls", "Broker", "broker_cls = 'Broker': must be 'MemBroker' or 'PgBroker'"),
        ("runner", {"pol": 1}, "did you mean runner.poll?"),
        ("runner", {"poll": 0}, "runner.poll = 0: must be greater than 0"),
        ("runner", "x", "runner = 'x': must be"),
    ):
        with pytest.raises(ConfigError) as refused:
            setattr(conf, name, value)
        assert said in str(refused.value)
    with pytest.raises(ConfigError, match=r"runner\.concurrency = 0: "):
        conf.runner.concurrency = 0
    assert (conf.broker_cls, conf.runner.concurrency, conf.runner.poll) == (None, 4, 10.0)
    assert conf.runner.source("concurrency") == "default"
