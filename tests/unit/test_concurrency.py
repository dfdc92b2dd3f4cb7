"""Concurrency options and keys: what fits, what is the same, what can be read from a key."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import Enum
from inspect import signature
from typing import Any

import pytest

from pynenc_pg import ConcurrencyControlType, Pynenc, PynencBuilder
from pynenc_pg.conf.config_task import ConcurrencyControlType as SameType
from pynenc_pg.conf.config_task import TaskConf
from pynenc_pg.conf.load import load
from pynenc_pg.domain.concurrency import RateLimit, concurrency_key
from pynenc_pg.engine.keys import CallKeys
from pynenc_pg.engine.registry import TaskDefinition
from pynenc_pg.exceptions import ConfigError, InvalidTaskOptionsError
from pynenc_pg.serializer import BaseSerializer
from pynenc_pg.serializer.built_in import make_serializer
from pynenc_pg.serializer.canonical import canonical_text
from tests.support.limits import most_overlapping

T = ConcurrencyControlType
PARAMETERS = ("user", "note")
#: Each of these is another value.
VALUES: list[Any] = [
    *(None, True, False, 1, 0, 1.0, -1.5, float("nan"), "1", "", "None", "\ud800", "\x00"),
    *([], [1], [1, 2], [2, 1], [[1], 2], (), (1,), (1, 2), {}, {"a": 1}, {"a": 2}, {1: 2}),
    *({"$": 1}, {"$str": "a"}, {"$": ["set", [1]]}, ["set", [1]]),
    *(set(), {1}, {1, 2}, frozenset({1}), frozenset({1, 2}), b"", b"1", int, float, len),
    *(datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 2, tzinfo=UTC)),
]


class Colour(Enum):
    """Something that is no JSON."""

    RED = 1
    BLUE = 2


@dataclass
class Order:
    """Something that contains what has no order."""

    labels: set[str] = field(default_factory=set)
    more: Mapping[str, object] = field(default_factory=dict)
    again: object = None


# --- options ----------------------------------------------------------------------------------


@pytest.mark.parametrize("said", ["keys", "KEYS", "Keys", T.KEYS])
def test_a_scope_is_a_member_a_name_or_a_value(said: str) -> None:
    """In any case, in code, in files and in the environment."""
    conf = load(environment={"PYNENC__TASK__RUNNING_CONCURRENCY": str(said)})
    assert conf.task.running_concurrency is T.KEYS
    options = {"registration_concurrency": said, "key_arguments": "user"}
    task = load(environment={}).task_conf("a.b", options, PARAMETERS)
    assert (task.registration_concurrency, task.key_arguments) == (T.KEYS, ("user",))
    assert [each.value for each in SameType] == ["disabled", "task", "arguments", "keys"]


@pytest.mark.parametrize("said", ["", "NONE", "task,keys"])
def test_another_scope_is_refused(said: str) -> None:
    """The error lists the four."""
    with pytest.raises(ConfigError, match="'disabled', 'task', 'arguments' or 'keys'"):
        load(environment={"PYNENC__TASK__RUNNING_CONCURRENCY": said})


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"running_concurrency": "keys"}, "running_concurrency = 'keys': needs key_arguments"),
        ({"registration_concurrency": T.KEYS}, "registration_concurrency = 'keys': needs key_arg"),
        (
            {"running_concurrency": "keys", "key_arguments": ("usr",)},
            "'usr' is no parameter of the function: did you mean 'user'?",
        ),
        ({"key_arguments": ("nothing",)}, "'nothing' is no parameter .*: it has user, note"),
        ({"key_arguments": ("user",)}, "counts only where registration_concurrency or running"),
        ({"key_arguments": "user", "running_concurrency": "task"}, "is KEYS: set one of them"),
        ({"max_running": 2}, "counts only with running_concurrency: set it to TASK"),
        ({"max_running": 2, "registration_concurrency": "task"}, "or leave max_running out"),
        ({"reroute_on_concurrency_control": False}, "counts only with running_concurrency"),
        ({"on_diff_non_key_args_raise": True}, "where registration_concurrency is KEYS"),
        (
            {"on_diff_non_key_args_raise": True, "registration_concurrency": "arguments"},
            "where registration_concurrency is KEYS",
        ),
        ({"max_running": 0, "running_concurrency": "task"}, "greater than or equal to 1"),
        ({"key_arguments": ("a b",)}, "'a b' is no name of a parameter"),
        ({"rate_limit": "fast"}, "rate_limit = 'fast': must be COUNT/PERIOD, as '100/m'"),
        ({"rate_limit": "100/w"}, "must be COUNT/PERIOD"),
        ({"rate_limit": "0/m"}, "must allow 1 to 1,000,000 in a period, not 0"),
        ({"rate_limit": "5/0.01s"}, "must have a period of 0.05 s to 31 d"),
        ({"rate_limit": "5/m", "key_arguments": "user"}, "is KEYS: set one of them"),
        ({"rate_limit": "5/m", "max_running": 2}, "counts only with running_concurrency"),
    ],
)
def test_what_can_never_make_sense_is_refused(options: dict[str, Any], said: str) -> None:
    """At decoration; as an option of the decorator or of the configuration of this task."""
    with pytest.raises(InvalidTaskOptionsError, match=said):
        load(environment={}).task_conf("a.b", options, PARAMETERS)
    with pytest.raises(ConfigError, match=said) as refused:
        load({"task": {"a.b": options}}, environment={}).task_conf("a.b", {}, PARAMETERS)
    assert "(set in code)" in str(refused.value)


@pytest.mark.parametrize(
    "options",
    [
        {"running_concurrency": "disabled", "max_running": 2},
        {"registration_concurrency": T.DISABLED, "on_diff_non_key_args_raise": True},
        {"running_concurrency": "disabled", "key_arguments": "user"},
        {"reroute_on_concurrency_control": True, "on_diff_non_key_args_raise": False},
        {"max_running": 1, "key_arguments": ()},
        {"running_concurrency": "task", "max_running": 3, "reroute_on_concurrency_control": False},
        {"rate_limit": RateLimit(5, 60.0), "reroute_on_concurrency_control": False},
    ],
)
def test_what_may_make_sense_is_taken(options: dict[str, Any]) -> None:
    """What is switched off in so many words keeps its details; defaults may be spelled out."""
    task = load(environment={}).task_conf("a.b", options, PARAMETERS)
    assert {name: getattr(task, name) for name in options} == {
        name: (value,) if value == "user" else value for name, value in options.items()
    }


def test_the_configuration_may_switch_off_what_a_decorator_details() -> None:
    """A scope that comes from elsewhere may be any, without an error for its details."""
    options = {"max_running": 3, "key_arguments": ("user",)}
    for scope in ("disabled", "task", "keys"):
        conf = load({"task": {"running_concurrency": scope}}, environment={})
        assert conf.task_conf("a.b", options, PARAMETERS).running_concurrency == scope


@pytest.mark.parametrize(
    ("of_all", "parameters", "scope"),
    [
        ({"running_concurrency": "keys", "key_arguments": "user"}, PARAMETERS, T.KEYS),
        ({"running_concurrency": "keys", "key_arguments": "user"}, (), T.DISABLED),
        ({"running_concurrency": "keys", "key_arguments": "user,other"}, PARAMETERS, T.DISABLED),
        ({"running_concurrency": "keys"}, PARAMETERS, T.DISABLED),
        ({"key_arguments": "other", "max_running": 2}, PARAMETERS, T.DISABLED),
        ({"on_diff_non_key_args_raise": True}, PARAMETERS, T.DISABLED),
        ({"running_concurrency": "arguments", "key_arguments": "other"}, (), T.ARGUMENTS),
    ],
)
def test_what_is_said_of_all_tasks_holds_where_it_fits(
    of_all: dict[str, Any], parameters: tuple[str, ...], scope: T
) -> None:
    """Section ``task`` breaks no task that has not these parameters; its limit is not for them."""
    conf = load({"task": of_all}, environment={})
    assert conf.task_conf("a.b", {}, parameters).running_concurrency is scope


def test_details_of_all_tasks_count_where_their_scope_is() -> None:
    """To refuse other arguments is for KEYS, not to wait is for what has a limit."""
    of_all = {"on_diff_non_key_args_raise": True, "reroute_on_concurrency_control": False}
    conf = load({"task": of_all}, environment={})
    for scope in ("disabled", "task", "arguments", "keys"):
        options = {"registration_concurrency": scope, "running_concurrency": scope}
        if scope == "keys":
            options["key_arguments"] = "user"
        task = conf.task_conf("a.b", options, PARAMETERS)
        assert task.refuses_different is (scope == "keys")
        assert task.must_not_wait is (scope != "disabled")


def test_keys_of_all_tasks_do_not_serve_one_that_has_not_these_parameters() -> None:
    """A task that asks for KEYS needs key arguments that it has, whoever names them."""
    conf = load({"task": {"key_arguments": "other"}}, environment={})
    with pytest.raises(InvalidTaskOptionsError, match="key_arguments names 'other', which is no"):
        conf.task_conf("a.b", {"running_concurrency": "keys"}, PARAMETERS)


def test_a_decorator_is_checked_against_the_function() -> None:
    """The app knows the parameters: an error comes at the decoration, and no task is there."""
    app = Pynenc("decorating")
    decorate = app.task(running_concurrency="keys", key_arguments="colour")
    with pytest.raises(InvalidTaskOptionsError, match=r"it has said$"):
        decorate(test_another_scope_is_refused)
    assert not app.tasks


def test_the_builder_limits_all_tasks() -> None:
    """What is said of all tasks, in one call."""
    app = (
        PynencBuilder()
        .concurrency_control(T.KEYS, "task", key_arguments="user", max_running=4)
        .build()
    )
    task = app.conf.task_conf("a.b", {}, PARAMETERS)
    assert (task.running_concurrency, task.registration_concurrency) == (T.KEYS, T.TASK)
    assert (task.key_arguments, task.max_running) == (("user",), 4)
    plain = PynencBuilder().concurrency_control("task").build().conf.task
    assert (plain.running_concurrency, plain.registration_concurrency) == (T.TASK, T.DISABLED)


# --- keys -------------------------------------------------------------------------------------


def _function(user: object, note: object = "none", *more: object, **named: object) -> None:
    """Have every kind of parameter."""


def _keys(
    call: Mapping[str, object], serializer: str = "JsonPickleSerializer", **options: Any
) -> CallKeys:
    task_id = options.pop("task_id", "a.b")
    definition = TaskDefinition(task_id, _function, signature(_function), TaskConf(**options))
    return CallKeys(definition, call, make_serializer(serializer))


def test_keys_are_digests_that_never_meet() -> None:
    """One length, no value in clear; tasks, purposes and scopes have keys of their own."""
    call = {"user": "ann"}
    all_keys = []
    for task_id in ("a.b", "a.c"):
        for scope in (T.TASK, T.ARGUMENTS, T.KEYS):
            options: dict[str, Any] = {"key_arguments": ("user",), "task_id": task_id}
            keys = _keys(call, running_concurrency=scope, registration_concurrency=scope, **options)
            all_keys += [keys.running, keys.registration]
    assert {len(key or "") for key in all_keys} == {32}
    assert len(set(all_keys)) == 12
    assert not any("ann" in str(key) for key in all_keys)
    nothing = _keys(call)
    assert (nothing.running, nothing.registration, nothing.call_id) == (None, None, None)


def test_parts_of_a_key_do_not_run_together() -> None:
    """Where one argument ends and the next begins is part of the key."""
    one = concurrency_key("running", "a.b", T.KEYS, {"x": "12", "y": "3"})
    assert one != concurrency_key("running", "a.b", T.KEYS, {"x": "1", "y": "23"})
    assert one != concurrency_key("running", "a.bx", T.KEYS, {"12": "y", "3": ""})


def test_defaults_count_as_if_they_were_given() -> None:
    """Left out or spelled out, of all kinds of parameters."""
    written: list[dict[str, object]] = [
        {"user": 1},
        {"note": "none", "user": 1},
        {"user": 1, "more": [], "named": {}},
    ]
    keys = [_keys(call, running_concurrency="arguments").running for call in written]
    assert len(set(keys)) == 1
    others: list[dict[str, object]] = [
        {"user": 1, "more": [2]},
        {"user": 1, "named": {"x": 1}},
        {"user": 1, "note": ""},
    ]
    keys += [_keys(call, running_concurrency="arguments").running for call in others]
    assert len(set(keys)) == 4


def test_key_arguments_in_any_order_are_the_same_key() -> None:
    """Neither order nor repetition of the names matters, nor do the other arguments."""
    named = [("user", "note"), ("note", "user"), ("note", "user", "note")]
    calls: list[dict[str, object]] = [
        {"user": 1},
        {"user": 1, "more": [1]},
        {"user": 1, "note": "none"},
    ]
    keys = {
        _keys(call, running_concurrency="keys", key_arguments=names).running
        for call, names in zip(calls, named, strict=True)
    }
    assert len(keys) == 1


def test_calls_know_how_they_differ() -> None:
    """By parameter, defaults applied; equal calls have equal ids where that is asked for."""
    options = {"registration_concurrency": "keys", "key_arguments": "user"}
    options["on_diff_non_key_args_raise"] = "true"
    one, same = _keys({"user": 1}, **options), _keys({"user": 1, "note": "none"}, **options)
    other = _keys({"user": 1, "note": "some", "named": {"x": 1}}, **options)
    assert (one.different(same), one.call_id) == ([], same.call_id)
    assert one.different(other) == ["note", "named"]
    assert one.call_id != other.call_id


# --- equal values -----------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["JsonPickleSerializer", "PickleSerializer"])
def test_different_values_have_different_texts(name: str) -> None:
    """Of every two: types count as well as contents."""
    serializer = make_serializer(name)
    more = [Colour.RED, Colour.BLUE, Order(), Order({"a"}), Order(more={"a": 1}), Order(again=1)]
    texts = [canonical_text(value, serializer) for value in (*VALUES, *more)]
    assert len(set(texts)) == len(texts)


@pytest.mark.parametrize("name", ["JsonPickleSerializer", "PickleSerializer"])
def test_order_and_identity_do_not_matter(name: str) -> None:
    """Dicts and sets, in objects too; one object twice or two that are equal."""
    serializer = make_serializer(name)
    words = [f"word {n}" for n in range(50)]
    shared = Order({"a"})
    pairs: list[tuple[Any, Any]] = [
        ({"a": 1, "b": [2]}, {"b": [2], "a": 1}),
        ({1: 2, "b": {3}}, {"b": {3}, 1: 2}),
        ({0, 8}, {8, 0}),
        ({(each,) for each in words}, {(each,) for each in reversed(words)}),
        (Order({*words}, {"a": 1, "b": 2}), Order({*reversed(words)}, {"b": 2, "a": 1})),
        ([shared, shared], [Order({"a"}), Order({"a"})]),
    ]
    for one, other in pairs:
        assert canonical_text(one, serializer) == canonical_text(other, serializer)


def test_what_contains_itself_has_a_text() -> None:
    """A circle is written as one, and told from another."""
    serializer = make_serializer("JsonPickleSerializer")
    texts = []
    for depth in (1, 2, 1):
        circle: list[Any] = []
        inner: list[Any] = circle
        for _ in range(depth - 1):
            inner.append([])
            inner = inner[0]
        inner.append(circle)
        texts.append(canonical_text(circle, serializer))
    assert texts[0] == texts[2] != texts[1]
    order = Order()
    order.again = order
    assert canonical_text(order, serializer) != canonical_text(Order(), serializer)


def test_strict_json_is_compared_as_it_stands() -> None:
    """Enums and dicts, whatever their order."""
    serializer = make_serializer("JsonSerializer")
    one = canonical_text({"a": Colour.RED, "b": 1}, serializer)
    assert one == canonical_text({"b": 1, "a": Colour.RED}, serializer)
    assert one != canonical_text({"b": 1, "a": Colour.BLUE}, serializer)


class Shouting(BaseSerializer):
    """A serializer of a user's: nothing goes past it."""

    def serialize(self, obj: Any) -> str:
        """Write it loudly."""
        return repr(obj).upper()

    def deserialize(self, serialized_obj: str) -> Any:
        """Read nothing."""
        return serialized_obj


