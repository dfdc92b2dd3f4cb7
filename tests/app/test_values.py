"""Values go to a worker and come back as they were, through each serializer and each store."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pynenc_pg import Pynenc
from pynenc_pg.serializer.sameness import difference
from pynenc_pg.task import Task
from tests.app import tasks
from tests.app.conftest import Runner
from tests.unit.test_serializer import _CARRIED as CARRIED_BY_JSON
from tests.unit.test_serializer_types import _ANY as ANYTHING

SIZES = (0, 1_000, 1_024, 500_000, pytest.param(5_000_000, marks=pytest.mark.long))


def round_trip(task: Task[..., Any], value: object) -> None:
    """Compare what went with what arrives there and here."""
    invocation = task(value)
    result = invocation.result_or_raise(60)
    assert difference(value, result) is None
    assert difference(value, invocation.arguments.kwargs["value"]) is None


# The pool's threads take from ``random`` while values are drawn here.
@pytest.mark.filterwarnings("ignore:Do not use the .random. module inside strategies")
@pytest.mark.parametrize(
    ("task", "values"),
    [
        (tasks.echo, ANYTHING),
        (tasks.echo_json, CARRIED_BY_JSON),
        (tasks.echo_pickle, ANYTHING),
    ],
    ids=["jsonpickle", "json", "pickle"],
)
def test_random_values(
    runner: Runner, task: Task[..., Any], values: st.SearchStrategy[Any]
) -> None:
    """Whatever a serializer takes arrives, and its result comes back."""

    @settings(
        max_examples=30,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(values)
    def there_and_back(value: Any) -> None:
        round_trip(task, value)

    with runner():
        there_and_back()


@pytest.mark.parametrize("size", SIZES)
def test_sizes(runner: Runner, size: int) -> None:
    """Small ones and large ones, as text, as bytes, as a list, and as the message of an error."""
    text = "ä\x00\ud800\\" * (size // 4)
    with runner():
        for task in (tasks.echo, tasks.echo_json, tasks.echo_pickle):
            round_trip(task, text)
        round_trip(tasks.echo_pickle, text.encode("utf-8", "surrogatepass"))
        round_trip(tasks.echo, [text[:10]] * (size // 100))
        with pytest.raises(tasks.Refused) as caught:
            tasks.complain(text).result_or_raise(60)
    assert caught.value.args == (1, text)


@pytest.mark.parametrize("megabytes", [10, pytest.param(50, marks=pytest.mark.long)])
def test_megabytes(app: Pynenc, runner: Runner, megabytes: int) -> None:
    """A string of that size goes there and comes back."""
    with runner():
        text = "0123456789" * (megabytes * 100_000)
        assert tasks.echo_json(text).result_or_raise(100) == text
