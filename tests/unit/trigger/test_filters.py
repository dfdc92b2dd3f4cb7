"""Filters: JSON against values, and what of them the database may test."""

from __future__ import annotations

import enum
import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from pynenc_pg.exceptions import TriggerCallableError, TriggerDefinitionError
from pynenc_pg.trigger.filters import Filter
from pynenc_pg.trigger.json_values import content_id
from tests.unit.trigger import functions


class Colour(enum.StrEnum):
    """An enum that is text."""

    RED = "red"


@pytest.mark.parametrize(
    ("wanted", "actual"),
    [
        ({}, {"a": 1}),
        ({"a": 1}, {"a": 1.0, "b": 2}),
        ({"a": {"b": 1}}, {"a": {"b": 1, "c": 2}}),
        ({"a": {}}, {"a": {"b": 1}}),
        ({"a": [1, {"b": 2}]}, {"a": (1, {"b": 2})}),
        ({"a": None}, {"a": None}),
        ({"a": Colour.RED}, {"a": "red"}),
        ({"a": "red"}, {"a": Colour.RED}),
        (None, None),
        (True, True),
        (2**70, 2**70),
        (0.1, 0.1),
        ("x", "x"),
        ((1, 2), [1, 2]),
    ],
)
def test_what_passes(wanted: Any, actual: Any) -> None:
    """Dicts are contained, anything else is equal as JSON."""
    assert Filter.of(wanted, "filter").accepts(actual)


@pytest.mark.parametrize(
    ("wanted", "actual"),
    [
        ({"a": 1}, {}),
        ({"a": None}, {}),
        ({"a": 1}, {"a": True}),
        ({"a": True}, {"a": 1}),
        ({"a": 1}, {"a": "1"}),
        ({"a": {}}, {"a": []}),
        ({"a": {"b": 1}}, {"a": 1}),
        ({"a": [1]}, {"a": [1, 2]}),
        ({"a": [{"b": 1}]}, {"a": [{"b": 1, "c": 2}]}),
        ({"a": 1}, None),
        ({"a": 1}, [("a", 1)]),
        (0, False),
        (0, None),
        ("", None),
        (1, Decimal(1)),
        ([1, 2], {1, 2}),
        ("ab", ["a", "b"]),
    ],
)
def test_what_does_not_pass(wanted: Any, actual: Any) -> None:
    """Above all, ``true`` is not 1, and nothing fails on a value of another type."""
    assert not Filter.of(wanted, "filter").accepts(actual)


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ({"when": datetime(2027, 1, 1, tzinfo=UTC)}, "filter['when'] is datetime"),
        ({"a": [1, {2}]}, "filter['a'][1] is {2} (set)"),
        ({1: 2}, "filter has the key 1"),
        (float("nan"), "filter is nan"),
        ({"a": b"x"}, "which is not JSON"),
    ],
)
def test_what_is_no_json_is_refused(value: Any, said: str) -> None:
    """The message names the place, and the way out."""
    with pytest.raises(TriggerDefinitionError) as caught:
        Filter.of(value, "filter")
    assert said in str(caught.value)


def test_arguments_are_a_dict_or_a_function() -> None:
    """A value that all arguments would have to equal is a mistake."""
    with pytest.raises(TriggerDefinitionError, match="give a dict, or a function"):
        Filter.of(5, "call_arguments", only_dicts=True)


@pytest.mark.parametrize(
    ("wanted", "tested"),
    [
        ({"a": 1, "$b": 2, "c": [3], "d": {"e": 0.5}}, {"a": 1}),
        ({"a": {"b": "x", "c": "\x00"}}, {"a": {"b": "x"}}),
        ({"a": {}}, {"a": {}}),
        ({"a\ud800": 1}, ...),
        ({"a": "x" * 1001}, ...),  # stored by itself, perhaps
        (2**53, 2**53),
        (2**53 + 1, ...),
        (1e23, ...),  # here it is not 10**23, there it is
        (1.0, 1.0),
        ([], ...),
        (False, False),
        (None, None),
    ],
)
def test_what_the_database_tests(wanted: Any, tested: Any) -> None:
    """What it would see in another way than Python is left out."""
    seen = Filter.of(wanted, "filter").for_sql()
    assert seen is tested if tested is ... else seen == tested


def test_a_function_decides() -> None:
    """It gets the value, and says True or False; what else it returns or raises is told."""
    assert Filter.of(functions.is_even, "filter").accepts(4)
    assert not Filter.of(functions.is_even, "filter").accepts(3)
    with pytest.raises(TriggerCallableError, match="says_nothing returned None: it must return"):
        Filter.of(functions.says_nothing, "filter").accepts(4)
    with pytest.raises(KeyError, match="no such key"):
        Filter.of(functions.breaks, "filter").accepts(4)


def test_a_filter_is_a_copy() -> None:
    """What becomes of the caller's dict afterwards changes nothing."""
    wanted = {"a": [1]}
    made = Filter.of(wanted, "filter")
    wanted["a"].append(2)
    assert made.accepts({"a": [1]})


@pytest.mark.parametrize("value", [{"a": {"b": [1, None]}}, None, False, 1.5, "x"])
def test_a_filter_is_stored_and_read(value: Any) -> None:
    """Through the text of JSON, to the same filter."""
    for made in (Filter.of(value, "filter"), Filter.of(functions.is_even, "filter")):
        assert Filter.from_json(json.loads(json.dumps(made.to_json()))) == made


def test_equal_filters_have_one_id() -> None:
    """However their numbers and keys are written; true and 1 are two."""
    assert content_id({"a": 1, "b": [2]}) == content_id({"b": [2.0], "a": 1.0})
    assert content_id({"a": 1}) != content_id({"a": True})
    assert content_id({"a": None}) != content_id({})
