"""JsonSerializer takes what the guide says and runs nothing."""

from __future__ import annotations

import json
import math
import subprocess
import sys
import types
from datetime import datetime
from decimal import Decimal
from enum import Enum, IntFlag, StrEnum
from pathlib import Path
from typing import Any, ClassVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

import pynenc_pg.serializer
from pynenc_pg.exceptions import SerializationError
from pynenc_pg.serializer import (
    JsonPickleSerializer,
    JsonSerializable,
    JsonSerializer,
    PickleSerializer,
)
from pynenc_pg.serializer.failure import decode_exception
from pynenc_pg.serializer.wire import decode, decode_arguments, encode, encode_arguments
from tests.unit.golden.shapes import Color, Level, Money, Point, RefusedError, Rights

STRICT, JSONPICKLE, PICKLE = JsonSerializer(), JsonPickleSerializer(), PickleSerializer()


class Word(StrEnum):
    """An enum that is text, too."""

    YES = "yes"


class Mask(IntFlag):
    """A flag that keeps bits it has no name for."""

    A = 1


class Order:
    """Carries others inside what ``to_json`` returns."""

    def __init__(self, price: Money, state: Enum) -> None:
        self.parts = [price, state]

    def to_json(self) -> list[Any]:
        """Return what the serializer has to carry on its own."""
        return self.parts

    @classmethod
    def from_json(cls, data: list[Any]) -> Order:
        """Make it again."""
        return cls(*data)

    def __eq__(self, other: object) -> bool:
        """Compare the parts."""
        return isinstance(other, Order) and other.parts == self.parts

    __hash__ = None  # type: ignore[assignment]

    class Nested(Money):
        """Found by its qualified name; ``from_json`` is inherited."""


class Broken:
    """Fails each way; ``data`` is what ``to_json`` returns."""

    def __init__(self, data: Any = None) -> None:
        self.data = data

    def to_json(self) -> Any:
        """Return anything, or raise."""
        if isinstance(self.data, Exception):
            raise self.data
        return self.data

    @classmethod
    def from_json(cls, data: Any) -> Any:
        """Raise, or return something else."""
        if data == "raise":
            message = "no such thing"
            raise LookupError(message)
        return 5


class Loud:
    """Says when a line of it is run."""

    ran: ClassVar[list[str]] = []

    def __init__(self) -> None:
        self.ran.append("init")

    @property
    def data(self) -> None:
        """Run."""
        self.ran.append("property")


_CARRIED = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text(st.characters(codec=None, categories=None))
    | st.sampled_from([*Color, *Level, *Word, Rights(0), Rights(3), Mask(1), Mask(9)])
    | st.builds(Money, st.floats(allow_nan=False), st.text(max_size=3))
    | st.builds(Order, st.builds(Money, st.integers(), st.just("EUR")), st.sampled_from([*Color])),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(st.characters(codec=None, categories=None), max_size=3), inner)
        | st.dictionaries(st.text("$a\x00", max_size=3), inner)
    ),
    max_leaves=10,
)


@given(_CARRIED)
def test_json_carries_what_it_says(value: Any) -> None:
    """JSON, enums and ``JsonSerializable``, at any depth and with any text as key, come back."""
    text = encode(value, STRICT)
    text.encode()
    assert "\x00" not in text
    back = decode(text, STRICT)
    assert back == value
    assert type(back) is type(value)
    assert encode(back, STRICT) == text
    assert STRICT.deserialize(STRICT.serialize(value)) == value


def test_values_stand_in_their_place() -> None:
    """What is not plain does not hide its neighbours from SQL."""
    wire = json.loads(encode_arguments({"x": 1, "many": [Money(2, "EUR"), {"y": 3}]}, STRICT))
    assert wire["x"] == 1
    assert wire["many"][1] == {"y": 3}
    assert wire["many"][0]["$json"]["data"] == {"amount": 2, "currency": "EUR"}
    assert wire["many"][0]["$json"]["class"].endswith(":Money")
    nested = Order.Nested(1, "x")
    assert type(decode(encode(nested, STRICT), STRICT)) is Order.Nested


def test_the_protocol_is_checked_at_runtime() -> None:
    """``isinstance`` knows who follows it."""
    assert isinstance(Money(1, "EUR"), JsonSerializable)
    assert not isinstance(Point(1), JsonSerializable)


def test_exceptions_are_values() -> None:
    """An exception given as an argument comes back as itself, with what it is linked to."""
    error = RefusedError(code=4)
    error.__cause__ = KeyError((1, "x"))
    (back,) = decode(encode([error], STRICT), STRICT)
    assert (type(back), back.args, back.code) == (RefusedError, error.args, 4)
    assert back.__cause__.args == ((1, "x"),)
    assert not hasattr(back, "__notes__")
    with pytest.raises(SerializationError, match="set is no JSON"):
        encode(ValueError({1}), STRICT)


@pytest.mark.parametrize(
    "value",
    [
        {1},
        b"x",
        (1,),
        datetime(2026, 1, 1),  # noqa: DTZ001
        Decimal(1),
        Point(1),
        type("Int", (int,), {})(3),
        type("Text", (str,), {})("x"),
        type("List", (list,), {})(),
        object(),
        Money,
        Color,
        lambda: 1,
        types.SimpleNamespace(to_json=lambda: 1, from_json=lambda _: 1),
    ],
    ids=lambda value: type(value).__name__,
)
def test_json_refuses_the_rest(value: Any) -> None:
    """A TypeError at the call that names argument, type and the place inside it."""
    kind = type(value).__qualname__
    where = (
        rf"argument 'data' of type dict cannot be carried: at data\[\"items\"\]\[1\] of type {kind}"
    )
    with pytest.raises(TypeError, match=where):
        encode_arguments({"data": {"items": [0, value]}}, STRICT)
    with pytest.raises(SerializationError, match=f"a value of type {kind} cannot be carried"):
        encode(value, STRICT)


