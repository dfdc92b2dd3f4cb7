"""What annotations say is what comes back, and what does not fit them is refused."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import InitVar, dataclass
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from inspect import signature
from typing import Any, Final, Literal
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pynenc_pg import Pynenc
from pynenc_pg.builder import PynencBuilder
from pynenc_pg.exceptions import InvalidTaskOptionsError, SerializationError
from pynenc_pg.serializer import TypedJsonSerializer
from pynenc_pg.serializer.sameness import difference
from pynenc_pg.serializer.typed import TaskTypes
from pynenc_pg.serializer.wire import decode, encode
from pynenc_pg.testing import in_memory
from tests.unit import typed_values as v

SERIALIZER: Final = TypedJsonSerializer()
BERLIN: Final = ZoneInfo("Europe/Berlin")


def types_of(annotation: Any) -> TaskTypes:
    """Return what carries the argument ``x`` of that annotation."""

    def task(x: Any) -> None: ...

    task.__annotations__ = {"x": annotation, "return": annotation}
    return TaskTypes("shop.task", task, signature(task))


def there_and_back(annotation: Any, value: Any) -> Any:
    """Return the value as a worker gets it, through the text of a row."""
    types = types_of(annotation)
    text = encode(types.lowered("x", value), SERIALIZER)
    return types.lift({"x": decode(text, SERIALIZER)})["x"]


@pytest.mark.parametrize(
    ("annotation", "value"),
    [(annotation, value) for annotation, values in v.CARRIED for value in values],
)
def test_values_keep_their_types(annotation: Any, value: Any) -> None:
    """Each is equal in type and content, at any depth."""
    assert difference(value, there_and_back(annotation, value)) is None


@given(
    st.timedeltas() | st.datetimes(timezones=st.sampled_from([UTC, BERLIN]), allow_imaginary=False)
)
def test_times(value: timedelta | datetime) -> None:
    """Any of them, at the hour that a zone has twice too; the zone stays that zone."""
    back = there_and_back(type(value), value)
    assert back == value
    if isinstance(value, datetime):
        assert back.tzinfo is value.tzinfo
        assert back.utcoffset() == value.utcoffset()


@given(st.decimals(allow_nan=False) | st.binary() | st.times() | st.dates() | st.uuids())
def test_texts(value: Any) -> None:
    """Any of them."""
    assert there_and_back(type(value), value) == value


def test_rows_are_readable() -> None:
    """What stands in the row is what one would write there by hand."""
    item = v.Item(
        v.Sku("a"), v.Price(Decimal("1.50")), datetime(2026, 1, 2, tzinfo=BERLIN), {"b", "a"}
    )
    assert json.loads(encode(types_of(v.Item).lowered("x", item), SERIALIZER)) == {
        "sku": "a",
        "price": {"amount": "1.50", "currency": "EUR"},
        "made": "2026-01-02T00:00:00+01:00[Europe/Berlin]",
        "tags": ["a", "b"],
        "parts": [],
        "total": 0,
    }
    assert types_of(timedelta).lowered("x", timedelta(days=1, seconds=2.5)) == "P1DT2.500000S"


@pytest.mark.parametrize(
    ("annotation", "data", "value"),
    [
        (v.Price, {"amount": 3}, v.Price(Decimal(3))),
        (timedelta, "PT1H30M", timedelta(hours=1.5)),
        (timedelta, "-P1W", timedelta(weeks=-1)),
        (datetime, "2026-01-02T03:04:05Z", datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)),
    ],
)
def test_rows_written_by_hand(annotation: Any, data: Any, value: Any) -> None:
    """Defaults may be left out, and there is more than one way to write a time."""
    assert types_of(annotation).lift({"x": data}) == {"x": value}


class Child(v.Point):
    """A subclass, which would come back as its parent."""


UNFIT: Final[list[tuple[Any, Any, str]]] = [
    (int, "1", "int expected, not str"),
    (int, True, "int expected, not bool"),
    (int, v.Right.READ, "int expected, not Right"),
    (str, None, "str expected, not NoneType"),
    (None, 1, "None expected, not int"),
    (Decimal, 1.5, "Decimal expected, not float"),
    (date, datetime(2026, 1, 1, tzinfo=UTC), "date expected, not datetime"),
    (time, time(1, tzinfo=BERLIN), "its tzinfo is a ZoneInfo"),
    (list[int], (1,), "list expected, not tuple"),
    (list[int], [1, "a"], r"at x\[1\], int expected, not str"),
    (set[int], {"a"}, "at x{…}, int expected"),
    (tuple[int, str], (1,), "tuple of 2 expected, not one of 1"),
    (dict[str, list[int]], {"a": [1, None]}, r"at x\['a'\]\[1\], int expected, not NoneType"),
    (dict[int, int], {"a": 1}, r"at x \(a key\), int expected, not str"),
    (v.Price, v.Price(1), r"at x\.amount, Decimal expected, not int"),  # type: ignore[arg-type]
    (v.Price, v.Price(Decimal(1), "GBP"), r"at x\.currency, one of 'EUR', 'USD' expected"),  # type: ignore[arg-type]
    (v.Price, {"amount": Decimal(1)}, "Price expected, not dict"),
    (v.Point, Child(1), "Point expected, not Child"),
    (v.Options, {"until": 1}, "Options has no field 'until'"),
    (v.Doubled, v.Doubled(1), "it would come back changed"),
    (v.Customer, v.Customer.model_construct(id=3, name="a", joined=3), "Customer"),
    (v.Colour, "RED", "Colour expected, not str"),
    (v.Page[v.Point], v.Page([(1, 2)]), r"at x\.rows\[0\], Point expected, not tuple"),
    (int | None, "a", r"int \| None expected, not str"),
    (v.Price | None, v.Price(1), r"at x\.amount, Decimal expected"),  # type: ignore[arg-type]
    (Literal[1], True, "one of 1 expected, not True"),
]


@pytest.mark.parametrize(("annotation", "value", "why"), UNFIT)
def test_what_does_not_fit(annotation: Any, value: Any, why: str) -> None:
    """It is refused with argument, type, annotation, and the place in it."""
    start = f"argument 'x' of type {type(value).__name__} does not fit its annotation .*"
    with pytest.raises(SerializationError, match=start + why):
        types_of(annotation).lowered("x", value)


@pytest.mark.parametrize(
    ("annotation", "data"),
    [
        (int, "1"),
        (Decimal, "x"),
        (Decimal, 1.5),
        (date, "yesterday"),
        (datetime, "2026-01-02T00:00:00+05:00[Europe/Berlin]"),
        (datetime, "2026-01-02T00:00:00+01:00[../etc/passwd]"),
        (timedelta, "P"),
        (timedelta, "P" + "9" * 30 + "D"),
        (bytes, "ä"),
        (UUID, "x"),
        (set[int], {"a": 1}),
        (set[Any], [[1]]),
        (dict[int, int], {"a": 1}),
        (dict[tuple[int, int], int], [[[1, 2]]]),
        (v.Colour, "GREEN"),
        (v.Colour, ["RED"]),
        (v.Right, "READ"),
        (v.Price, {"amount": "1", "__class__": "x"}),
        (v.Price, {}),
        (v.Price, "x"),
        (v.Customer, {"id": 3}),
        (v.Price | v.Point, {"type": "subprocess.Popen", "value": ["touch"]}),
        (v.Price | v.Point, {"x": 1}),
        (v.Price | v.Point, None),
    ],
)
def test_rows_that_do_not_fit(annotation: Any, data: Any) -> None:
    """Whatever stands there, it is an error that names argument and annotation."""
    with pytest.raises(SerializationError, match=r"argument 'x' cannot be read: .* annotation"):
        types_of(annotation).lift({"x": data})


@dataclass
class Needy:
    """Needs what nobody keeps."""

    n: InitVar[int]


@pytest.mark.parametrize(
    "annotation",
    [Callable[[], int], type[int], Iterator[int], complex, list[complex], Needy,
     dict[str, Pynenc], Literal["RED", v.Colour.RED]],
)  # fmt: skip
def test_what_has_no_form(annotation: Any) -> None:
    """It is refused where the task is defined, with the parameter and the way out."""
    app = Pynenc(config_values={"serializer_cls": "TypedJsonSerializer"})

    def task(x: Any) -> None: ...

    task.__qualname__ = "task"
    task.__annotations__["x"] = annotation
    with pytest.raises(InvalidTaskOptionsError, match="parameter 'x'"):
        app.task(task)


def test_a_name_that_is_not_there() -> None:
    """It may be defined further down, so it is an error at the first call, with the way out."""
    app = Pynenc(config_values={"serializer_cls": TypedJsonSerializer})

    def task(x: Any) -> None: ...

    task.__qualname__ = "task"
    task.__annotations__["x"] = "Nobody"
    made = app.task(task)
    with pytest.raises(InvalidTaskOptionsError, match="TYPE_CHECKING"):
        made(1)


def test_other_serializers_do_not_look() -> None:
    """Annotations are nobody's business there; a task's own choice counts."""
    app = Pynenc()

    def task(x: Any) -> None: ...

    task.__qualname__ = "task"
    task.__annotations__["x"] = complex
    app.task(task)
    with pytest.raises(InvalidTaskOptionsError, match="complex has no form in JSON"):
        app.task(serializer_cls="TypedJsonSerializer")(task)


def test_the_builder() -> None:
    """It names it."""
    app = PynencBuilder().serializer_json(typed=True).build()
    assert type(app.serializer) is TypedJsonSerializer


def test_calls_and_results() -> None:
    """Arguments of any kind of parameter, results, and what is read of an invocation."""
    item = v.Item(v.Sku("a"), v.Price(Decimal("1.50")), None, {"x"}, [])
    when = datetime(2026, 1, 2, tzinfo=timezone(timedelta(hours=2)))
    page = v.Page([v.Price(Decimal(2))])
    customer = v.Customer(id=UUID(int=1), fullName="Ann", joined=when)
    v.seen.clear()
    with in_memory(v.app):
        ordered = v.order(item, when, UUID(int=1), UUID(int=2), a=Decimal(1))
        assert ordered.result == item
        assert v.scan(v.Point(1), {"since": date(2026, 1, 1)}, customer, page).result == page
        assert v.later(timedelta(1)).result == (timedelta(1),)
        assert v.untyped([1], v.Colour.RED).result == [[1], v.Colour.RED]
        assert ordered.arguments.kwargs["prices"] == {"a": Decimal(1)}
        group = v.order.parallelize([{"note": "a"}, {"note": "b"}], {"item": item, "when": when})
        assert list(group.results) == [item, item]
    assert v.seen[0] == (item, when, (UUID(int=1), UUID(int=2)), "", {"a": Decimal(1)})
    assert v.seen[1] == (v.Point(1), {"since": date(2026, 1, 1)}, customer, page)


def test_a_call_that_does_not_fit() -> None:
    """Nothing is written; of many calls, which one is told."""
    with in_memory(v.app):
        with pytest.raises(SerializationError, match="argument 'when' of type str"):
            v.order(v.Item(v.Sku("a"), v.Price(Decimal(1))), "now")  # type: ignore[arg-type]
        with pytest.raises(SerializationError) as caught:
            v.later.parallelize([(timedelta(1),), (2,)])
        assert "in call 1 of these 2" in caught.value.__notes__[0]
        with pytest.raises(SerializationError, match="set is no JSON"):
            v.untyped({1})


def test_a_result_that_does_not_fit() -> None:
    """The invocation fails, and says where."""
    with in_memory(v.app):
        with pytest.raises(SerializationError, match=r"the result of type list .*set\[int\]"):
            _ = v.wrong("list").result
        with pytest.raises(SerializationError, match=r"at result{…}, int expected, not str"):
            _ = v.wrong("inside").result


def test_equal_calls_are_one() -> None:
    """Concurrency keys are those of the values, in whatever order a set has them, and defaults."""
    with in_memory(v.app):
        one = v.once(frozenset("abcdef"))
        assert v.once(frozenset("fedcba"), Decimal("1.5")).invocation_id == one.invocation_id
        assert v.once(frozenset("a")).invocation_id != one.invocation_id


def test_annotations_are_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A call does not read them again."""
    with in_memory(v.app):
        v.later(timedelta(1))
        monkeypatch.setattr("typing.get_type_hints", lambda *_, **__: pytest.fail("read again"))
        assert v.later(timedelta(1)).result == (timedelta(1),)
