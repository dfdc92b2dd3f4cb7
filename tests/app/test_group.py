"""Many calls at once, and their results, on both stores."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any

import pytest

from pynenc_pg import Pynenc
from pynenc_pg.domain.ids import InvocationId
from pynenc_pg.domain.records import Outcome
from pynenc_pg.exceptions import InvalidTaskOptionsError, ResultTimeoutError, SerializationError
from pynenc_pg.testing import eager, in_memory
from tests.app import group_tasks as tasks
from tests.app.conftest import working

Run = Callable[[], AbstractContextManager[None]]


@pytest.fixture(params=["memory", "postgres"])
def app(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Pynenc]:
    """The app of ``group_tasks`` on an empty store."""
    dsn = request.getfixturevalue("database_dsn") if request.param == "postgres" else None
    monkeypatch.setattr(tasks.app.conf.postgres, "dsn", dsn)
    monkeypatch.setattr(tasks.app.conf, "runner_cls", "ThreadRunner")
    tasks.encoded.clear()
    yield tasks.app
    tasks.app.close()


@pytest.fixture
def run(app: Pynenc) -> Run:
    """Return what makes a runner work for the length of a block."""
    return lambda: working(app.runner)


def test_as_completed_gives_up_in_time(app: Pynenc, run: Run) -> None:
    """After the timeout it says how many are open; they go on, and may be asked for again."""
    group = tasks.add.parallelize((n, 0) for n in range(700))
    with pytest.raises(ResultTimeoutError, match=r"700 of 700 .* within 0.2 s; they go on"):
        next(group.as_completed(timeout=0.2))
    with run():
        assert sum(1 for _ in group.as_completed(timeout=30)) == 700
    assert app.state_backend.count_ready() == 0


def test_tuples_dicts_and_bound_calls(run: Run) -> None:
    """An element may be each of them; the results stand in their order."""
    group = tasks.add.parallelize([(1, 2), {"x": 3}, tasks.add.args(5, y=6), (7,)])
    assert len(group) == 4
    assert [call.arguments.kwargs for call in group][1:3] == [{"x": 3}, {"x": 5, "y": 6}]
    with run():
        assert list(group.results) == [3, 13, 11, 17]
    assert group[0].result == 3


def test_nothing_is_a_group_too(app: Pynenc) -> None:
    """Of no calls."""
    group = tasks.add.parallelize([])
    assert (len(group), list(group.results), list(group.as_completed())) == (0, [], [])


def test_a_generator_is_consumed_in_chunks(app: Pynenc, run: Run) -> None:
    """No more is taken than a chunk before that is written, and all results come."""
    written: list[int] = []

    def numbers() -> Iterator[tuple[int]]:
        for n in range(2_500):
            if n % 1000 == 0:
                written.append(app.state_backend.count_ready())
            yield (n,)

    group = tasks.double.parallelize(numbers())
    assert written == [0, 1000, 2000]
    with run():
        assert list(group.results) == list(range(0, 5_000, 2))


@pytest.mark.parametrize(
    ("element", "words"),
    [
        ((1, 2, 3), "element 1200 of params: .*too many positional"),
        ({"z": 1}, "element 1200 of params: .*missing a required argument"),
        (tasks.double.args(1), "element 1200 of params: .* has no parameter 'n'"),
        ([1], "element 1200 of params: it is of type list: give a tuple"),
        ("ab", "element 1200 of params: it is of type str"),
    ],
)
def test_an_element_that_does_not_fit(app: Pynenc, element: object, words: str) -> None:
    """It is named by its place; of its chunk nothing is written, of those before all."""
    params = [{"x": n} for n in range(1_200)] + [element]
    with pytest.raises(TypeError, match=words) as refused:
        tasks.add.parallelize(params)  # type: ignore[arg-type]
    assert app.state_backend.count_ready() == 1000
    assert refused.value.__notes__ == ["the first 1000 calls are registered: see error.registered"]
    before = refused.value.registered  # type: ignore[attr-defined]
    assert [call.arguments.kwargs["x"] for call in (before[0], before[-1])] == [0, 999]


def test_params_that_fail_themselves(app: Pynenc) -> None:
    """What a generator raises comes out, with what was registered before."""

    def numbers() -> Iterator[tuple[int]]:
        yield from ((n,) for n in range(1_500))
        message = "no more"
        raise OSError(message)

    with pytest.raises(OSError, match="no more") as refused:
        tasks.double.parallelize(numbers())
    assert len(refused.value.registered) == app.state_backend.count_ready() == 1000  # type: ignore[attr-defined]


def test_a_value_that_cannot_be_carried(app: Pynenc) -> None:
    """Of its chunk nothing is written."""
    with pytest.raises(SerializationError, match="'x' of type generator") as refused:
        tasks.add.parallelize([(1,), ((n for n in range(3)),)])
    assert refused.value.__notes__ == ["in call 1 of these 2, counted from 0"]
    assert app.state_backend.count_ready() == 0


def test_common_arguments_are_encoded_once(app: Pynenc, run: Run) -> None:
    """What they have in common goes through the serializer once, and the calls are as any other."""
    scale = {"a", "b"}
    group = tasks.weigh.parallelize(({"n": n} for n in range(1_500)), common_args={"scale": scale})
    assert sum(value == scale for value in tasks.encoded) == 1
    single = tasks.weigh(scale, 7)
    backend = app.state_backend
    one, other = (backend.get_invocation(i.invocation_id) for i in (group[7], single))
    assert (one.arguments, one.call_id) == (other.arguments, other.call_id)
    with run():
        assert list(group.results) == list(range(1_500))


def test_common_arguments_are_named(app: Pynenc) -> None:
    """They go with dicts, and an argument stands in one place."""
    with pytest.raises(TypeError, match="is a tuple, and common_args are named"):
        tasks.add.parallelize([(1,)], common_args={"y": 2})
    with pytest.raises(
        ValueError, match="element 0 of params: 'y' stands there and in common_args"
    ):
        tasks.add.parallelize([{"x": 1, "y": 3}], common_args={"y": 2})
    group = tasks.add.parallelize([tasks.add.args(1)], common_args={"y": 2})
    assert group[0].arguments.kwargs == {"x": 1, "y": 2}


def test_any_signature(run: Run) -> None:
    """Elements and common arguments find their parameters as at a call, whatever these are."""
    bound = tasks.gather_up.args(1, 2, key=3, more=4)
    with run():
        group = tasks.gather_up.parallelize([bound, {"first": 5}], common_args={"rest": 6, "x": 7})
        assert list(group.results) == [
            {"first": 1, "others": [2], "key": 3, "rest": {"more": 4, "rest": 6, "x": 7}},
            {"first": 5, "others": [], "key": 0, "rest": {"rest": 6, "x": 7}},
        ]
        last = tasks.gather_up.parallelize([tasks.gather_up.args(1)], common_args={"key": 2})
        assert last[0].result["key"] == 2


def test_a_default_between_two_arguments(run: Run) -> None:
    """A parameter that is left out keeps its default; those behind it keep their values."""
    with run():
        assert tasks.describe("a", note="b").result == ["a", 1, "b"]
        group = tasks.describe.parallelize(
            [{"name": "a"}, tasks.describe.args("c", 2)], common_args={"note": "b"}
        )
        assert list(group.results) == [["a", 1, "b"], ["c", 2, "b"]]


def test_a_common_argument_that_nothing_takes(app: Pynenc) -> None:
    """It is an error with every kind of element, and not dropped."""
    for element in ({"x": 1}, tasks.add.args(1)):
        with pytest.raises(TypeError, match=r"element 0 of params: .*'z'"):
            tasks.add.parallelize([element], common_args={"z": 2})
    assert app.state_backend.count_ready() == 0


def test_many_results_are_read_in_few_questions(
    app: Pynenc, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a thousand that have ended, five hundred come at a time."""
    with run():
        group = tasks.double.parallelize((n,) for n in range(1_000)).progress()
        asked: list[int] = []
        wait = app.engine.wait

        def counted(ids: Sequence[InvocationId], **options: Any) -> Mapping[InvocationId, Outcome]:
            asked.append(len(ids))
            return wait(ids, **options)

        monkeypatch.setattr(app.engine, "wait", counted)
        assert list(group.results) == list(range(0, 2_000, 2))
        assert asked == [500, 500]
        assert [call.result for call in group][:3] == [0, 2, 4]


