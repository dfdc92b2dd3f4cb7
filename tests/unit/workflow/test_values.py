"""What users give to operations is checked, and says what is wrong with it."""

from __future__ import annotations

import functools
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from pynenc_pg import Pynenc
from pynenc_pg.domain.workflows import FOREVER, LONGEST_VALUE, NewStep, StepKind
from pynenc_pg.exceptions import (
    DataRejectedError,
    InvalidTaskOptionsError,
    TriggerDefinitionError,
    WorkflowError,
)
from pynenc_pg.workflow import values
from pynenc_pg.workflow.callee import calls_of
from pynenc_pg.workflow.run import check_length, described
from pynenc_pg.workflow.waiting import Wanted

NOW = datetime(2030, 1, 1, tzinfo=UTC)
app = Pynenc("values")
other = Pynenc("others")


@app.task
def add(x: int, y: int = 0) -> int:
    """Return the sum."""
    return x + y


async def later() -> None:
    """Be asynchronous."""


@pytest.mark.parametrize(
    ("given", "seconds"),
    [(3, 3.0), (0, 0.0), (0.5, 0.5), (timedelta(minutes=1), 60.0), (1e300, FOREVER)],
)
def test_durations(given: Any, seconds: float) -> None:
    """Numbers and timedeltas, of a hundred years at most."""
    assert values.duration(given, "sleep") == seconds


@pytest.mark.parametrize("given", [-1, float("nan"), float("inf"), True, "3", timedelta(-1), None])
def test_no_durations(given: Any) -> None:
    """Everything else."""
    with pytest.raises(ValueError, match=r"timeout = .*: give seconds, 0 or more"):
        values.duration(given, "timeout")


def test_sleeps() -> None:
    """Seconds, or until an aware time, from when it is recorded; one of the two."""
    assert values.sleep_seconds(3, None, lambda: NOW)() == 3
    end = NOW + timedelta(hours=1)
    assert values.sleep_seconds(None, end, lambda: NOW)() == 3600
    assert values.sleep_seconds(None, NOW - timedelta(1), lambda: NOW)() == 0
    for seconds, until in ((None, None), (3, end)):
        with pytest.raises(ValueError, match="give seconds, or the time"):
            values.sleep_seconds(seconds, until, lambda: NOW)
    with pytest.raises(ValueError, match="with its zone"):
        values.sleep_seconds(None, datetime(2030, 1, 1), lambda: NOW)  # noqa: DTZ001 - that is it


def test_names() -> None:
    """Texts that a row can have."""
    assert values.name("", "reason") == ""
    assert values.name("x" * 1000, "key")
    with pytest.raises(DataRejectedError, match=r"1001 characters; give a text of 1000 at most"):
        values.name("x" * 1001, "key")
    with pytest.raises(DataRejectedError, match="without NUL"):
        values.name("a\0", "key")
    with pytest.raises(TypeError, match="key 3: it must be a text"):
        values.name(3, "key")


def test_names_of_functions() -> None:
    """Module and name; what has none is called by its type."""
    assert values.function_name(later, coroutine=True) == f"{__name__}.later"
    assert values.function_name(len, coroutine=False) == "builtins.len"
    assert values.function_name(functools.partial(len), coroutine=False).endswith("partial")
    with pytest.raises(WorkflowError, match="async def"):
        values.function_name(later, coroutine=False)
    with pytest.raises(WorkflowError, match="execute_task"):
        values.function_name(add, coroutine=False)


def test_calls() -> None:
    """Arguments are bound; keys, other apps, sessions and plain functions are refused."""
    assert values.bound(add, (1,), {"y": 2}, lambda: lambda: app.engine) == {"x": 1, "y": 2}
    with pytest.raises(TypeError, match=r"add\(x: 'int'"):
        values.bound(add, (), {}, lambda: lambda: app.engine)
    with pytest.raises(InvalidTaskOptionsError, match="the key 'k' is not for calls of a workflow"):
        values.bound(add.options(key="k"), (1,), {}, lambda: lambda: app.engine)
    with pytest.raises(WorkflowError, match="of another app"):
        values.bound(add, (1,), {}, lambda: lambda: other.engine)
    within: Any = type("InTransaction", (), {"_session": None, "_calls": None})()
    with pytest.raises(TypeError, match="transaction"):
        calls_of(within)
    plain: Any = len
    with pytest.raises(TypeError, match=r"step\(func"):
        calls_of(plain)


@pytest.mark.parametrize("path", ["", "0", "1.", "1.02", "x", "1..2", "-1", "1" * 10])
def test_no_paths(path: str) -> None:
    """Numbers with dots between them, and nothing else."""
    assert values.checked_path("4.1.12") == "4.1.12"
    with pytest.raises(DataRejectedError, match="give the number of a step"):
        values.checked_path(path)


def test_events_that_are_wanted() -> None:
    """A dict is contained, a function decides; the store gets what it can compare."""
    wanted = Wanted.of("paid", {"order": 7, "tags": ["a"]}, 5)
    assert wanted.accepts({"order": 7.0, "tags": ("a",), "more": 1})
    assert not wanted.accepts({"order": 7})
    assert wanted.spec("1").filter == {"order": 7}
    odd = Wanted.of("paid", lambda payload: payload % 2 == 1, timedelta(minutes=1))
    assert (odd.accepts(3), odd.accepts(2), odd.spec("1").filter) == (True, False, None)
    anything = Wanted.of("paid", None, None)
    assert anything.accepts(None)
    assert anything.spec("1").timeout is None
    with pytest.raises(TypeError, match="give a dict, or a function"):
        Wanted.of("paid", 3, None)  # type: ignore[arg-type]
    with pytest.raises(TriggerDefinitionError, match="event code"):
        Wanted.of("", None, None)
    with pytest.raises(TriggerDefinitionError, match="not JSON"):
        Wanted.of("paid", {"x": object()}, None)


def test_sizes() -> None:
    """A value of the largest size is taken."""
    check_length(NewStep("1", StepKind.STEP, "f", "x" * LONGEST_VALUE))
    with pytest.raises(DataRejectedError, match=r"step 4\.1 of the workflow, step f: the result"):
        check_length(NewStep("4.1", StepKind.STEP, "f", "x" * (LONGEST_VALUE + 1)))
    assert described(StepKind.PAUSE, "") == "pause"
