"""The builder: every method, and what it refuses."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any, Final

import pytest

from pynenc_pg import InvocationStatus, Pynenc
from pynenc_pg.exceptions import TriggerDefinitionError
from pynenc_pg.trigger import CatchUp, CompositeLogic, TriggerBuilder
from pynenc_pg.trigger.arguments import ContextArguments, ProvidedArguments, StaticArguments
from pynenc_pg.trigger.conditions import (
    CronCondition,
    EventCondition,
    ExceptionCondition,
    ResultCondition,
    StatusCondition,
)
from pynenc_pg.trigger.trigger_builder import build_all
from tests.unit.trigger import functions

app = Pynenc("shop")
HERE: Final = __name__
TARGET: Final = "shop.tasks.notify"
S = InvocationStatus


@app.task
def order(x: int) -> int:
    """Be watched."""
    return x


@app.direct_task
def order_now(x: int) -> int:
    """Be watched, too."""
    return x


@app.task(running_concurrency="task")
def limited() -> None:
    """Wait where it may not run."""


@app.task(rate_limit="5/m", reroute_on_concurrency_control=False)
def impatient() -> None:
    """End where it may not run."""


def only(builder: TriggerBuilder) -> Any:
    """The one condition of a trigger."""
    [condition] = builder.build(TARGET).conditions
    return condition


def test_the_guides_trigger() -> None:
    """As it is written there."""
    made = TriggerBuilder().on_status(order, statuses=["SUCCESS"]).build(TARGET)
    assert made.task_id == TARGET
    assert made.conditions == (StatusCondition(f"{HERE}.order", (S.SUCCESS,)),)
    assert made.arguments == ()


def test_cron() -> None:
    """All that a schedule has."""
    assert only(TriggerBuilder().on_cron("@daily")) == CronCondition("@daily")
    condition = only(
        TriggerBuilder().on_cron("0 8 * * *", "Asia/Kolkata", "none", timedelta(minutes=1))
    )
    assert (condition.timezone, condition.catch_up) == ("Asia/Kolkata", CatchUp.NONE)
    assert condition.jitter == 60


@pytest.mark.parametrize(
    "statuses",
    [
        ["SUCCESS", "FAILED"],
        ("success", "failed"),
        {S.SUCCESS, S.FAILED},
        iter(["Success", S.FAILED, "SUCCESS"]),
    ],
)
def test_statuses_are_members_names_or_values(statuses: Any) -> None:
    """In any case, any number, any order."""
    condition = only(TriggerBuilder().on_status(order, statuses))
    assert condition.statuses == (S.FAILED, S.SUCCESS)


@pytest.mark.parametrize("status", [S.RETRY, "RETRY", "retry"])
def test_a_status_alone_is_one(status: Any) -> None:
    """It need not stand in a list."""
    assert only(TriggerBuilder().on_status(order, status)).statuses == (S.RETRY,)


@pytest.mark.parametrize("task", [order, order_now, f"{HERE}.order"])
def test_a_task_is_a_task_or_its_id(task: Any) -> None:
    """One that is called like a function is a task, too."""
    builders = (
        TriggerBuilder().on_status(task),
        TriggerBuilder().on_success(task),
        TriggerBuilder().on_result(task, 5),
        TriggerBuilder().on_any_result(task),
        TriggerBuilder().on_exception(task),
    )
    name = "order_now" if task is order_now else "order"
    assert {only(builder).task_id for builder in builders} == {f"{HERE}.{name}"}


def test_results_and_exceptions() -> None:
    """With their filters."""
    condition = only(TriggerBuilder().on_result(order, None, {"x": 1}))
    assert isinstance(condition, ResultCondition)
    assert condition.static_filter == {"arguments": {"x": 1}, "result": None}
    assert only(TriggerBuilder().on_any_result(order)) == ResultCondition(f"{HERE}.order")
    filtered = only(TriggerBuilder().on_result(order, functions.is_even, functions.is_large))
    assert not filtered.is_exact
    failed = only(TriggerBuilder().on_exception(order, [ValueError, "Refused"], {"x": 1}))
    assert isinstance(failed, ExceptionCondition)
    assert failed.exception_types == ("Refused", "builtins:ValueError")
    assert only(TriggerBuilder().on_exception(order, ValueError)).exception_types == (
        "builtins:ValueError",
    )


def test_events() -> None:
    """With a filter for the payload, or none."""
    assert only(TriggerBuilder().on_event("paid")) == EventCondition("paid")
    condition = only(TriggerBuilder().on_event("paid", {"country": "de"}))
    assert condition.static_filter == {"payload": {"country": "de"}}
    assert only(TriggerBuilder().on_event("paid", functions.Shop.is_open)).static_filter is None


def test_logic() -> None:
    """All of the conditions, unless it is said otherwise; a day for them to come together."""
    both = TriggerBuilder().on_event("paid").on_event("packed")
    made = both.build(TARGET)
    assert (made.logic, made.within, made.pairs) == (CompositeLogic.AND, 86_400, True)
    assert both.with_logic("and", within=60).build(TARGET).within == 60
    assert both.with_logic(CompositeLogic.OR).build(TARGET).pairs is False
    assert both.with_logic("OR").build(TARGET).logic is CompositeLogic.OR
    assert TriggerBuilder().on_event("paid").build(TARGET).pairs is False


def test_arguments() -> None:
    """Each method adds a source, in order."""
    made = (
        TriggerBuilder()
        .on_event("paid")
        .on_status(order)
        .on_result(order, 5)
        .on_exception(order)
        .with_args_static({"a": [1]})
        .with_args_from_event(functions.order_of)
        .with_args_from_status(functions.call_of)
        .with_args_from_result(functions.doubled)
        .with_args_from_exception(functions.report_of)
        .with_args_from_trigger_context(functions.everything)
        .with_args_provider(functions.everything)
        .with_args_provider(StaticArguments.of({"b": 2}))
        .with_args_from_event()
        .build(TARGET)
    )
    first, *middle, last = made.arguments
    assert first == StaticArguments({"a": [1]})
    assert last == ContextArguments("event")
    kinds = [getattr(one, "kind", type(one)) for one in middle]
    assert kinds == [
        *("event", "status", "result", "exception"),
        *(ProvidedArguments, ProvidedArguments, StaticArguments),
    ]


WRONG: Final[list[tuple[Callable[[Any], Any], str]]] = [
    (lambda t: t.build(TARGET), "has no condition"),
    (lambda t: t.on_event("a").build("notify"), "'notify' is no task"),
    (lambda t: t.on_status(5), "5 is no task: give what @app.task made"),
    (lambda t: t.on_status("order"), "'order' is no task"),
    (lambda t: t.on_status(functions.is_even), "is no task"),
    (lambda t: t.on_status(order, "SUCESS"), "did you mean SUCCESS?"),
    (lambda t: t.on_status(order, [5]), "5 is no status"),
    (lambda t: t.on_status(order, []), "no status is given"),
    (lambda t: t.on_status(order, None), "None is no status"),
    (lambda t: t.on_status(order, S.CONCURRENCY_CONTROLLED), "without running_concurrency"),
    (lambda t: t.on_status(limited, "concurrency_controlled_final"), "but waits, unless"),
    (lambda t: t.on_status(impatient, "concurrency_controlled"), "but ends, with"),
    (lambda t: t.on_status(order, "SUCCESS", 5), "call_arguments is 5: give a dict"),
    (lambda t: t.on_status(order, "SUCCESS", lambda _: True), "call_arguments"),
    (lambda t: t.on_result(order, lambda _: True), "is a lambda"),
    (lambda t: t.on_result(order, {1}), "which is not JSON"),
    (lambda t: t.on_exception(order, 5), "5 is no exception"),
    (lambda t: t.on_exception(order, [int]), "is no exception"),
    (lambda t: t.on_exception(order, "Value Error"), "'Value Error' is no exception"),
    (lambda t: t.on_event(""), "event code ''"),
    (lambda t: t.on_event("a\n"), "event code 'a\\n'"),
    (lambda t: t.on_event(5), "event code 5"),
    (lambda t: t.on_event("a" * 256), "1 to 255"),
    (lambda t: t.on_event("a", lambda _: True), "payload_filter <"),
    (lambda t: t.on_event("a").on_event("a"), "has this condition already"),
    (lambda t: t.on_cron("* * *"), "five or six fields, not 3"),
    (lambda t: t.on_cron(None), "cron expression None is no text"),
    (lambda t: t.on_cron(["@daily"]), "is no text"),
    (lambda t: t.on_cron("@daily", "Berlin"), "time zone 'Berlin' is not known"),
    (lambda t: t.on_cron("@daily", catch_up="some"), "catch_up = 'some'"),
    (lambda t: t.on_cron("@daily", jitter=-1), "jitter = -1"),
    (lambda t: t.on_cron("@daily", jitter=float("nan")), "jitter = nan"),
    (lambda t: t.on_cron("@daily", jitter=86_401), "0 to 86,400"),
    (lambda t: t.with_logic("xor"), "must be 'and' or 'or'"),
    (lambda t: t.with_logic("or", within=5), "no cause waits"),
    (lambda t: t.with_logic("and", within=0), "within = 0"),
    (lambda t: t.with_logic("and", within=float("inf")), "within = inf"),
    (lambda t: t.with_logic("and", within="1h"), "within = '1h'"),
    (lambda t: t.add_condition("paid"), "is no condition"),
    (lambda t: t.with_args_static([1]), "give a dict"),
    (lambda t: t.with_args_static({"a": (1, 2)}), "with_args_static['a'] is (1, 2) (tuple)"),
    (lambda t: t.with_args_static({"a": S.SUCCESS}), "which is not JSON"),
    (lambda t: t.with_args_static({1: 2}), "has the key 1"),
    (lambda t: t.with_args_provider({"a": 1}), "has no address"),
    (lambda t: t.with_args_from_event(lambda _: {}), "with_args_from_event: "),
    (lambda t: t.with_args_from_trigger_context(functions.two), "does not take one"),
    (
        lambda t: t.on_event("a").with_args_from_result(functions.doubled).build(TARGET),
        "there is no on_result or on_any_result, only event",
    ),
]


@pytest.mark.parametrize(("write", "said"), WRONG, ids=[said for _, said in WRONG])
def test_what_cannot_be_is_refused_where_it_is_written(
    write: Callable[[Any], Any], said: str
) -> None:
    """With one class of error, that names what is wrong."""
    with pytest.raises(TriggerDefinitionError) as caught:
        write(TriggerBuilder())
    assert said in str(caught.value)


def test_a_status_that_may_be_reached_is_accepted() -> None:
    """Where the task has a limit, and where nothing is known of it."""
    for task, status in (
        (limited, S.CONCURRENCY_CONTROLLED),
        (impatient, S.CONCURRENCY_CONTROLLED_FINAL),
        ("shop.tasks.other", S.CONCURRENCY_CONTROLLED),
        (order, [S.CONCURRENCY_CONTROLLED, S.SUCCESS]),
    ):
        assert only(TriggerBuilder().on_status(task, status))


def test_a_built_trigger_does_not_change() -> None:
    """The builder may go on."""
    builder = TriggerBuilder().on_event("a")
    made = builder.build(TARGET)
    builder.on_event("b").with_args_static({"x": 1})
    assert len(made.conditions) == 1
    assert made.arguments == ()


def test_a_decorator_takes_one_or_several() -> None:
    """What is given twice is one trigger; what is no builder is refused."""
    one, other = (TriggerBuilder().on_event(code) for code in "ab")
    assert build_all(TARGET, one) == (one.build(TARGET),)
    assert len(build_all(TARGET, [one, other, TriggerBuilder().on_event("a")])) == 2
    for wrong in ("a", 5, [one, "a"], {"a": one}):
        with pytest.raises(TriggerDefinitionError, match="is no TriggerBuilder"):
            build_all(TARGET, wrong)  # type: ignore[arg-type]