def test_every_end_comes_once(run: Run) -> None:
    """Also of more than are watched at a time."""
    with run():
        group = tasks.double.parallelize((n,) for n in range(1_200))
        ended = [call.invocation_id for call in group.as_completed()]
        assert sorted(ended) == sorted(call.invocation_id for call in group)


def test_results_come_in_order_and_ends_as_they_come(run: Run) -> None:
    """``results`` keeps the order of the calls, ``as_completed`` that of the ends."""
    seconds = [0.4, 0.1, 0.25]
    with run():
        group = tasks.after.parallelize([(s,) for s in seconds])
        assert [call.result for call in group.as_completed()] == sorted(seconds)
        assert list(group.results) == seconds


def test_a_failure_comes_at_its_place(run: Run) -> None:
    """The results before it are there, and it raises what the task raised."""
    with run():
        results = tasks.invert.parallelize([(2,), (0,), (4,)]).results
        assert next(results) == 0.5
        with pytest.raises(ZeroDivisionError):
            next(results)


def test_from_a_coroutine(run: Run) -> None:
    """Calling and waiting leave the loop free."""

    async def work() -> list[int]:
        group = await tasks.double.aparallelize((n,) for n in range(300))
        return [result async for result in group.async_results()]

    with run():
        assert asyncio.run(work()) == list(range(0, 600, 2))


