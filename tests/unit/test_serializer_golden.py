"""Texts that stand in rows since version 1 are read for ever, and later versions are refused."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from pynenc_pg.exceptions import SerializationError, TaskFailedError
from pynenc_pg.serializer import JsonPickleSerializer, JsonSerializer, PickleSerializer
from pynenc_pg.serializer.base import BaseSerializer
from pynenc_pg.serializer.failure import decode_exception
from pynenc_pg.serializer.wire import decode, decode_arguments
from tests.unit.golden.shapes import Color, Level, Money, Point, RefusedError, Rights

STRICT, JSONPICKLE, PICKLE = JsonSerializer(), JsonPickleSerializer(), PickleSerializer()
_GOLDEN = Path(__file__).parent / "golden"


def _text(name: str) -> str:
    return (_GOLDEN / f"{name}.json").read_text(encoding="utf-8")


def test_json() -> None:
    """Plain values, hostile strings, numbers that JSON has not, and keys that begin with $."""
    back = decode_arguments(_text("arguments"), STRICT)
    assert math.isnan(back.pop("nan"))
    assert back == {
        "plain": [1, 2.5, True, None, "ä"],
        "nul": "a\x00\ud800\\",
        "inf": [math.inf, -math.inf],
        "big": 10**40,
        "own": {"$ref": 1, "$$": {"$str": 2}},
    }
    assert decode(_text("dict_with_hostile_keys"), STRICT) == {
        "a\x00": [1],
        "$x": {"\ud800": None},
    }


def test_references() -> None:
    """A large value lies elsewhere, under the SHA-256 of its JSON."""
    content = _text("payload")

    class Follow:
        def values(self, hashes: Sequence[str], serializer: BaseSerializer) -> list[Any]:
            assert list(hashes) == [hashlib.sha256(content.encode()).hexdigest()]
            return [decode(content, serializer)]

        def texts(self, hashes: Sequence[str]) -> list[str]:
            raise AssertionError(hashes)

    assert decode_arguments(_text("references"), STRICT, Follow()) == {
        "x": [1, 2, "é", "a\x00"],
        "y": {"$ref": 1},
    }


def test_classes_in_json() -> None:
    """Enums by name, flags by value, and what has ``from_json``."""
    assert decode_arguments(_text("json"), STRICT) == {
        "price": Money(2.5, "EUR"),
        "all": [Color.RED, Level.HIGH, Rights.READ | Rights.WRITE, {"in": Money(1, "x")}],
    }
    error = decode(_text("json_exception"), STRICT)
    assert (type(error), error.args, error.note) == (KeyError, ((1, 2),), Color.RED)
    assert (type(error.__cause__), error.__cause__.code) == (RefusedError, 4)


def test_jsonpickle() -> None:
    """What jsonpickle wrote in its usual form."""
    assert decode_arguments(_text("jsonpickle"), JSONPICKLE) == {
        "point": Point(1, (2, {3})),
        "many": [
            {"a"},
            frozenset({1}),
            b"\x00\xff",
            datetime(2026, 11, 25, 12, tzinfo=UTC),
            Decimal("1.10"),
            UUID(int=7),
            1 + 2j,
            {1: "a", (2, 3): "b"},
            Color.RED,
            Point,
        ],
    }
    one, (other,) = decode(_text("jsonpickle_references"), JSONPICKLE)
    assert one is other


def test_exact_jsonpickle() -> None:
    """What it wrote in the exact form, and a list that contains itself."""
    mixed, key, pair = decode(_text("jsonpickle_exact"), JSONPICKLE)
    assert list(mixed.items()) == [("py/object", "x"), (1, "a"), ("b", 2)]
    assert (key, pair) == ({"py/id"}, "\ud800\udc00")
    circle = decode(_text("jsonpickle_recursive"), JSONPICKLE)
    assert circle[0] is circle


def test_pickle() -> None:
    """A pickle of protocol 5 in base64."""
    assert decode_arguments(_text("pickle"), PICKLE) == {"point": Point(1, (2, {3}))}


def test_exceptions() -> None:
    """An exception as it was written first, and one whose arguments could not be carried."""
    error = decode_exception(_text("exception"), JSONPICKLE)
    assert (type(error), error.args) == (ValueError, ("bad\x00", 3))
    assert "shop/tasks.py" in error.__notes__[0]
    unknown = decode_exception(_text("exception_without_arguments"), JSONPICKLE)
    assert isinstance(unknown, TaskFailedError)
    assert (unknown.type_name, unknown.message[:9]) == ("RuntimeError", "<function")


def test_a_graph_of_exceptions() -> None:
    """Members, causes, attributes and notes."""
    group = decode_exception(_text("exception_chain"), STRICT)
    assert isinstance(group, ExceptionGroup)
    assert (group.message, group.where) == ("all", (1, Color.RED))  # type: ignore[attr-defined]
    bad, gone = group.exceptions
    assert (type(bad), bad.args) == (ValueError, ("a", b"\xff"))
    assert isinstance(gone, FileNotFoundError)
    assert (gone.errno, gone.filename) == (2, "f")
    assert isinstance(gone.__cause__, RefusedError)
    assert gone.__cause__.code == 7
    assert group.__context__ is gone
    assert group.__suppress_context__
    assert group.__notes__[0] == "seen"


@pytest.mark.parametrize("text", ['{"$v": 2, "x": 1}', '{"$v": 2}'])
@pytest.mark.parametrize("read", [decode, decode_arguments, decode_exception])
def test_a_later_version_is_refused(read: Any, text: str) -> None:
    """The error says that a newer version wrote it, not that something is broken."""
    with pytest.raises(SerializationError, match=r"version 2 .* newer pynenc_pg; .* version 1"):
        read(text, STRICT)
    with pytest.raises(SerializationError, match="newer"):
        decode_arguments(json.dumps({"x": [json.loads(text)]}), STRICT)


@pytest.mark.parametrize(
    ("text", "serializer", "match"),
    [
        ('{"$later": "x"}', JSONPICKLE, r"'\$later', which JsonPickleSerializer does not read"),
        ('{"$pickle": "x"}', STRICT, r"'\$pickle', which JsonSerializer .* same serializer_cls"),
        ('{"$x": 1, "y": 2}', STRICT, r"key '\$x' beside others"),
        ('{"$str": 5}', STRICT, r"under '\$str'"),
        ('{"$float": "x"}', STRICT, r"under '\$float'"),
        ('{"$dict": [1]}', STRICT, r"under '\$dict'"),
        ('{"$pickle": 5}', PICKLE, "'pickle' text expected, not int"),
        ('{"$pickle": "%%"}', PICKLE, r"PickleSerializer cannot read '\$pickle'"),
        ('{"$json": 5}', STRICT, r"expected under \$json"),
    ],
)
def test_what_cannot_be_read_names_marker_and_serializer(
    text: str, serializer: BaseSerializer, match: str
) -> None:
    """A row that somebody wrote by hand, or with another serializer, gets a clear error."""
    with pytest.raises(SerializationError, match=match):
        decode(text, serializer)
