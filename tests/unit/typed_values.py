"""Tasks whose annotations say what their values are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum, IntFlag
from fractions import Fraction
from pathlib import Path
from typing import Annotated, Any, Generic, Literal, NamedTuple, NewType, TypedDict, TypeVar
from uuid import UUID

from pydantic import BaseModel, Field

from pynenc_pg import Pynenc

T = TypeVar("T")
Sku = NewType("Sku", str)
app = Pynenc("typed", config_values={"serializer_cls": "TypedJsonSerializer"})
seen: list[Any] = []


class Colour(Enum):
    """Carried by name."""

    RED = "r"
    BLUE = "b"


class Right(IntFlag):
    """Carried by number."""

    READ = 1
    WRITE = 2


@dataclass(frozen=True)
class Price:
    """A dataclass within another."""

    amount: Decimal
    currency: Literal["EUR", "USD"] = "EUR"


@dataclass
class Item:
    """A dataclass of everything."""

    sku: Sku
    price: Price
    made: datetime | None = None
    tags: set[str] = field(default_factory=set)
    parts: list[Item] = field(default_factory=list)
    total: int = field(init=False, default=0)


@dataclass
class Doubled:
    """Changes what it is made of."""

    n: int

    def __post_init__(self) -> None:
        """Double it."""
        self.n *= 2


@dataclass
class Page(Generic[T]):
    """A generic one."""

    rows: list[T]
    following: Page[T] | None = None


class Point(NamedTuple):
    """A named tuple."""

    x: int
    y: Decimal = Decimal(0)


class Options(TypedDict, total=False):
    """A typed dict."""

    since: date


class Customer(BaseModel):
    """A model of pydantic's."""

    id: UUID
    name: str = Field(alias="fullName")
    joined: datetime


class Money:
    """A class that carries itself."""

    def __init__(self, cents: int) -> None:
        """Keep it."""
        self.cents = cents

    def __eq__(self, other: object) -> bool:
        """Compare what it is."""
        return isinstance(other, Money) and other.cents == self.cents

    __hash__ = None  # type: ignore[assignment]

    def to_json(self) -> int:
        """Say it."""
        return self.cents

    @classmethod
    def from_json(cls, data: int) -> Money:
        """Make it."""
        return cls(data)


@app.task
def order(item: Item, when: datetime, *codes: UUID, note: str = "", **prices: Decimal) -> Item:
    """Take an order."""
    seen.append((item, when, codes, note, prices))
    return item


@app.task
def wrong(kind: str) -> set[int]:
    """Return something else than it says."""
    return {"list": [1], "inside": {1, "a"}}[kind]  # type: ignore[return-value]


@app.task(registration_concurrency="arguments")
def once(tags: frozenset[str], price: Decimal = Decimal("1.5")) -> None:
    """Be registered once for equal arguments."""


@app.task
def untyped(value, more: Any = None):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN201
    """Take what JSON has."""
    return [value, more]


@app.task
async def later(when: timedelta) -> tuple[timedelta, ...]:
    """Return it in a tuple."""
    return (when,)


@app.task
def scan(point: Point, options: Options, customer: Customer, page: Page[Price]) -> Page[Price]:
    """Take some of each kind."""
    seen.append((point, options, customer, page))
    return page


#: Annotations, and values of each.
CARRIED: list[tuple[Any, list[Any]]] = [
    (int, [1, 10**30]),
    (float, [1.5, 3, float("inf")]),
    (str, ["a", "\x00\ud800", "$x"]),
    (bool, [True]),
    (None, [None]),
    (bytes, [b"", b"\x00\xff"]),
    (bytearray, [bytearray(b"ab")]),
    (Decimal, [Decimal("1.50"), Decimal("-Infinity"), Decimal("1e500")]),
    (Fraction, [Fraction(1, 3)]),
    (UUID, [UUID(int=5)]),
    (Path, [Path("a/b")]),
    (date, [date(2026, 2, 28)]),
    (time, [time(1, 2, 3, 4)]),
    (timedelta, [timedelta(0), timedelta.max, timedelta.min, -timedelta(microseconds=1)]),
    (Colour, [Colour.BLUE]),
    (Right, [Right.READ | Right.WRITE]),
    (list[Decimal], [[], [Decimal(1)]]),
    (Sequence[int], [[1, 2]]),
    (set[UUID], [{UUID(int=1), UUID(int=2)}]),
    (frozenset[tuple[int, str]], [frozenset({(1, "a"), (2, "b")})]),
    (tuple[int, str], [(1, "a")]),
    (tuple[Decimal, ...], [(), (Decimal(1), Decimal(2))]),
    (tuple[()], [()]),
    (tuple, [(1, "a")]),
    (dict[str, Decimal], [{"a": Decimal(1), "$b": Decimal(2)}]),
    (dict[int, str], [{1: "a", -5: "b"}]),
    (dict[UUID, date], [{UUID(int=3): date(2026, 1, 1)}]),
    (dict[tuple[int, int], str], [{(1, 2): "a"}]),
    (Mapping[Colour, list[bytes]], [{Colour.RED: [b"x"]}]),
    (Decimal | None, [None, Decimal(3)]),
    (int | str, [1, "1"]),
    (int | float, [1, 1.5]),
    (bool | int, [True, 1]),
    (date | datetime | str, [date(2026, 1, 1), datetime(2026, 1, 1), "2026-01-01"]),  # noqa: DTZ001
    (Price | Point | None, [Price(Decimal(1)), Point(1), None]),
    (list[int] | list[Decimal], [[1], [Decimal(1)]]),
    (Literal["a", 1, True] | None, ["a", 1, True, None]),
    (Literal[Colour.RED, 3], [Colour.RED, 3]),
    (Annotated[Decimal, "of a kind"], [Decimal(1)]),
    (Sku, [Sku("x")]),
    (Any, [None, [1, {"a": "b"}], Colour.RED]),
    (list[Any], [[1, Colour.RED]]),
    (Money, [Money(5)]),
    (Price, [Price(Decimal("9.99"), "USD")]),
    (Point, [Point(1, Decimal("2.5"))]),
    (Options, [{}, {"since": date(2026, 1, 1)}]),
    (Page[Point], [Page([Point(1)], Page([]))]),
    (Customer, [Customer(id=UUID(int=1), fullName="Ann", joined=datetime(2026, 1, 1))]),  # noqa: DTZ001
    (list[Customer | Price], [[Price(Decimal(1))]]),
]
