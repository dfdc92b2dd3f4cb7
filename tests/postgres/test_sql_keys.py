"""Calls from SQL of tasks whose arguments count have, to the letter, the keys of Python."""

from __future__ import annotations

import hashlib
import json
import random
import struct
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from psycopg.rows import tuple_row

from pynenc_pg import Pynenc
from pynenc_pg.engine.fitting import fitted
from pynenc_pg.engine.keys import CallKeys
from pynenc_pg.serializer.canonical import canonical_text, plain_text
from tests.app import concurrency_tasks
from tests.app.conftest import working
from tests.postgres.calls_from_sql import code, code_of, enqueue, on, tell
from tests.support.sql import Connection, connect, one, temporary_database

TASKS = "tests.app.concurrency_tasks"
_TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=12)
_FLOATS = st.floats(allow_nan=False, allow_infinity=False)
_ODD = st.sampled_from(
    ["$", "$a", "$$", "$str", "$ref", "$v", "py/object", "b", "a", "B", "é", "𝄞"]
)
_PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.integers(-(10**40), 10**40) | _FLOATS | _TEXT,
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(_TEXT | _ODD, inner, max_size=5),
    max_leaves=15,
)
_SETTINGS = settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
#: As somebody may write it by hand.
_WRITTEN = (
    *("1.0", "1.10", "-0.0", "-0", "0", "0.0", "1e5", "1E+5", "100000.0", "1e15", "1e16", "1e17"),
    *("1e-4", "1e-5", "0.00001", "123456789012345.6", "9007199254740993", "9007199254740993.0"),
    *("1.7976931348623157e308", "5e-324", "2.2250738585072014e-308", "0.1", "12e0", "1e22", "1e23"),
    *("123456789012345678901234567890", "-1e-7", "4.35", "0.30000000000000004", "1e21"),
    *('"a"', '"\\u00e9\\ud83d\\ude00\\/\\u007f\\b"', "[ ]", "{ }", " null", "true ", "[\t1 ,\n2 ]"),
    ' {"b" : [1 , 2], "a": {"x": true}, "b": 3, "A": false} ',
    '{"\\u0061": 1, "é": 2, "z": 3, "\\uffff": 4, "\\ud83d\\ude00": 5, "": 6}',
    '{"$a": 1, "\\u0024str": "x", "$$": {"$ref": "y"}}',
)


@pytest.fixture(scope="module")
def dsn(server_dsn: str, template: str) -> Iterator[str]:
    """One database for all."""
    with temporary_database(server_dsn, template) as dsn:
        yield dsn


@pytest.fixture(scope="module")
def s(dsn: str) -> Iterator[Connection]:
    """One connection of the owner."""
    with connect(dsn) as connection:
        yield connection


@pytest.fixture
def app(dsn: str, s: Connection, monkeypatch: pytest.MonkeyPatch) -> Iterator[Pynenc]:
    """The app of ``tests.app.concurrency_tasks``."""
    yield from on(dsn, concurrency_tasks.app, monkeypatch)
    s.execute("select purge(%s)", (concurrency_tasks.app.conf.app_id,))
    s.execute("truncate task, runner_task; delete from runner")


def from_sql(connection: Connection, task: str, text: str) -> tuple[str | None, ...] | None:
    """Return the registration key, the running key and the call id that SQL makes."""
    query = """select k.* from task t cross join lateral
               call_keys(t, plain_wire(%s::json)) k where t.task_id = %s"""
    cursor = connection.cursor(row_factory=tuple_row)
    return cursor.execute(query, (text, f"{TASKS}.{task}")).fetchone()


def from_python(app: Pynenc, task: str, text: str) -> tuple[str | None, ...]:
    """Return those of Python, of the arguments as a worker reads them."""
    definition = app.engine.registry.get(f"{TASKS}.{task}")
    arguments = fitted(definition, json.loads(text))
    keys = CallKeys(definition, arguments, app.engine.serializer)
    return keys.registration, keys.running, keys.call_id


def written(value: Any) -> list[str]:
    """Write the same in several ways."""
    return [
        json.dumps(value),
        json.dumps(value, indent=1, ensure_ascii=False),
        json.dumps(value, separators=(",", ":"), sort_keys=True),
    ]


# --- keys -------------------------------------------------------------------------------------


