"""What the serializers that keep Python types accept comes back equal, in type and content."""

from __future__ import annotations

import array
import base64
import collections
import datetime as dt
import enum
import ipaddress
import json
import logging
import pickle
import re
import string
import sys
import threading
import types
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from pathlib import PurePosixPath
from typing import Any, NamedTuple

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from pynenc_pg.exceptions import SerializationError
from pynenc_pg.serializer import JsonPickleSerializer, PickleSerializer
from pynenc_pg.serializer.sameness import difference
from pynenc_pg.serializer.wire import decode, encode
from tests.unit.golden.shapes import Color, Point, RefusedError, Rights

JSONPICKLE, PICKLE = JsonPickleSerializer(), PickleSerializer()


@dataclass(frozen=True, slots=True)
class Frozen:
    """No ``__dict__``, and no attribute can be set."""

    a: Any


class Slots:
    """Slots with a private name among them."""

    __slots__ = ("__hidden", "x")

    def __init__(self, x: Any, hidden: Any) -> None:
        self.x = x
        self.__hidden = hidden


class Pair(NamedTuple):
    """A tuple with names."""

    a: Any
    b: Any


class Bag:
    """Any attributes, those that jsonpickle uses itself among them."""

    def __init__(self, attributes: dict[str, Any]) -> None:
        self.__dict__.update(attributes)


class MyList(list[Any]):
    """A subclass."""


class MyDict(dict[Any, Any]):
    """A subclass."""


class MyStr(str):
    """A subclass."""

    __slots__ = ()


class MyInt(int):
    """A subclass."""


class Node:
    """Refers to itself in each way."""

    def __init__(self) -> None:
        self.me = self
        self.many = [self, {1: self}, (self,)]


class Lazy:
    """Leaves its lock at home, as its own pickling says."""

    def __init__(self) -> None:
        self.value = 1
        self.lock = threading.Lock()

    def __getstate__(self) -> dict[str, Any]:
        """Return what travels."""
        return {"value": self.value}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Make a new lock."""
        self.__dict__.update(state, lock=threading.Lock())


class Fixed:
    """Refuses to be written to."""

    def __init__(self, x: int) -> None:
        object.__setattr__(self, "x", x)

    def __setattr__(self, name: str, value: Any) -> None:
        """Refuse."""
        raise TypeError(name)


class Forgetful:
    """Loses what it was made with when it is unpickled."""

    def __init__(self, x: int) -> None:
        self.x = x

    def __getstate__(self) -> dict[str, Any]:
        """Say it."""
        return {"x": self.x}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Forget."""
        self.x = 0


class Unreadable:
    """Pickles, and cannot be unpickled."""

    def __reduce__(self) -> tuple[Any, ...]:
        """Return nonsense."""
        return (int, ("no number",))


_TEXT = st.text(st.characters(codec=None, categories=None), max_size=5)
_ZONES = st.sampled_from([None, dt.UTC, dt.timezone(dt.timedelta(hours=1), "X")])
_HASHABLE: st.SearchStrategy[Any] = st.deferred(
    lambda: (
        st.none()
        | st.booleans()
        | st.integers()
        | st.floats()
        | st.complex_numbers()
        | _TEXT
        | st.binary(max_size=4)
        | st.tuples(_HASHABLE, _HASHABLE)
        | st.frozensets(st.integers() | _TEXT, max_size=3)
        | st.sampled_from([Color.RED, Rights.READ, Rights(3), Decimal("NaN"), Decimal("1.10")])
        | st.uuids()
        | st.dates()
        | st.datetimes(timezones=_ZONES)
        | st.builds(lambda when, fold: when.replace(fold=fold), st.times(), st.integers(0, 1))
        | st.timedeltas()
        | st.fractions()
        | st.builds(Pair, st.integers(), _TEXT)
        | st.builds(Frozen, _TEXT)
        | st.builds(MyStr, _TEXT)
        | st.builds(MyInt, st.integers())
        | st.builds(PurePosixPath, st.text(string.ascii_letters, max_size=3))
        | st.builds(range, st.integers(-5, 5))
    )
)
_RESERVED = st.sampled_from(
    ["py/object", "py/id", "py/tuple", "py/b64", "py/state", "json://x", "default_factory", "a"]
) | st.sampled_from(["__dict__", "_x", "__x"])


