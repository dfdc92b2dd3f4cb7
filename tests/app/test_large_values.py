"""Large arguments, results and errors: stored once, and everybody's own."""

from __future__ import annotations

import hashlib
import json
import logging
import threading
import time
from collections.abc import Sequence
from datetime import timedelta
from types import ModuleType
from typing import Any

import numpy as np
import pandas as pd  # type: ignore[import-untyped]
import psycopg
import pytest

from pynenc_pg import Pynenc
from pynenc_pg.domain.ids import InvocationId
from pynenc_pg.domain.records import Payload
from pynenc_pg.exceptions import InvalidTaskOptionsError, PayloadError, StoreUnavailableError
from pynenc_pg.serializer.base import BaseSerializer
from tests.app import large_tasks as tasks
from tests.app.conftest import Runner
from tests.app.large_tasks import SOME, Bag, LargeError

PATIENCE = 20.0


@pytest.fixture
def tasks_module() -> ModuleType:
    """Those with large values."""
    return tasks


@pytest.fixture
def stored(app: Pynenc, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the payloads that were fetched from the store, as often as they were."""
    fetched: list[str] = []
    holds = app.client_data_store
    fetch = holds.fetch

    def note(hashes: list[str]) -> dict[str, bytes]:
        fetched.extend(hashes)
        return fetch(hashes)

    monkeypatch.setattr(holds, "fetch", note)
    return fetched


def written(app: Pynenc, invocation_id: str) -> dict[str, Any]:
    """Return the arguments as they stand in the row."""
    record = app.state_backend.get_invocation(InvocationId(invocation_id))
    found: dict[str, Any] = json.loads(record.arguments)
    return found


def test_a_large_argument_is_a_reference(app: Pynenc, runner: Runner) -> None:
    """In the row stands which value it is; the task gets the value, and so does the caller."""
    data = "x" * SOME
    invocation = tasks.measure(data)
    [name] = written(app, invocation.invocation_id)["data"].values()
    assert written(app, invocation.invocation_id) == {"data": {"$ref": name}}
    assert app.client_data_store.fetch([name]) == {name: json.dumps(data).encode()}
    assert dict(invocation.arguments.kwargs) == {"data": data}
    with runner():
        assert invocation.result_or_raise(PATIENCE) == SOME


def test_small_ones_stay_where_they_are(app: Pynenc) -> None:
    """Up to the limit, in bytes of JSON with its quotes, nothing is a reference."""
    for text, large in (
        ("x" * 1021, False),
        ("x" * 1022, True),
        ("é" * 510, False),
        ("é" * 511, True),
    ):
        arguments = written(app, tasks.measure(text).invocation_id)
        assert ("$ref" in str(arguments)) is large, len(text)


@pytest.mark.parametrize("size", [SOME, 400_000], ids=["some", "much"])
def test_results_come_back(app: Pynenc, runner: Runner, size: int) -> None:
    """A large result is stored like an argument, whoever stores it, and read by who waits."""
    value = {"$ref": ["é" * size], "n": 1.5}
    with runner():
        invocation = tasks.echo(value)
        assert invocation.result_or_raise(PATIENCE) == value
        assert tasks.measure_later("ab" * size).result_or_raise(PATIENCE) == "abab" * size
    [outcome] = app.state_backend.get_outcomes([InvocationId(invocation.invocation_id)]).values()
    assert json.loads(outcome.value or "").keys() == {"$ref"}
    assert invocation.result == value


def test_errors_come_back_and_say_in_the_row_what_they_are(app: Pynenc, runner: Runner) -> None:
    """What is large of an error is stored by itself; its type stays in the row."""
    data = "secret " * SOME
    invocation = tasks.fail(data)
    with runner(), pytest.raises(LargeError) as caught:
        invocation.result_or_raise(PATIENCE)
    assert caught.value.args == (data,)
    [outcome] = app.state_backend.get_outcomes([InvocationId(invocation.invocation_id)]).values()
    said = json.loads(outcome.value or "")
    assert (said["module"], said["type"]) == (LargeError.__module__, "LargeError")
    assert said["args"].keys() == said["message"].keys() == {"$ref"}
    assert data not in (outcome.value or "")
    assert [str(attempt.error) for attempt in invocation.attempts] == [data, data]


def test_each_task_gets_its_own(app: Pynenc, runner: Runner) -> None:
    """What one invocation does to a large argument the next one does not see, nor the caller."""
    plain: list[Any] = list(range(SOME))
    typed: list[Any] = [{1, 2}, *range(SOME)]
    bag = Bag(list(range(SOME)))
    with runner():
        for data, length in ((plain, SOME), (typed, SOME + 1), (bag, SOME)):
            found = list(tasks.spoil.parallelize([(data, n) for n in range(6)]).results)
            assert found == [(length, length + 1)] * 6
            assert tasks.spoil(data, 7).result_or_raise(PATIENCE) == (length, length + 1)
        assert tasks.both_spoiled(plain, plain).result_or_raise(PATIENCE) == SOME
    assert (len(plain), len(typed), len(bag.items)) == (SOME, SOME + 1, SOME)


def test_a_result_is_the_readers_own(app: Pynenc, runner: Runner) -> None:
    """Who changes a result gets the result as it was when asking again."""
    invocation = tasks.echo(list(range(SOME)))
    with runner():
        invocation.result_or_raise(PATIENCE).clear()
    assert invocation.result == list(range(SOME))


def test_one_object_is_encoded_and_stored_once(
    app: Pynenc, runner: Runner, stored: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """In one batch, by common_args, and again later: one value, fetched once by the process."""
    data, asked = "y" * SOME, []
    serializer = app.serializer
    bag = Bag(list(range(SOME)))
    to_wire = type(serializer).to_wire

    def note(self: BaseSerializer, value: Any) -> Any:
        asked.append(value)
        return to_wire(self, value)

    monkeypatch.setattr(type(serializer), "to_wire", note)
    several = tasks.spoil.parallelize([(bag, n) for n in range(20)])
    common = tasks.spoil.parallelize([{"number": n} for n in range(20)], {"data": bag})
    assert asked == [bag, bag]
    names = {written(app, one.invocation_id)["data"]["$ref"] for one in (*several, *common)}
    assert len(names) == 1
    more = tasks.digest.parallelize([(data, n) for n in range(20)])
    with runner():
        assert len(set(more.results)) == 20
        list(several.results)
    [name] = {written(app, one.invocation_id)["data"]["$ref"] for one in more}
    assert stored.count(name) == 1


def test_values_that_are_small_by_themselves_stay_in_the_row(app: Pynenc) -> None:
    """What counts is the argument, not the call: a hundred small ones are no large one."""
    value = {f"k{n}": "v" * 10 for n in range(40)}
    arguments = written(app, tasks.digest("x" * SOME, 1).invocation_id)
    assert arguments["salt"] == 1
    assert "$ref" in written(app, tasks.echo([value] * 3).invocation_id)["data"]
    assert written(app, tasks.echo(value).invocation_id) == {"data": value}


def test_limits_are_the_apps(
    app: Pynenc, runner: Runner, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Beyond the greatest size, or switched off, values stay in their rows; warned once."""
    conf, data = app.conf.client_data_store, "z" * SOME
    monkeypatch.setattr(conf, "warn_threshold", 2000)
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            tasks.measure(data)
    [line] = [r.getMessage() for r in caplog.records if r.getMessage().startswith("payload.large")]
    assert "argument 'data' of tests.app.large_tasks.measure takes 3002 bytes" in line
    before = tasks.measure(data)
    monkeypatch.setattr(conf, "max_size_to_cache", SOME)
    assert written(app, tasks.measure(data).invocation_id) == {"data": data}
    monkeypatch.setattr(conf, "max_size_to_cache", 0)
    monkeypatch.setattr(conf, "disable_client_data_store", True)
    assert written(app, tasks.measure(data).invocation_id) == {"data": data}
    with runner():
        assert before.result_or_raise(PATIENCE) == SOME  # read it all the same
        assert tasks.echo(data).result_or_raise(PATIENCE) == data


def test_what_is_large_and_what_is_kept(
    app: Pynenc, runner: Runner, stored: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """From ``min_size_to_cache`` on it is; with ``local_cache_size`` 0 each reader fetches it."""
    conf, data = app.conf.client_data_store, "s" * SOME
    monkeypatch.setattr(conf, "min_size_to_cache", SOME + 3)
    assert written(app, tasks.measure(data).invocation_id) == {"data": data}
    monkeypatch.setattr(conf, "min_size_to_cache", SOME + 2)  # with its quotes
    assert "$ref" in str(written(app, tasks.measure(data).invocation_id))
    app.purge()
    monkeypatch.setattr(conf, "local_cache_size", 0)
    with runner():
        for _ in range(2):
            assert tasks.measure(data).result_or_raise(PATIENCE) == SOME
    assert len(stored) == 2


def test_arguments_that_are_to_stay_do(app: Pynenc) -> None:
    """By name, or all; a name that is none is an error where the task is defined."""
    one, other = "a" * SOME, "b" * SOME
    inline = written(app, tasks.measure_inline(one, other).invocation_id)
    assert (inline["data"], inline["other"].keys()) == (one, {"$ref"})
    same = written(app, tasks.measure_inline(one, one).invocation_id)
    assert (same["data"], same["other"].keys()) == (one, {"$ref"})
    both = written(app, tasks.measure_all_inline(one, other).invocation_id)
    assert both == {"data": one, "other": other}
    with pytest.raises(
        InvalidTaskOptionsError, match=r"'dota' is no parameter.*did you mean 'data'"
    ):
        app.task(disable_cache_args=("dota",))(tasks.measure.func)


def test_a_value_that_is_gone_fails_the_invocation(
    app: Pynenc, runner: Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It says which one, and the runner goes on; so does one that somebody has changed."""
    holds, invocation = app.client_data_store, tasks.measure("q" * SOME)
    name = written(app, invocation.invocation_id)["data"]["$ref"]
    fetch = holds.fetch
    instead: dict[str, bytes] = {}

    def fetch_others(hashes: list[str]) -> dict[str, bytes]:
        return fetch([each for each in hashes if each != name]) | instead

    monkeypatch.setattr(holds, "fetch", fetch_others)
    with runner():
        with pytest.raises(PayloadError, match=f"{name} is not in the store any more"):
            invocation.result_or_raise(PATIENCE)
        instead[name] = b'"other"'
        with pytest.raises(PayloadError, match=f"{name} is not what was stored under that name"):
            tasks.measure("q" * SOME).result_or_raise(PATIENCE)
        assert tasks.measure("short").result_or_raise(PATIENCE) == 5


def test_a_store_that_is_away_costs_no_attempt(
    app: Pynenc, runner: Runner, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A fetch that fails puts the call back; a result that cannot be stored goes with its end."""
    holds, size = app.client_data_store, 400_000
    one, later = tasks.measure("m" * size), tasks.measure_later("n" * size)
    fetch, hold = holds.fetch, holds.hold
    fetches: list[Sequence[str]] = []

    def fetch_at_last(hashes: Sequence[str]) -> dict[str, bytes]:
        fetches.append(hashes)
        if len(fetches) <= 2:
            message = "away"
            raise StoreUnavailableError(message)
        return fetch(hashes)

    def hold_but_from_tasks(payloads: Sequence[Payload]) -> None:
        if threading.current_thread().name.startswith("pynenc-writer"):
            hold(payloads)
            return
        message = "away"
        raise StoreUnavailableError(message)

    monkeypatch.setattr(holds, "fetch", fetch_at_last)
    monkeypatch.setattr(holds, "hold", hold_but_from_tasks)
    with runner():
        assert one.result_or_raise(PATIENCE) == size
        assert later.result_or_raise(PATIENCE) == "n" * 2 * size
    assert (one.num_retries, later.num_retries) == (0, 0)
    said = {record.getMessage().partition(":")[0] for record in caplog.records}
    assert {"payload.unreachable", "payload.later"} <= said


def test_a_runner_collects_what_nobody_needs(app: Pynenc, runner: Runner) -> None:
    """The eldest runner looks when it starts: what is old and not referred to is gone soon."""
    held = [Payload(hashlib.sha256(c).hexdigest(), c) for c in (b'"old"', b'"young"')]
    app.client_data_store.hold(held)
    old, young = (each.sha256 for each in held)
    if app.conf.store == "postgres":
        with psycopg.connect(app.conf.postgres.dsn or "", autocommit=True) as connection:
            connection.execute(
                "update pynenc.payload set created_at = now() - interval '2 days' "
                "where sha256 = decode(%s, 'hex')",
                (old,),
            )
    else:
        rows = app.client_data_store._database.payloads  # type: ignore[attr-defined]
        rows[old].held_at -= timedelta(days=2)
    with runner():
        deadline = time.monotonic() + PATIENCE
        while len(app.client_data_store.fetch([old, young])) == 2:
            assert time.monotonic() < deadline
            time.sleep(0.02)
    assert set(app.client_data_store.fetch([old, young])) == {young}


def test_threads_fetch_a_value_once(app: Pynenc, stored: list[str]) -> None:
    """Eight that want the same at once: the store is asked once, and each has its own."""
    name = written(app, tasks.echo(list(range(SOME))).invocation_id)["data"]["$ref"]
    found: list[list[int]] = []
    gate = threading.Barrier(8)

    def read() -> None:
        gate.wait(PATIENCE)
        found.extend(app.engine.payloads.values([name], app.serializer))

    threads = [threading.Thread(target=read) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(found), stored) == (8, [name])
    assert len({id(each) for each in found}) == 8
    assert all(each == list(range(SOME)) for each in found)


@pytest.mark.parametrize("serializer", ["JsonPickleSerializer", "PickleSerializer"])
def test_arrays_and_frames(
    app: Pynenc, runner: Runner, monkeypatch: pytest.MonkeyPatch, serializer: str
) -> None:
    """Arrays of numpy and frames of pandas come back with dtype, order and index."""
    monkeypatch.setattr(app.conf, "serializer_cls", serializer)
    rng = np.random.default_rng(7)
    arrays: list[Any] = [
        rng.random((40, 50)),
        np.asfortranarray(rng.random((40, 50))),
        np.arange(3000, dtype="i4")[::2],
        np.array([1, "a", None] * 200, dtype=object),
        np.array(["2026-01-01"] * 300, dtype="M8[D]"),
        np.float32(1.5),
    ]
    frame = pd.DataFrame(
        {"a": rng.random(500), "b": ["x", "y"] * 250, "c": pd.Categorical(["p", "q"] * 250)},
        index=pd.date_range("2026-01-01", periods=500, freq="h", tz="Europe/Berlin"),
    )
    with runner():
        for array in arrays:
            for _ in range(3):  # fetched, then from the cache
                back = tasks.echo(array).result_or_raise(PATIENCE)
                assert (type(back), back.dtype) == (type(array), array.dtype)
                assert np.array_equal(back, array)
        for _ in range(3):
            pd.testing.assert_frame_equal(tasks.echo(frame).result_or_raise(PATIENCE), frame)
            series = tasks.echo(frame["a"]).result_or_raise(PATIENCE)
            pd.testing.assert_series_equal(series, frame["a"])