@_SETTINGS
@given(value=_PLAIN)
@example(value=[[], {}, "", {"a": {}}, [[[]]]])
@example(value={"\x7f\x1f\u2028\ud7ff\ue000\uffff\U00010000\U0010ffff": '"\\/\b\f\n\r\t'})
def test_keys_of_any_plain_value(app: Pynenc, s: Connection, value: Any) -> None:
    """However it is written: keys of one argument, of all, and the id of the call."""
    for text in written({"user": "a", "note": value}):
        ours = from_python(app, "once_strictly", text)
        assert from_sql(s, "once_strictly", text) == ours
        assert None not in (ours[0], ours[2])
    for text in written({"key": value, "number": [value]}):
        assert from_sql(s, "hold_each", text) == from_python(app, "hold_each", text)
        assert from_sql(s, "hold_by_key", text) == from_python(app, "hold_by_key", text)


@_SETTINGS
@given(
    given=st.fixed_dictionaries(
        {"x": _PLAIN},
        optional={
            "y": st.just(1) | _PLAIN,
            "more": st.lists(_PLAIN, max_size=3),
            "named": st.dictionaries(_TEXT, _PLAIN, max_size=3),
            "other": _PLAIN,
            "ä": _PLAIN,
        },
    )
)
@example(given={"x": 1, "other": 2, "named": {"other": 3, "a": 4}})
def test_keys_of_what_is_left_out(app: Pynenc, s: Connection, given: dict[str, Any]) -> None:
    """A default counts as if it were given; ``**`` has what no other parameter takes."""
    for text in written(given):
        assert from_sql(s, "once_each", text) == from_python(app, "once_each", text)


@pytest.mark.parametrize("text", _WRITTEN)
def test_however_it_is_written(app: Pynenc, s: Connection, text: str) -> None:
    """It counts as what Python reads; of what stands there twice the last counts."""
    for task in ("hold_each", "hold_by_key"):
        call = f'{{"number": 1, "key": 0, "key": {text}}}'
        assert from_sql(s, task, call) == from_python(app, task, call)


def test_many_floats(s: Connection) -> None:
    """All sorts, with their last digits: any bits, powers of two, whole ones, short decimals."""
    dice = random.Random(1)
    floats = [struct.unpack("<d", dice.randbytes(8))[0] for _ in range(20_000)]
    floats += [2.0**power for power in range(-1074, 1024)]
    floats += [float(dice.randrange(2**50, 2**90)) for _ in range(5_000)]
    floats += [float(f"{dice.randrange(10**6)}e{dice.randrange(-30, 30)}") for _ in range(5_000)]
    for power in [*range(15, 60)] * 50:  # what lies exactly between two of them
        floats.append(float(f"{dice.randrange(10 ** dice.randrange(1, 17))}e{power}"))
    texts = [repr(x) for x in floats if x - x == 0]
    query = """select array_agg(python_number(t) order by n)
               from unnest(%s::text[]) with ordinality x (t, n)"""
    assert one(s, query, (texts,)) == texts


@_SETTINGS
@given(data=st.binary(max_size=600))
@example(data=bytes(range(128)))
@example(data=b"x" * 129)
def test_the_digest(s: Connection, data: bytes) -> None:
    """It is the one that clients of every release make."""
    ours = hashlib.blake2b(data, digest_size=16).hexdigest()
    assert one(s, "select blake2b(%s)", (data,)) == ours


@_SETTINGS
@given(value=_PLAIN)
def test_a_value_has_one_text(app: Pynenc, s: Connection, value: Any) -> None:
    """Whatever the serializer is that plain JSON passes by."""
    text = one(s, "select canonical_json(plain_wire(%s::json))", (json.dumps(value),))
    assert text == plain_text(value) == canonical_text(value, app.engine.serializer)


# --- calls ------------------------------------------------------------------------------------


def test_calls_from_both_sides_become_one(app: Pynenc, s: Connection) -> None:
    """By all arguments, or by those that are keys."""
    ours = concurrency_tasks.once_each({"a": [1.5, "é"]}, 1)
    again = enqueue(s, f"{TASKS}.once_each", {"x": {"a": [1.5, "é"]}})
    assert again == ours.invocation_id
    assert enqueue(s, f"{TASKS}.once_each", {"x": {"a": [1.5, "e"]}}) != ours.invocation_id
    first = enqueue(s, f"{TASKS}.once_a_user", {"user": "ann", "note": "x"})
    assert concurrency_tasks.once_a_user("ann", kind="mail", note="y").invocation_id == first
    assert concurrency_tasks.once_a_user("ann", kind="text").invocation_id != first
    with working(app.runner):
        assert ours.result_or_raise(20) == {"a": [1.5, "é"]}
        assert app.get_invocation(first).result_or_raise(20) == "ann mail x"


