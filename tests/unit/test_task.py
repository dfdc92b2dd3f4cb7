"""Decoration: what becomes a task, and what is refused at once."""

from __future__ import annotations

import pytest

from pynenc_pg import Pynenc, RetryError
from pynenc_pg.exceptions import InvalidTaskOptionsError, TaskNotFoundError
from tests.app import tasks


def test_tasks_are_known_by_module_and_name() -> None:
    """A task has the function's address as id, its name and docstring, and can be found again."""
    assert tasks.add.task_id == "tests.app.tasks.add"
    assert tasks.app.get_task("tests.app.tasks.add") is tasks.add
    assert tasks.app.tasks["tests.app.tasks.add"] is tasks.add
    assert getattr(tasks.add, "__name__") == "add"  # noqa: B009 - not in its type
    assert tasks.add.__doc__ == "Return the sum."
    assert tasks.add.func(1, 2) == 3
    assert repr(tasks.add) == "<Task tests.app.tasks.add>"


def test_an_unknown_task_names_the_known_ones() -> None:
    """The error says which tasks there are."""
    with pytest.raises(
        TaskNotFoundError, match=r"no task 'nope' in this app \(of the \d+ it knows: .*tasks\.add"
    ):
        tasks.app.get_task("nope")


def test_options_are_kept() -> None:
    """What the decorator says stands in the task's configuration; the rest are defaults."""
    assert (tasks.on_the_side.conf.queue, tasks.on_the_side.conf.priority) == ("side", 5.0)
    assert tasks.add.conf.retry_for == (RetryError,)
    assert (tasks.add.conf.queue, tasks.add.conf.max_retries) == ("default", 0)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"max_retrys": 1}, "'max_retrys' is no task option: did you mean 'max_retries'"),
        ({"x": 1}, "'x' is no task option: there are retry_for, max_retries"),
        ({"max_retries": -1}, "max_retries = -1: "),
        ({"queue": "a b"}, "queue = 'a b': "),
        ({"priority": 101}, "priority = 101: "),
    ],
)
def test_wrong_options_are_refused_at_decoration(options: dict[str, object], said: str) -> None:
    """An option that does not exist, or a value it cannot have, is named."""
    with pytest.raises(InvalidTaskOptionsError, match=said):
        Pynenc("a").task(**options)  # type: ignore[call-overload]


def test_functions_without_an_address_are_refused() -> None:
    """A lambda, a nested function and one of ``__main__`` cannot be found by a worker."""

    def nested() -> None:
        """Have no address."""

    app = Pynenc("a")
    with pytest.raises(ValueError, match="is a lambda or is defined inside a function"):
        app.task(lambda: 1)
    with pytest.raises(ValueError, match="define it at the top of a module"):
        app.task(nested)
    nested.__module__ = "__main__"
    with pytest.raises(RuntimeError, match="move it to a module and import it"):
        app.task(nested)
    assert app.tasks == {}
