"""Options of all tasks whose ids fit a pattern."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from pynenc_pg import Pynenc, PynencBuilder
from pynenc_pg.cli.main import cli
from pynenc_pg.conf.load import load
from pynenc_pg.exceptions import ConfigError

REPORTS = "[tool.pynenc.task.'shop.reports.*']\npriority = -10\nqueue = 'slow'\n"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty current folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def here() -> None:
    """Be a task of this module."""


def _queue(of_tasks: dict[str, Any], task_id: str) -> str:
    return load({"task": of_tasks}, environment={}).task_conf(task_id, {}).queue


def test_a_pattern_is_for_all_that_fit(folder: Path) -> None:
    """It beats the section of all tasks and is beaten by the decorator; each source is known."""
    (folder / "pyproject.toml").write_text(
        REPORTS + "[tool.pynenc.task]\nqueue = 'all'\nmax_retries = 2\n"
    )
    conf = load(environment={})
    task = conf.task_conf("shop.reports.monthly", {"priority": 3})
    assert (task.queue, task.priority, task.max_retries) == ("slow", 3, 2)
    assert (task.source("queue"), task.source("priority")) == (f"pyproject.toml {folder}", "code")
    assert conf.task_conf("shop.reports", {}).queue == "all"
    assert conf.task_conf("my.shop.reports.monthly", {}).queue == "all"


@pytest.mark.parametrize(
    ("pattern", "fits", "does_not"),
    [
        ("*", "shop.send", None),
        ("shop.*", "shop.reports.yearly.send", "shops.send"),
        ("*.send", "shop.mail.send", "shop.mail.resend_all"),
        ("shop.send_?", "shop.send_1", "shop.send_12"),
        ("shop.[mr]*", "shop.mail.send", "shop.send"),
        ("shop.[!m]*", "shop.send", "shop.mail.send"),
        ("shop.Send*", "shop.SendAll", "shop.sendall"),
        ("shop#mail#*", "shop.mail.send", "shop.send"),
    ],
)
def test_what_fits(pattern: str, fits: str, does_not: str | None) -> None:
    """The whole id, dots included, in its case; ``#`` may stand for a dot, as in variables."""
    assert _queue({pattern: {"queue": "slow"}}, fits) == "slow"
    if does_not is not None:
        assert _queue({pattern: {"queue": "slow"}}, does_not) == "default"


def test_a_name_beats_patterns_and_the_longer_pattern_wins() -> None:
    """Wherever it stands in the table, option by option."""
    said = {
        "shop.reports.monthly": {"queue": "name"},
        "shop.reports.*": {"queue": "longer", "priority": 2},
        "shop.*": {"queue": "shorter", "priority": 1, "max_retries": 1},
    }
    for of_tasks in (said, dict(reversed(said.items()))):
        conf = load({"task": of_tasks}, environment={})
        task = conf.task_conf("shop.reports.monthly", {})
        assert (task.queue, task.priority, task.max_retries) == ("name", 2, 1)
        assert conf.task_conf("shop.reports.yearly", {}).queue == "longer"
        assert conf.task_conf("shop.charge", {}).queue == "shorter"


def test_then_the_stronger_source_wins(folder: Path) -> None:
    """Code beats files for one and the same pattern, and not a name or a longer pattern there."""
    (folder / "a.yaml").write_text(
        "task:\n"
        "  shop.reports.*: {queue: file, priority: 1, max_retries: 1}\n"
        "  shop.reports.monthly: {priority: 2}\n"
    )
    said = {"shop.reports.*": {"queue": "code", "priority": 3}, "shop.*": {"max_retries": 9}}
    conf = load({"task": said}, filepath="a.yaml", environment={})
    task = conf.task_conf("shop.reports.monthly", {})
    assert (task.queue, task.priority, task.max_retries) == ("code", 2, 1)
    same_length = {"shop.report?.x": {"queue": "first"}, "shop.reports.?": {"queue": "second"}}
    assert _queue(same_length, "shop.reports.x") == "second"


def test_a_variable_may_hold_one_where_the_system_lets_it() -> None:
    """``env`` does; upper and lower case are the same there, as for names."""
    variable = "PYNENC__CONFIGTASK__SHOP.REPORTS#*__QUEUE"
    conf = load({"task": {"shop.*": {"queue": "code"}}}, environment={variable: "slow"})
    task = conf.task_conf("shop.Reports.Monthly", {})
    assert (task.queue, task.source("queue")) == ("slow", f"environment {variable}")


def test_a_limit_is_for_the_tasks_that_it_fits() -> None:
    """A pattern is meant for several: where its limit makes no sense it is off, and no error."""
    limit = {"running_concurrency": "keys", "key_arguments": "user", "max_running": 3}
    conf = load({"task": {"shop.*": limit}}, environment={})
    assert conf.task_conf("shop.send", {}, ("user", "text")).running_concurrency == "keys"
    assert conf.task_conf("shop.tidy", {}, ("days",)).running_concurrency == "disabled"
    strict = load({"task": {"shop.tidy": limit}}, environment={})
    with pytest.raises(ConfigError, match="'user' is no parameter of the function"):
        strict.task_conf("shop.tidy", {}, ("days",))
    half = load({"task": {"shop.*": {"max_running": 3}}}, environment={})
    assert half.task_conf("shop.tidy", {}, ()).max_running == 3


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"priorty": 1}, 'task."shop.*".priorty is not a configuration key (set in code): did'),
        ({"priority": 200}, 'task."shop.*".priority = 200: must be less than or equal to 100'),
        ({"retry_for": ["Nonsense"]}, "Nonsense is no exception"),
    ],
)
def test_what_is_wrong_is_refused_at_load(options: dict[str, Any], said: str) -> None:
    """As for one task, whether a task fits or not; the error names the pattern."""
    with pytest.raises(ConfigError) as refused:
        load({"task": {"shop.*": options}}, environment={})
    assert said in str(refused.value)


def test_a_pattern_that_fits_no_task_is_no_error() -> None:
    """Nor is a name: tasks are defined after the configuration is read, here or elsewhere."""
    app = Pynenc(config_values={"task": {"no.such.*": {"queue": "a"}, "no.task": {"queue": "b"}}})
    assert app.task(here).conf.queue == "default"


def test_the_builder_takes_patterns() -> None:
    """As the table they are in files, beside what other methods say of all tasks."""
    app = (
        PynencBuilder()
        .custom_config(task={"*.here": {"priority": -10}, "max_retries": 2})
        .concurrency_control("task")
        .build()
    )
    conf = app.task(here).conf
    assert (conf.priority, conf.max_retries, conf.running_concurrency) == (-10, 2, "task")


def test_config_show_lists_them_the_weakest_first(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each with its source, shorter patterns before longer ones, names at the end."""
    monkeypatch.delenv("PYNENC_APP", raising=False)
    (folder / "pyproject.toml").write_text(
        "[tool.pynenc.task.'shop.send']\nqueue = 'a'\n"
        + REPORTS
        + "[tool.pynenc.task.'shop.*']\nqueue = 'b'\n"
    )
    found = json.loads(CliRunner().invoke(cli, ["config", "show", "--json"]).stdout)
    keys = [key for key in found if key.startswith('task."')]
    assert keys == [
        'task."shop.*".queue',
        'task."shop.reports.*".priority',
        'task."shop.reports.*".queue',
        'task."shop.send".queue',
    ]
    assert {found[key]["source"] for key in keys} == {f"pyproject.toml {folder}"}
    assert found['task."shop.reports.*".priority']["value"] == -10
