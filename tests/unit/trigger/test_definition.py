"""Definitions: when two are one, how they are stored, which arguments they give."""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import pytest

from pynenc_pg.domain.arguments import Arguments
from pynenc_pg.exceptions import TriggerCallableError, TriggerDefinitionError
from pynenc_pg.invocation.status import InvocationStatus
from pynenc_pg.trigger import (
    CronContext,
    EventContext,
    ResultContext,
    TriggerBuilder,
    TriggerContext,
    TriggerDefinition,
)
from pynenc_pg.trigger.arguments import source_from_json
from pynenc_pg.trigger.conditions import Context
from pynenc_pg.trigger.trigger_builder import build_all
from tests.unit.trigger import functions
from tests.unit.trigger.test_conditions import event, failure, result, status

TARGET: Final = "shop.tasks.notify"
NOON: Final = datetime(2027, 1, 1, 12, tzinfo=UTC)


def fired(*contexts: Context) -> TriggerContext:
    """A firing by these causes."""
    by_condition = {f"condition_{n}": one for n, one in enumerate(contexts)}
    return TriggerContext("the_trigger", TARGET, NOON, by_condition)


def big() -> TriggerBuilder:
    """A trigger with something of everything."""
    return (
        TriggerBuilder()
        .on_cron("0 9 * * *", "Europe/Berlin", jitter=5)
        .on_event("paid", {"country": "de"})
        .on_result("shop.tasks.order", functions.is_even)
        .on_exception("shop.tasks.order", [OSError])
        .with_logic("and", within=timedelta(hours=1))
        .with_args_static({"a": [1, None]})
        .with_args_from_event(functions.order_of)
        .with_args_from_result()
        .with_args_provider(functions.everything)
    )


def test_a_definition_is_stored_and_read() -> None:
    """Through the text of JSON, to an equal one."""
    made = big().build(TARGET)
    again = TriggerDefinition.from_json(json.loads(json.dumps(made.to_json())))
    assert again == made
    assert again.version == made.version
    for condition in made.conditions:
        assert again.condition(condition.condition_id) == condition
    assert again.condition("event_0") is None


def test_ids_are_the_same_in_every_release() -> None:
    """A deploy keeps the state of what has not changed. If this fails, all triggers begin anew."""
    assert big().build(TARGET).trigger_id == "shop.tasks.notify#1affa925dfcbfb22feae"
    assert big().build(TARGET).version == "445ee756c38d72ae14c2"


def test_another_version_of_the_same_trigger() -> None:
    """Other arguments, spread or patience keep its state; other conditions or logic do not."""
    first = TriggerBuilder().on_cron("@daily").on_event("a").build(TARGET)
    same = (
        TriggerBuilder().on_event("a").on_cron("0 0 * * *", catch_up="all", jitter=9),
        TriggerBuilder().on_cron("@daily").on_event("a").with_args_static({"x": 1}),
        TriggerBuilder().on_cron("@daily").on_event("a").with_logic("and", within=9),
    )
    for builder in same:
        changed = builder.build(TARGET)
        assert changed.trigger_id == first.trigger_id
        assert changed.version != first.version
    others = (
        TriggerBuilder().on_cron("@daily").on_event("b"),
        TriggerBuilder().on_cron("@daily", "Europe/Berlin").on_event("a"),
        TriggerBuilder().on_cron("@daily").on_event("a").with_logic("or"),
        TriggerBuilder().on_cron("@daily").on_event("a", {"x": 1}),
        TriggerBuilder().on_cron("@daily"),
    )
    ids = {builder.build(TARGET).trigger_id for builder in others}
    assert len(ids) == len(others)
    assert first.trigger_id not in ids
    assert first.trigger_id != TriggerBuilder().on_cron("@daily").build("a.b").trigger_id


def test_logic_makes_no_other_trigger_of_one_condition() -> None:
    """There is nothing to combine."""
    one, other = (TriggerBuilder().on_event("a").with_logic(logic) for logic in ("and", "or"))
    assert one.build(TARGET).trigger_id == other.build(TARGET).trigger_id


def test_two_triggers_with_the_same_conditions() -> None:
    """They differ in their arguments, and have ids of their own, in the order they are written."""

    def daily(region: str) -> TriggerBuilder:
        return TriggerBuilder().on_cron("@daily").with_args_static({"region": region})

    eu, us, third = build_all(TARGET, [daily("eu"), daily("us"), daily("eu"), daily("in")])
    assert us.trigger_id == f"{eu.trigger_id}#2"
    assert third.trigger_id == f"{eu.trigger_id}#3"
    assert us.build_arguments(fired(CronContext(timestamp=NOON))) == {"region": "us"}
    assert third.build_arguments(fired(CronContext(timestamp=NOON))) == {"region": "in"}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"format": 2}, "has format 2, and this version reads 1"),
        ({"conditions": None}, "is not whole"),
        ({"conditions": ["event"]}, "is not whole"),
        ({"conditions": [{"kind": "cron", "expression": "x"}]}, "is not whole"),
        ({"logic": "xor"}, "is not whole"),
        ({"within": "soon"}, "is not whole"),
        ({"arguments": [{"kind": "magic"}]}, "arguments of kind 'magic'"),
        ({"arguments": [{"kind": "trigger_context"}]}, "'trigger_context'"),
    ],
)
def test_a_definition_of_another_version_is_an_error(change: dict[str, Any], said: str) -> None:
    """It is not read as something that it is not."""
    stored = TriggerBuilder().on_event("a").build(TARGET).to_json() | change
    with pytest.raises(TriggerDefinitionError, match=said):
        TriggerDefinition.from_json(stored)