def test_within_tasks(run: Run) -> None:
    """A task waits for its group as for a single call; one of several is enough where asked."""
    with run():
        assert tasks.total(1_200).result_or_raise(60) == sum(range(0, 2_400, 2))
        assert tasks.async_total(300).result_or_raise(60) == sum(range(0, 600, 2))
        assert tasks.first_of(3).result_or_raise(60) == 0


def test_progress_is_shown(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    """Where there is no terminal a line tells how many of how many are done."""
    with run():
        group = tasks.double.parallelize((n,) for n in range(50))
        assert group.progress() is group
    said = capsys.readouterr().err
    assert "50 of 50 done" in said
    assert "\x1b" not in said


@pytest.mark.parametrize("way", ["eager", "in_memory"])
def test_in_tests_of_ones_own(way: str) -> None:
    """Synchronously and in a world of its own it works the same."""
    with eager(tasks.app) if way == "eager" else in_memory(tasks.app):
        group = tasks.double.parallelize((n,) for n in range(20))
        assert list(group.results) == list(range(0, 40, 2))
        assert [call.result for call in group.as_completed()] == list(range(0, 40, 2))
        assert tasks.total(5).result == 20
        assert tasks.add_up(list(range(100))) == 4_950


# --- direct tasks -----------------------------------------------------------------------------


def test_a_direct_task_returns_its_result(app: Pynenc, run: Run) -> None:
    """It runs as a task, and its caller has the result or the exception."""
    with run():
        assert tasks.square(7) == 49
        with pytest.raises(LookupError, match="not 3"):
            tasks.refuse(3)
        assert asyncio.run(tasks.async_square(6)) == 36
    assert tasks.square.__doc__ == "Return the square, at once."
    assert "tests.app.group_tasks.square" in app.tasks


def test_a_direct_task_in_parts(run: Run) -> None:
    """It is split, and put together again."""
    with run():
        assert tasks.add_up(list(range(100))) == 4_950
        assert tasks.add_up_from([1, 2, 3], base=100) == 306
        assert asyncio.run(tasks.async_add_up(list(range(50)))) == 1_225


def test_both_halves_are_needed(app: Pynenc) -> None:
    """To split without putting together, or the other way round, is an error at decoration."""
    for options in ({"parallel_func": tasks.split}, {"aggregate_func": sum}):
        with pytest.raises(InvalidTaskOptionsError, match="parallel_func and aggregate_func"):
            app.direct_task(**options)