def test_other_arguments_are_refused_if_python_refuses_them(app: Pynenc, s: Connection) -> None:
    """``on_diff_non_key_args_raise``: equal calls become one, however they are written."""
    name = f"{TASKS}.once_strictly"
    first = concurrency_tasks.once_strictly("ann", {"a": 1, "b": 2.0}).invocation_id
    given = {"note": {"b": 2.0, "a": 1}, "depth": 1, "user": "ann"}
    assert enqueue(s, name, given) == first
    assert code(s, name, {"user": "ann", "note": {"a": 1, "b": 2}}) == "PN013"
    assert enqueue(s, name, {"user": "bob"}) != first


def test_slots_are_shared(app: Pynenc, s: Connection) -> None:
    """Calls of one key stand in one lane, with the slots that the task has."""
    concurrency_tasks.hold_by_key_in_pairs("a", 1)
    for n in range(3):
        enqueue(s, f"{TASKS}.hold_by_key_in_pairs", {"key": "a", "number": n})
    enqueue(s, f"{TASKS}.hold_by_key_in_pairs", {"key": "b", "number": 1})
    query = """select l.slots, count(*) from invocation_state s join lane l on l.lane_id = s.lane
               group by l.lane_id, l.slots order by 2"""
    assert s.execute(query).fetchall() == [(2, 1), (2, 4)]
    runner = tell(app)
    taken = [c.invocation_id for c in app.orchestrator.claim(runner, [], 10)]
    assert len(taken) == 3


def test_a_retry_has_the_keys_of_its_arguments(app: Pynenc, s: Connection) -> None:
    """Also of arguments that Python has written; what only its serializer reads is refused."""
    ours = concurrency_tasks.hold_by_key("a\0$", 1)
    ours.cancel()
    again = str(one(s, "select retry(%s)", (ours.invocation_id,)))
    query = """select count(distinct i.lane) from invocation_state i"""
    concurrency_tasks.hold_by_key("a\0$", 2)
    assert one(s, query) == 1
    app.get_invocation(again).cancel()
    other = concurrency_tasks.once_each({1, 2})
    other.cancel()
    assert code_of(s, f"select retry('{other.invocation_id}')") == "PN023"


@pytest.mark.parametrize(
    "value",
    ["1e400", "1e-400", f'"{"x" * 20_000}"', "[" * 200 + "]" * 200, f"[{'0,' * 9_000}0]"],
    ids=["infinite", "too small", "long", "deep", "many"],
)
def test_what_cannot_be_told_is_refused(app: Pynenc, s: Connection, value: str) -> None:
    """Rather no call than one that runs beside those that it should wait for."""
    for task in ("hold_each", "hold_by_key"):
        call = f'{{"key": {value}, "number": 1}}'
        assert code_of(s, f"select enqueue('{TASKS}.{task}', '{call}')") == "PN023"
    assert one(s, "select count(*) from invocation") == 0
    call = f'{{"user": "a", "note": {value}}}'
    assert one(s, "select enqueue(%s, %s)", (f"{TASKS}.once_a_user", call))


def test_serializers_that_decide_what_is_equal(
    app: Pynenc, s: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A serializer of the user's, or a default that is no JSON, cannot be told of."""

    class Own(type(app.engine.serializer)):  # type: ignore[misc]
        """Of the user's."""

    monkeypatch.setattr(app.engine.known, "_serializer", Own())
    tell(app)
    assert code(s, f"{TASKS}.once_each", {"x": 1}) == "PN023"
    assert enqueue(s, f"{TASKS}.once", {"number": 1})
    monkeypatch.undo()
    with Pynenc(app.conf.app_id) as other:

        def once_each(x: object, y: object = (1,)) -> None:
            """Have a default that is a tuple."""

        once_each.__module__, once_each.__qualname__ = TASKS, "once_each"
        other.conf.postgres.dsn = s.info.dsn
        other.task(registration_concurrency="arguments")(once_each)
        tell(other)
        assert code(s, f"{TASKS}.once_each", {"x": 1}) == "PN023"
        assert enqueue(s, f"{TASKS}.once_each", {"x": 1, "y": [1]})


def test_defaults_are_not_shown(app: Pynenc, s: Connection) -> None:
    """What a default says is for keys alone: the view has names."""
    query = "select count(*) from tasks t where t::text like '%mail%'"
    assert one(s, query) == 0