def test_arguments_are_merged_in_the_order_they_are_written() -> None:
    """Of two with one name the later one counts; what has not fired gives nothing."""
    made = (
        TriggerBuilder()
        .on_event("paid")
        .on_result("shop.tasks.order", 5)
        .with_logic("or")
        .with_args_static({"order": 0, "extra": True})
        .with_args_from_event(functions.order_of)
        .with_args_from_result(functions.doubled)
        .build(TARGET)
    )
    assert made.build_arguments(fired(event("paid", {"id": 7}))) == {
        "order": 7,
        "code": "paid",
        "extra": True,
    }
    by_result = made.build_arguments(fired(result(5)))
    assert by_result == {"order": 0, "extra": True, "doubled": 10}
    both = fired(event("paid", {"id": 7}), event("packed", {"id": 8}))
    assert made.build_arguments(both)["order"] == 8


def test_without_a_function_arguments_are_what_suggests_itself() -> None:
    """Payload, arguments of the call, result, exception."""
    sources = [
        source_from_json({"kind": kind, "function": None})
        for kind in ("event", "status", "result", "exception")
    ]
    causes = (
        event("paid", {"id": 7}),
        status(x=1),
        result([5], y=2),
        failure(ValueError("no"), z=3),
    )
    given = [source.give(fired(*causes)) for source in sources]
    assert given == [
        {"id": 7},
        {"x": 1},
        {"result": [5]},
        {"exception_type": "ValueError", "exception_message": "no"},
    ]


def test_without_a_source_there_are_no_arguments() -> None:
    """The task of the guide has no parameter."""
    made = TriggerBuilder().on_event("paid").build(TARGET)
    assert made.build_arguments(fired(event("paid", {"id": 7}))) == {}


def test_what_is_no_dict_of_arguments_is_refused() -> None:
    """The message names the function, or the event."""
    event_only = TriggerBuilder().on_event("paid")
    cases = (
        (event_only.with_args_from_event(functions.no_dict), r"no_dict gave \[1, 2\]"),
        (TriggerBuilder().on_event("a").with_args_from_event(), r"the event itself gave \[7\]"),
        (TriggerBuilder().on_event("a").with_args_provider(functions.no_dict), "must be a dict"),
    )
    for builder, said in cases:
        with pytest.raises(TriggerCallableError, match=said):
            builder.build(TARGET).build_arguments(fired(event("paid", [7])))


def needs(x: int, y: int = 0) -> None:
    """Have a parameter that must be given."""


def takes_all(*rows: int, **more: int) -> None:
    """Need nothing."""


@pytest.mark.parametrize(
    ("function", "args", "said"),
    [
        (needs, None, "starts shop.tasks.notify without x: add with_args_static"),
        (needs, {"y": 1}, "without x"),
        (needs, {"x": 1, "yy": 2}, "'yy', which is no parameter: did you mean 'y'?"),
        (functions.is_even, {"q": 1, "result": 1}, r"it has \['result'\]"),
    ],
)
def test_a_call_that_cannot_be_made_is_an_error(
    function: Callable[..., Any], args: dict[str, Any] | None, said: str
) -> None:
    """It is known before anything has fired."""
    builder = TriggerBuilder().on_event("a")
    made = (builder if args is None else builder.with_args_static(args)).build(TARGET)
    with pytest.raises(TriggerDefinitionError, match=said):
        made.check_call(inspect.signature(function))


def test_a_call_that_can_be_made_is_none() -> None:
    """What other sources give is not known before."""
    plain = TriggerBuilder().on_event("a").build(TARGET)
    static = TriggerBuilder().on_event("a").with_args_static({"x": 1}).build(TARGET)
    made = TriggerBuilder().on_event("a").with_args_from_event().build(TARGET)
    for definition, function in ((static, needs), (made, needs), (plain, takes_all)):
        definition.check_call(inspect.signature(function))
    static.check_call(inspect.signature(takes_all))


def test_static_arguments_are_new_each_time() -> None:
    """A task that changes its list does not change the next call's."""
    made = TriggerBuilder().on_event("a").with_args_static({"rows": []}).build(TARGET)
    made.build_arguments(fired(event("a", None)))["rows"].append(1)
    assert made.build_arguments(fired(event("a", None))) == {"rows": []}


def test_a_trigger_context_has_all_that_has_fired() -> None:
    """By condition, by kind, one after the other; nobody changes it."""
    causes = {"e": event("paid", {}), "r": result(5), "s": status()}
    context = TriggerContext("t", TARGET, NOON, causes)
    causes.clear()
    assert len(context) == 3
    assert context.has_condition("e")
    assert not context.has_condition("x")
    [found] = context.of(EventContext)
    assert found.event_code == "paid"
    assert [one.result for one in context.of(ResultContext)] == [5]
    assert [type(one).__name__ for one in context] == [
        "EventContext",
        "ResultContext",
        "StatusContext",
    ]
    with pytest.raises(TypeError):
        context.contexts["x"] = status()  # type: ignore[index]


def test_contexts_carry_what_is_known() -> None:
    """The names that the contract gives them."""
    failed = failure(ValueError("no"), x=1)
    assert failed.arguments.kwargs == {"x": 1}
    assert (failed.status, failed.invocation_id) == (InvocationStatus.FAILED, "01")
    assert (failed.exception_type, failed.exception_message) == ("ValueError", "no")
    assert (failed.timestamp, failed.task_id) == (NOON, "shop.tasks.order")
    assert result(5).result == 5
    assert (event("paid", {"id": 1}).event_code, event("paid", {"id": 1}).payload) == (
        "paid",
        {"id": 1},
    )
    assert isinstance(failed.arguments, Arguments)
