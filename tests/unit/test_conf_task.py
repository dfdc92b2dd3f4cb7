"""Options of tasks: decorator > configuration of the task > section ``task`` > default."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from pynenc_pg import RetryError
from pynenc_pg.conf.config_task import TaskConf, check_options
from pynenc_pg.conf.load import load
from pynenc_pg.exceptions import ConfigError, InvalidTaskOptionsError


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty current folder that modules can be imported from."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    return tmp_path


def test_the_nearest_word_counts(folder: Path) -> None:
    """Each level fills in what those above leave out, and the conf knows which it was."""
    (folder / "pyproject.toml").write_text(
        "[tool.pynenc.task]\nmax_retries = 1\nretry_delay = 1\nqueue = 'all'\nretry_backoff = 3\n"
        "[tool.pynenc.task.'shop.tasks.charge']\nmax_retries = 2\nretry_delay = 2\n"
    )
    conf = load(environment={"PYNENC__TASK__RETRY_BACKOFF": "4"})
    task = conf.task_conf("shop.tasks.charge", {"max_retries": 3})
    assert (task.max_retries, task.retry_delay, task.queue, task.retry_backoff) == (3, 2, "all", 4)
    assert (task.retry_max_delay, task.retry_jitter, task.serializer_cls) == (3600, True, None)
    assert [
        task.source(field) for field in ("max_retries", "retry_delay", "queue", "priority")
    ] == [
        "code",
        f"pyproject.toml {folder}",
        f"pyproject.toml {folder}",
        "default",
    ]
    assert conf.task_conf("shop.tasks.other", {}).max_retries == 1


def test_configuration_of_one_task_has_its_order_too(folder: Path) -> None:
    """Code > environment > file, option by option."""
    (folder / "a.yaml").write_text(
        "task:\n  shop.tasks.charge: {max_retries: 1, queue: file, priority: 1}\n"
    )
    conf = load(
        {"task": {"shop.tasks.charge": {"priority": 3}}},
        filepath="a.yaml",
        environment={"PYNENC__CONFIGTASK__SHOP.TASKS#CHARGE__QUEUE": "variable"},
    )
    task = conf.task_conf("shop.tasks.charge", {})
    assert (task.max_retries, task.queue, task.priority) == (1, "variable", 3)
    assert task.source("queue") == "environment PYNENC__CONFIGTASK__SHOP.TASKS#CHARGE__QUEUE"


@pytest.mark.parametrize(
    "variable",
    [
        "PYNENC__CONFIGTASK__SHOP.MY__TASKS#CHARGE__MAX_RETRIES",
        "PYNENC__CONFIGTASK__shop.my__tasks#Charge__MAX_RETRIES",
        "PYNENC__CONFIGTASK__SHOP#MY__TASKS#CHARGE__MAX_RETRIES",
        "pynenc__configtask__shop.my__tasks.charge__max_retries",
    ],
)
def test_the_environment_names_a_task_in_any_case(variable: str) -> None:
    """Variables are written in upper case, task ids are not; modules may have two underscores."""
    conf = load(environment={variable: "3"})
    assert conf.task_conf("shop.my__tasks.Charge", {}).max_retries == 3
    assert conf.task_conf("shop.my__tasks.charges", {}).max_retries == 0


def test_a_file_may_name_a_task_without_quotes(folder: Path) -> None:
    """[tool.pynenc.task.shop.tasks.charge] means what it looks like; case counts in files."""
    (folder / "a.toml").write_text("[task.shop.tasks.charge]\nmax_retries = 3\n")
    conf = load(filepath="a.toml", environment={})
    assert conf.task_conf("shop.tasks.charge", {}).max_retries == 3
    assert conf.task_conf("shop.tasks.Charge", {}).max_retries == 0


def test_exceptions_by_name(folder: Path) -> None:
    """Names of Python, of ours and of any module; they are imported when the task is defined."""
    (folder / "shop_errors.py").write_text(
        "class Declined(Exception):\n    class Hard(Exception): pass\n"
    )
    names = "ValueError, RetryError, shop_errors.Declined, shop_errors.Declined.Hard"
    conf = load(environment={"PYNENC__TASK__RETRY_FOR": names})
    assert "shop_errors" not in sys.modules
    retry_for = conf.task_conf("a.b", {}).retry_for
    assert [each.__name__ for each in retry_for] == ["ValueError", "RetryError", "Declined", "Hard"]
    assert retry_for[1] is RetryError
    assert conf.task_conf("a.b", {"retry_for": ()}).retry_for == ()


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("ValueErro", "did you mean ValueError?"),
        ("Nonsense", "write package.module.Error"),
        ("print", "print is no exception"),
        ("a b", "must be the name of an exception"),
        ("no_such_module.Error", "there is no module no_such_module"),
    ],
)
def test_wrong_names_are_refused_at_load(name: str, said: str) -> None:
    """Also those of a task that nobody defines."""
    with pytest.raises(ConfigError, match="retry_for = ") as refused:
        load({"task": {"a.b": {"retry_for": [name]}}}, environment={})
    assert said in str(refused.value)


@pytest.mark.parametrize(
    ("name", "said"),
    [("json.Nothing", "json.Nothing cannot be imported"), ("json.dumps", "no exception")],
)
def test_wrong_names_are_refused_at_definition(name: str, said: str) -> None:
    """What only an import can tell is told with the source of the name."""
    conf = load(environment={"PYNENC__TASK__RETRY_FOR": name})
    with pytest.raises(ConfigError, match=said) as refused:
        conf.task_conf("a.b", {})
    assert "(environment PYNENC__TASK__RETRY_FOR)" in str(refused.value)
    assert conf.task_conf("a.b", {"max_retries": 1, "retry_for": [OSError]}).retry_for == (OSError,)


def test_what_a_decorator_may_say() -> None:
    """One exception, a list or a tuple; a number or a function of attempt and exception."""

    def delay(attempt: int, error: BaseException) -> float:
        """Wait longer each time."""
        return attempt * (1 if isinstance(error, OSError) else 2)

    assert check_options({"retry_for": OSError}).retry_for == (OSError,)
    assert check_options({"retry_for": [OSError, ValueError]}).retry_for == (OSError, ValueError)
    assert check_options({"retry_delay": delay}).retry_delay is delay
    assert check_options({"retry_delay": 2}).retry_delay == 2
    assert check_options({"serializer_cls": dict}).serializer_cls is dict
    assert check_options({}).retry_for == (RetryError,)
    assert hash(check_options({})) == hash(TaskConf())


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"max_retrys": 1}, "'max_retrys' is no task option: did you mean 'max_retries'?"),
        ({"x": 1}, "'x' is no task option: there are retry_for, max_retries"),
        ({"max_retries": -1}, "max_retries = -1: must be greater than or equal to 0"),
        ({"retry_delay": "soon"}, "retry_delay = 'soon': must be a number or callable"),
        ({"retry_for": (int,)}, "must be a subclass of BaseException"),
        ({"priority": float("nan")}, "priority = nan: "),
        ({"queue": "a\n"}, r"queue = 'a\n': the name of a queue"),
    ],
)
def test_wrong_options_are_the_decorators(options: dict[str, Any], said: str) -> None:
    """A wrong option of a decorator is its own kind of error, with or without a configuration."""
    for check in (check_options, lambda given: load({}, environment={}).task_conf("a.b", given)):
        with pytest.raises(InvalidTaskOptionsError) as refused:
            check(options)
        assert said in str(refused.value)


def test_options_are_settled_once_defined() -> None:
    """They cannot be assigned; the section can, as a whole, for tasks that are defined later."""
    conf = load({}, environment={})
    task = conf.task_conf("a.b", {})
    with pytest.raises(ConfigError, match="max_retries cannot be set any more"):
        task.max_retries = 3
    with pytest.raises(ConfigError, match=r"set app\.conf\.task as a whole"):
        conf.task.max_retries = 3
    conf.task = {"max_retries": 3}  # type: ignore[assignment]
    assert (conf.task_conf("a.b", {}).max_retries, task.max_retries) == (3, 0)
