"""Stored values as pages show them: markers read, secrets masked, everything escaped."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from pynenc_pg.monitor.filters import first_id, read_filter
from pynenc_pg.monitor.render import ago, count, percent, seconds
from pynenc_pg.monitor.values import (
    MASK,
    Masks,
    Noted,
    Stored,
    arguments_line,
    as_json,
    is_link,
    linked,
    pretty,
    readable,
)


@pytest.mark.parametrize(
    ("stored", "shown"),
    [
        ('{"a": [1, null, true, "x"]}', {"a": [1, None, True, "x"]}),
        ('{"$str": "a\\\\x00\\\\ud800"}', "a\x00\ud800"),
        ('{"$float": "nan"}', Noted("nan")),
        ('{"$dict": [["k", 1]]}', {"k": 1}),
        ('{"$json": {"class": "shop:Money", "data": {"n": 5}}}', Noted("shop.Money", {"n": 5})),
        ('{"$jsonpickle": "{\\"a\\": 1}"}', Noted("jsonpickle", {"a": 1})),
        ('{"$pickle": "gASV"}', Noted("a pickle of 4 characters")),
        ('{"$ref": "abc"}', Stored("abc")),
        ('{"$$ref": "mine"}', {"$ref": "mine"}),
        ('{"x": 1, "$sig": "1:aa"}', {"x": 1}),
        ('{"$value": [1], "$sig": "1:aa"}', [1]),
        ('{"$jsonpickle": "no json"}', {"$jsonpickle": "no json"}),
        ("no json", "no json"),
    ],
)
def test_markers_are_read(stored: str, shown: Any) -> None:
    """As the page on the wire format says, and nothing of a value's class is run."""
    assert readable(stored) == shown


def test_a_value_that_is_nested_too_deep() -> None:
    """It is cut, and takes no stack."""
    deep = "[" * 5000 + "]" * 5000
    assert "nested deeper than is shown" in pretty(readable("[" * 100 + "]" * 100))
    assert pretty(readable(deep))


def test_what_is_masked() -> None:
    """By name, in any case of letters, at any depth, in what a serializer has carried, too."""
    masks = Masks(("*password*", "authorization"))
    value = {
        "DB_Password": "a",
        "list": [{"authorization": {"b": 1}}],
        "carried": Noted("shop.Login", {"password": "c"}),
        "order": 1,
    }
    assert masks.masked(value) == {
        "DB_Password": MASK,
        "list": [{"authorization": MASK}],
        "carried": Noted("shop.Login", {"password": MASK}),
        "order": 1,
    }


def test_everything_is_escaped() -> None:
    """Names, texts, kinds and what is cut."""
    hostile = "<script>alert('\"')</script>"
    for value in ({hostile: hostile}, Noted(hostile, [hostile]), Stored(hostile)):
        assert "<script" not in pretty(value)
    assert "<script" not in pretty(hostile * 5000)
    assert "characters more" in pretty(hostile * 5000)


def test_links() -> None:
    """Only http and https, as they stand, without the full stop behind them."""
    for address in ("javascript:alert(1)", "data:text/html,x", "//evil", "http://", "https:x"):
        assert not is_link(address)
        assert "<a" not in linked(f"see {address}")
    said = linked('see https://example.org/a?b=1&c="x". And HTTP://EXAMPLE.ORG/')
    assert 'href="https://example.org/a?b=1&amp;c="' in said
    assert 'href="HTTP://EXAMPLE.ORG/"' in said
    assert said.count("<a ") == 2


def test_lines() -> None:
    """Arguments as a call has them, shortened."""
    assert arguments_line({"x": 1, "name": "Ann"}) == 'x=1, name="Ann"'
    assert len(arguments_line({"x": "y" * 500})) == 120
    assert json.loads(as_json({"x": Stored("a" * 64)})) == {"x": "<large value aaaaaaaaaaaa>"}


@pytest.mark.parametrize(
    ("span", "said"),
    [
        (0.00005, "50 µs"),
        (0.25, "250 ms"),
        (1.25, "1.2 s"),
        (61, "1 min"),
        (3 * 3600 + 130, "3 h 2 min"),
        (timedelta(days=2, hours=1), "2 d 1 h"),
    ],
)
def test_spans(span: float | timedelta, said: str) -> None:
    """In a unit that fits."""
    assert seconds(span) == said


def test_numbers_and_times() -> None:
    """Estimates are rounded, shares have a digit where they are small, times have a zone."""
    assert [count(n, exact=False) for n in (7, 1234, 5_600_000)] == [
        "about 7",
        "about 1.2 thousand",
        "about 5.6 million",
    ]
    assert (count(1234), percent(1, 200), percent(1, 2)) == ("1,234", "0.5 %", "50 %")
    assert "in 1 h" in ago(datetime.now(UTC) + timedelta(seconds=3630))


def test_filters() -> None:
    """What an address says, and the id where a list that ends at a time begins to look."""
    wanted = read_filter({"task": " a ", "until": "2026-01-01T00:00"}, ["failed", "no"])
    assert (wanted.task, wanted.statuses) == ("a", ("failed",))
    assert wanted.wrong == ("there is no status no",)
    assert wanted.until == datetime(2026, 1, 1, tzinfo=UTC)
    assert not wanted.may_be_live
    assert wanted.may_have_ended
    assert first_id(datetime(2026, 1, 1, tzinfo=UTC)) == "019b76da-a800-0000-0000-000000000000"
