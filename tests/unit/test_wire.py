"""The wire format: what goes in comes out equal, plain JSON stays plain, the rest is refused."""

from __future__ import annotations

import asyncio
import io
import json
import math
import socket
import threading
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pynenc_pg.exceptions import SerializationError
from pynenc_pg.serializer.json_pickle import JsonPickleSerializer
from pynenc_pg.serializer.json_strict import JsonSerializer
from pynenc_pg.serializer.wire import decode, decode_arguments, encode, encode_arguments

PICKLE, STRICT = JsonPickleSerializer(), JsonSerializer()

_ANY_TEXT = st.text(st.characters(codec=None, categories=None))  # lone surrogates too
_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | _ANY_TEXT,
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text("$abc\\", max_size=4), inner)
    ),
    max_leaves=12,
)


class Money:
    """A class of the user's own."""

    def __init__(self, amount: int) -> None:
        self.amount = amount

    def __eq__(self, other: object) -> bool:
        """Compare by amount."""
        return isinstance(other, Money) and other.amount == self.amount

    __hash__ = None  # type: ignore[assignment]


@given(value=_JSON)
@example(value={"$ref": "x", "$$": "$", "$str": "\x00"})
@example(value=["\\", "\\u0000", "\x00\ud800\\", -0.0, 10**40, math.inf])
@example(value={"a": {"$float": "nan"}})
@example(value={"a\x00": {"$\ud800": ["\ud800\udc00"], "b": 1}})
@pytest.mark.parametrize("serializer", [PICKLE, STRICT])
def test_json_values_come_back_equal(serializer: Any, value: Any) -> None:
    """Every JSON value, with hostile strings and keys, comes back equal and of the same types."""
    text = encode(value, serializer)
    text.encode()
    assert "\x00" not in text
    assert "\\u0000" not in text.replace("\\\\", "")
    assert repr(decode(text, serializer)) == repr(value)


def test_not_a_number_comes_back() -> None:
    """NaN is carried though JSON has none."""
    assert math.isnan(decode(encode(math.nan, STRICT), STRICT))


@pytest.mark.parametrize(
    "value",
    [
        (1, (2, [3])),
        {1, 2},
        frozenset({"a"}),
        b"\x00\xff",
        {1: "a", (2, 3): "b", None: "c"},
        datetime(2026, 11, 25, 12, tzinfo=UTC),
        Decimal("1.10"),
        UUID(int=7),
        Path("a/b"),
        1 + 2j,
        range(3),
        Money(3),
        [{"deep": (Money(1), {"x"})}],
        ({"py/object": "os.system"},),
        threading.Thread,
        math.floor,
    ],
    ids=lambda value: type(value).__name__,
)
def test_python_values_come_back_equal(value: Any) -> None:
    """Under jsonpickle types are kept."""
    back = decode(encode(value, PICKLE), PICKLE)
    assert back == value
    assert type(back) is type(value)


def test_plain_arguments_stand_as_they_are() -> None:
    """What is JSON is readable in SQL, also beside what is not."""
    wire = json.loads(encode_arguments({"x": 1, "name": "Ann", "when": {1, 2}}, PICKLE))
    assert (wire["x"], wire["name"]) == (1, "Ann")
    assert list(wire["when"]) == ["$jsonpickle"]
    assert decode_arguments(json.dumps(wire), PICKLE) == {"x": 1, "name": "Ann", "when": {1, 2}}


def _deep(depth: int) -> list[Any]:
    value: list[Any] = []
    for _ in range(depth):
        value = [value]
    return value


@pytest.mark.parametrize(
    "value",
    [
        (n for n in range(3)),
        iter([1]),
        map(str, [1]),
        lambda: 1,
        threading.Lock(),
        threading.Event(),
        io.StringIO("open"),
        memoryview(b"x"),
        json,
        [{"inside": (threading.RLock(),)}],
        {1: lambda: 1},
        _deep(20_000),
        10**5000,
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_cannot_be_carried_names_argument_and_type(value: Any) -> None:
    """Nothing is changed in silence: the argument and its type are named."""
    kind = type(value).__qualname__
    with pytest.raises(SerializationError, match=f"argument 'it' of type {kind} cannot be"):
        encode_arguments({"fine": 1, "it": value}, PICKLE)
    with pytest.raises(SerializationError):
        encode(value, PICKLE)


def test_sockets_and_coroutines_are_refused() -> None:
    """What belongs to this process alone is not carried."""

    async def later() -> None:
        await asyncio.sleep(0)

    coroutine = later()
    with socket.socket() as one:
        for value in (one, coroutine):
            with pytest.raises(SerializationError):
                encode(value, PICKLE)
    coroutine.close()


@pytest.mark.parametrize(
    "value", [(1,), {1}, b"x", {1: 2}, Decimal(1), Money(1)], ids=lambda v: type(v).__name__
)
def test_the_strict_serializer_takes_json_alone(value: Any) -> None:
    """Anything else is a TypeError at the call that names argument and type."""
    with pytest.raises(TypeError, match=f"argument 'it' of type {type(value).__name__}"):
        encode_arguments({"it": value}, STRICT)


def test_a_strict_app_never_unpickles() -> None:
    """A row written by jsonpickle is refused by an app that reads JSON, and nothing is run."""
    text = encode(Money(1), PICKLE)
    with pytest.raises(SerializationError, match="same serializer_cls"):
        decode(text, STRICT)


def test_long_text_comes_back() -> None:
    """50 MB of text with a NUL in it is carried."""
    value = "x" * 50_000_000 + "\x00"
    assert decode(encode(value, STRICT), STRICT) == value