def _containers(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    by_any = st.dictionaries(_HASHABLE, inner, max_size=3)
    by_name = st.dictionaries(_RESERVED | _TEXT, inner, max_size=3)
    return (
        st.lists(inner, max_size=3)
        | st.tuples(inner, inner)
        | by_any
        | by_name
        | st.sets(_HASHABLE, max_size=3)
        | st.builds(Point, inner, inner)
        | st.builds(Slots, inner, inner)
        | st.builds(Bag, by_name)
        | st.builds(Pair, inner, inner)
        | st.builds(MyList, st.lists(inner, max_size=2))
        | st.builds(MyDict, by_any)
        | st.builds(collections.OrderedDict, by_any)
        | st.builds(lambda items: collections.defaultdict(list, items), by_any)
        | st.builds(lambda items: collections.deque(items, maxlen=5), st.lists(inner, max_size=2))
        | st.builds(collections.Counter, st.lists(_HASHABLE, max_size=3))
        | st.builds(lambda one: ([one, one], {"again": one}, (one,)), inner)
    )


_ANY = st.recursive(
    _HASHABLE
    | st.builds(bytearray, st.binary(max_size=4))
    | st.sampled_from([int, dt.datetime, len, string.capwords, Color]),
    _containers,
    max_leaves=8,
)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(_ANY)
@example(("\ud800\udc00", {"\ud83d\ude00": {"\ud800\udc00"}}))
@example(({"b": 1, 2: "x", "a": 3}, {"py/id": 0, "json://1": (1,)}))
@example(Bag({"default_factory": 1, "__x": 2, "py/object": "os.system"}))
@example((dt.datetime(2026, 10, 25, 2, 30, fold=1), dt.time(2, fold=1)))  # noqa: DTZ001
@pytest.mark.parametrize("serializer", [JSONPICKLE, PICKLE], ids=lambda one: one.codec)
def test_what_is_accepted_comes_back_equal(serializer: Any, value: Any) -> None:
    """Types, order, NaN, sharing: all as it was; and nothing of these types is refused."""
    text = serializer.serialize(value)
    assert difference(value, serializer.deserialize(text)) is None
    wire = encode(value, serializer)
    wire.encode()
    assert "\x00" not in wire


@pytest.mark.parametrize("serializer", [JSONPICKLE, PICKLE], ids=lambda one: one.codec)
@pytest.mark.parametrize(
    "make",
    [
        Node,
        lambda: Fixed(3),
        lambda: re.compile("a", re.IGNORECASE | re.VERBOSE),
        lambda: array.array("d", [1.5]),
        lambda: ipaddress.ip_address("::1"),
        lambda: types.SimpleNamespace(a=(1,)),
        lambda: collections.ChainMap({1: 2}),
        lambda: collections.UserDict(a=1),
        lambda: slice(1, None),
        lambda: list[int],
        lambda: OSError(2, "gone", "file"),
        lambda: Fraction(1, 3),
        lambda: logging.getLogger("one"),
        lambda: enum.Enum,
    ],
)
def test_less_common_objects_come_back_equal(make: Callable[[], Any], serializer: Any) -> None:
    """Also where jsonpickle alone would lose flags, raise, or hand back something else."""
    value = make()
    back = decode(encode(value, serializer), serializer)
    assert difference(value, back) is None
    assert type(back) is type(value)


@pytest.mark.parametrize("serializer", [JSONPICKLE, PICKLE], ids=lambda one: one.codec)
def test_objects_refer_to_each_other_as_before(serializer: Any) -> None:
    """What was one object is one, what was two is two, and circles close."""
    one: set[int] = {1}
    first, second, other = decode(encode((one, one, {1}), serializer), serializer)
    assert first is second
    assert first is not other
    node = decode(encode(Node(), serializer), serializer)
    assert node.me is node
    assert node.many[0] is node.many[1][1] is node.many[2][0] is node
    circle: dict[Any, Any] = {}
    circle[(1,)] = circle
    back = decode(encode(circle, serializer), serializer)
    assert back[(1,)] is back
    plain: list[Any] = []
    plain.append(plain)
    back = decode(encode(plain, serializer), serializer)
    assert back[0] is back


def test_a_class_decides_what_travels() -> None:
    """What its own pickling leaves out is not missed."""
    for serializer in (JSONPICKLE, PICKLE):
        back = decode(encode(Lazy(), serializer), serializer)
        assert back.value == 1
        assert back.lock.acquire(blocking=False)


def test_what_would_change_is_refused_at_the_call() -> None:
    """Not in the worker, and never in silence."""
    with pytest.raises(SerializationError, match=r"it would come back changed at \.x"):
        encode(Forgetful(3), JSONPICKLE)
    for serializer in (JSONPICKLE, PICKLE):
        for value in (Unreadable(), RefusedError(code=1)):
            with pytest.raises(SerializationError, match="a value of type"):
                encode([value, (1,)], serializer)


def test_equal_sets_have_equal_texts() -> None:
    """Calls are told apart by the text of their arguments; hashes of strings differ by process."""
    one = JSONPICKLE.serialize({"beta", "alpha", 3, b"x", None})
    assert one == JSONPICKLE.serialize({None, b"x", 3, "alpha", "beta"})
    assert one.index("alpha") < one.index("beta")


def test_unknown_classes_are_named() -> None:
    """A worker of another version says what it misses, as an ordinary error."""
    for text in [
        '{"py/object": "no.such.Thing"}',
        '{"py/type": "no.such.Thing"}',
        '{"py/function": "no.such.thing"}',
        '[{"py/reduce": [{"py/function": "no.such.thing"}, {"py/tuple": []}]}]',
    ]:
        with pytest.raises(SerializationError, match=r"no\.such\.[Tt]hing is not known here"):
            decode(json.dumps({"$jsonpickle": text}), JSONPICKLE)
    gone = pickle.dumps(Point(1)).replace(b"shapes", b"shaqes")
    row = {"$pickle": base64.b64encode(gone).decode()}
    with pytest.raises(SerializationError, match=r"PickleSerializer cannot read .*ModuleNotFound"):
        decode(json.dumps(row), PICKLE)


def test_the_comparison_sees_differences() -> None:
    """What decides about being equal is not fooled by ``==``."""
    for one, other in [
        (1, True),
        (0.0, -0.0),
        ([1], (1,)),
        ({1: 2, 3: 4}, {3: 4, 1: 2}),
        ({1}, {True}),
        (Point(1, [2]), Point(1, [3])),
        (Frozen(1), Frozen(2)),
        ([[], []], [[]] * 2),
        ([[]] * 2, [[], []]),
        ({Frozen(1)}, {Frozen(2)}),
        (MyList([1]), MyList([2])),
        (collections.OrderedDict(a=1, b=2), collections.OrderedDict(b=2, a=1)),
        (sys.intern, len),
        (frozenset({(1, 2)}), frozenset({(1, True + 1.0)})),
    ]:
        assert difference(one, other) is not None, (one, other)
    assert difference([{"a": Point(1, (2,))}], [{"a": Point(1, (3,))}]) == "[0]['a'].y[0]"
    nan = float("nan")
    assert difference({(nan, 1), Frozen(nan)}, {Frozen(float("nan")), (float("nan"), 1)}) is None
