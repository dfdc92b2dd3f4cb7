"""Annotated values go to a worker and come back; rows that others write run nothing."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from pynenc_pg import InvocationStatus, Pynenc
from pynenc_pg.exceptions import SerializationError
from pynenc_pg.task import Task
from tests.app import typed_tasks as tasks
from tests.app.conftest import Runner, working
from tests.app.test_signing import Attacker, bombs

WHEN = datetime(2026, 1, 2, tzinfo=UTC)
LINES = [tasks.Line("a", Decimal("9.99")), tasks.Line("b", Decimal(1), "x" * 300_000)]


@pytest.fixture
def tasks_module() -> ModuleType:
    """An app that goes by annotations."""
    return tasks


@pytest.fixture
def attacker(database_dsn: str) -> Iterator[Attacker]:
    """Somebody with the rights of the owner."""
    made = Attacker(database_dsn)
    yield made
    made.connection.close()


@pytest.fixture
def in_tmp(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder, where the process is."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_there_and_back(app: Pynenc, runner: Runner) -> None:
    """Small ones, and large ones that are stored by themselves; many calls with some in common."""
    expected = {"a": Decimal("9.99"), "b": Decimal(1)}
    with runner():
        invocation = tasks.order(LINES, WHEN, frozenset("ab"))
        assert invocation.result_or_raise(20) == expected
        assert tasks.seen == [(LINES, WHEN, frozenset("ab"))]
        assert invocation.arguments.kwargs["lines"] == LINES
        group = tasks.order.parallelize(
            [{"when": None}, {"when": WHEN}], {"lines": LINES, "tags": frozenset("c")}
        )
        assert list(group.results) == [expected, expected]


@pytest.mark.parametrize("task", [tasks.take, tasks.strict], ids=["typed", "strict"])
@pytest.mark.parametrize("name", ["py/reduce", "pickle"])
def test_nothing_in_a_row_is_run(
    app: Pynenc,
    request: pytest.FixtureRequest,
    in_tmp: Path,
    task: Task[..., Any],
    name: str,
) -> None:
    """What another serializer would run is not even decoded, without any key."""
    if app.conf.store == "memory":
        return  # nobody else writes there
    attacker: Attacker = request.getfixturevalue("attacker")
    invocation = task(1)
    attacker.set_arguments(invocation, bombs()[name])
    why = r"which (Typed)?JsonSerializer does not read"
    with working(app.runner), pytest.raises(SerializationError, match=why):
        invocation.result_or_raise(20)
    assert invocation.status is InvocationStatus.FAILED
    assert tasks.seen == []
    assert not list(in_tmp.iterdir())


def test_rows_written_by_hand(app: Pynenc, request: pytest.FixtureRequest) -> None:
    """They are read by the annotations: what fits is a value, what does not fit fails."""
    if app.conf.store == "memory":
        return  # as above
    attacker: Attacker = request.getfixturevalue("attacker")
    good, bad = (tasks.order([], None, frozenset()) for _ in range(2))
    row: dict[str, Any] = {"lines": [{"sku": "a", "price": 3}], "when": None, "tags": ["x"]}
    attacker.set_arguments(good, json.dumps(row))
    row["lines"] = [{"sku": "a", "price": "3", "__class__": "subprocess:Popen"}]
    attacker.set_arguments(bad, json.dumps(row))
    with working(app.runner):
        assert good.result_or_raise(20) == {"a": Decimal(3)}
        with pytest.raises(SerializationError, match="Line has no field '__class__'"):
            bad.result_or_raise(20)
    assert len(tasks.seen) == 1