def test_the_way_out_is_true() -> None:
    """The error names the serializers that carry what was refused, and no other."""
    with pytest.raises(SerializationError, match="; JsonPickleSerializer and PickleSerializer wo"):
        encode_arguments({"x": [{1}]}, STRICT)
    with pytest.raises(SerializationError, match="; no built-in serializer carries it"):
        encode_arguments({"x": [lambda: 1]}, STRICT)
    with pytest.raises(SerializationError, match=r'at x\[0\]\.y\["k"\]\[1\] of type module'):
        encode_arguments({"x": [Point(0, {"k": (1, sys)})]}, PICKLE)


def test_what_only_looks_carriable_is_refused_at_the_call() -> None:
    """Classes nobody can find again, keys that are no text, ``to_json`` that fails."""
    local = type("Local", (Money,), {"__module__": __name__, "__qualname__": "Nowhere.Local"})
    for value, match in [
        (local(1, "x"), "cannot be found by its name"),
        ({1: 2}, "the key 1 of type int"),
        (Broken(LookupError("gone")), "Broken.to_json raised LookupError: gone"),
        (Broken({"a": [(1,)]}), r'at Broken.to_json\(\)\["a"\]\[0\] of type tuple'),
    ]:
        with pytest.raises(SerializationError, match=match):
            encode_arguments({"it": [value]}, STRICT)


def test_from_json_that_fails_is_named() -> None:
    """The class is named, whatever it raises or returns."""
    for data, match in [("raise", "Broken.from_json raised LookupError"), (1, "returned int")]:
        text = encode_arguments({"it": Broken(data)}, STRICT)
        with pytest.raises(SerializationError, match=f"argument 'it' .*{match}"):
            decode_arguments(text, STRICT)


@pytest.mark.parametrize(
    "named",
    [
        "os:system",
        "subprocess:Popen",
        "builtins:eval",
        "builtins:object",
        "json:decoder.JSONDecoder",
        "json:decoder.JSONDecodeError",
        "antigravity:fly",
        "no.such.module:Name",
        "types:ModuleType",
        f"{__name__}:Loud",
        f"{__name__}:Loud.data",
        f"{__name__}:Loud.ran",
        f"{__name__}:Money.from_json",
        f"{__name__}:STRICT",
        "",
        ":",
        "os",
        ":Money",
    ],
)
def test_a_row_makes_nothing_else(named: str) -> None:
    """Only enums, exceptions and ``JsonSerializable`` that are imported already: no code is run."""
    Loud.ran.clear()
    before = set(sys.modules)
    with pytest.raises(SerializationError):
        decode(json.dumps({"$json": {"class": named, "data": ["touch /tmp/owned"]}}), STRICT)
    module, _, name = named.partition(":")
    failure = {"module": module, "type": name, "message": "m", "traceback": "t", "args": ["x"]}
    decode_exception(json.dumps(failure), STRICT)
    assert Loud.ran == []
    assert {name for name in set(sys.modules) - before if "pynenc_pg" not in name} == set()


def test_module_getattr_is_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    """A module that imports on demand is not made to."""
    lazy = types.ModuleType("lazy_module")
    lazy.__getattr__ = lambda name: pytest.fail(f"asked for {name}")  # type: ignore[method-assign]
    monkeypatch.setitem(sys.modules, "lazy_module", lazy)
    with pytest.raises(SerializationError, match="no class 'Money'"):
        decode('{"$json": {"class": "lazy_module:Money", "data": 1}}', STRICT)


@pytest.mark.parametrize(
    "row",
    [
        {"py/reduce": [{"py/function": "os.system"}, {"py/tuple": ["touch owned"]}]},
        {"py/object": "subprocess.Popen", "args": ["touch", "owned"]},
        {"py/repr": "os/os.system('touch owned')"},
        {"py/type": "os.system"},
    ],
)
def test_json_rows_of_jsonpickle_are_data(
    row: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Plain JSON that looks like jsonpickle's is a dict, under every serializer."""
    monkeypatch.chdir(tmp_path)
    for serializer in (STRICT, JSONPICKLE, PICKLE):
        assert decode(json.dumps(row), serializer) == row
    with pytest.raises(SerializationError, match=r"\$jsonpickle.* JsonSerializer does not read"):
        decode(json.dumps({"$jsonpickle": json.dumps(row)}), STRICT)
    assert list(tmp_path.iterdir()) == []


def test_wrong_members_are_named() -> None:
    """An enum that has lost a member since."""
    for named, data in [("Color", "GREEN"), ("Color", ["RED"]), ("Rights", 64), ("Rights", "x")]:
        row = {"$json": {"class": f"{Color.__module__}:{named}", "data": data}}
        with pytest.raises(SerializationError, match=f"enum {named} has no member"):
            decode(json.dumps(row), STRICT)


def test_the_import_is_cheap() -> None:
    """Naming the serializers loads neither jsonpickle nor anything else that is slow."""
    code = "import sys, pynenc_pg.serializer.built_in; print('jsonpickle' in sys.modules)"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True)
    assert shown.stdout.strip() == "False"
    assert set(pynenc_pg.serializer.__all__) == {
        "BaseSerializer",
        "JsonPickleSerializer",
        "JsonSerializable",
        "JsonSerializer",
        "PickleSerializer",
        "TypedJsonSerializer",
    }
    assert math.isnan(decode(encode(math.nan, STRICT), STRICT))