def test_a_serializer_of_the_users_writes_every_value() -> None:
    """Containers are put in order; what is in them is compared by its text."""
    serializer = Shouting()
    one = canonical_text({"a": {"x", "y"}, "b": 1}, serializer)
    assert one == canonical_text({"b": 1, "A": {"Y", "X"}}, serializer)
    assert one != canonical_text({"b": 1, "a": {"x", "z"}}, serializer)
    assert '"x"' not in one


_IN_A_PROCESS = """
from tests.unit import test_concurrency as here
words = [f"word {n}" for n in range(30)]
value = here.Order({*words}, {"a": frozenset(words), "b": {(w,) for w in words}}, here.Colour.RED)
for name in ("JsonPickleSerializer", "PickleSerializer"):
    print(here._keys({"user": value}, name, running_concurrency="arguments").running)
"""


def test_keys_are_the_same_in_every_process() -> None:
    """Also where strings have other hashes, so that sets have another order."""
    said = set()
    for seed in ("1", "2"):
        environment = os.environ | {"PYTHONHASHSEED": seed}
        process = [sys.executable, "-c", _IN_A_PROCESS]
        output = subprocess.run(
            process, env=environment, capture_output=True, check=True, text=True
        ).stdout
        said.add(output)
    assert len(said) == 1
    assert {len(line) for line in said.pop().splitlines()} == {32}


def test_overlaps_are_counted() -> None:
    """The measure of the tests themselves: a span ends before another begins at that moment."""
    spans = [("a", 0.0, 1.0), ("a", 1.0, 2.0), ("a", 1.5, 3.0), ("b", 0.0, 9.0)]
    assert most_overlapping(spans) == {"a": 2, "b": 1}
