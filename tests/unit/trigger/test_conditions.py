"""Conditions: what they watch, what meets them, how they are stored."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import pytest

from pynenc_pg.domain.arguments import Arguments
from pynenc_pg.exceptions import TaskFailedError, TriggerDefinitionError
from pynenc_pg.invocation.status import InvocationStatus
from pynenc_pg.trigger.conditions import (
    Condition,
    CronCondition,
    CronContext,
    EventCondition,
    EventContext,
    ExceptionCondition,
    ExceptionContext,
    ResultCondition,
    ResultContext,
    StatusCondition,
    StatusContext,
    Watch,
    condition_from_json,
)
from pynenc_pg.trigger.conditions.exception import parse_exception_types
from pynenc_pg.trigger.filters import Filter
from tests.unit.trigger import functions

NOON: Final = datetime(2027, 1, 1, 12, tzinfo=UTC)
TASK: Final = "shop.tasks.order"
EVEN: Final = Filter.of(functions.is_even, "filter_result")
S = InvocationStatus


class RefusedError(ConnectionError):
    """An exception with a base."""


def status(
    found: InvocationStatus = S.SUCCESS, task_id: str = TASK, **kwargs: Any
) -> StatusContext:
    """An invocation that has got a status."""
    return StatusContext(
        timestamp=NOON,
        invocation_id="01",
        task_id=task_id,
        arguments=Arguments(kwargs),
        status=found,
    )


def result(value: Any, **kwargs: Any) -> ResultContext:
    """An invocation that has succeeded."""
    return ResultContext(
        timestamp=NOON,
        invocation_id="01",
        task_id=TASK,
        arguments=Arguments(kwargs),
        status=S.SUCCESS,
        result=value,
    )


def failure(error: BaseException, *, rebuilt: bool = True, **kwargs: Any) -> ExceptionContext:
    """An invocation that has failed; not ``rebuilt``: where the class is not known."""
    kind = type(error)
    name = f"{kind.__module__}.{kind.__qualname__}"
    return ExceptionContext(
        timestamp=NOON,
        invocation_id="01",
        task_id=TASK,
        arguments=Arguments(kwargs),
        status=S.FAILED,
        exception_type=kind.__qualname__,
        exception_module=kind.__module__,
        exception_message=str(error),
        exception=error if rebuilt else TaskFailedError(name, str(error), ""),
    )


def event(code: str, payload: Any) -> EventContext:
    """An event that was emitted."""
    return EventContext(timestamp=NOON, event_id="e1", event_code=code, payload=payload)


ALL: Final[list[Condition]] = [
    CronCondition("30 2 * * *", "Europe/Berlin", "all", 30),  # type: ignore[arg-type]
    EventCondition("order.paid"),
    EventCondition("order.paid", Filter.of({"country": "de"}, "payload_filter")),
    EventCondition("order.paid", Filter.of(functions.is_large, "payload_filter")),
    StatusCondition(TASK, (S.FAILED, S.SUCCESS)),
    StatusCondition(TASK, (S.SUCCESS,), Filter.of({"x": 1}, "call_arguments")),
    ResultCondition(TASK),
    ResultCondition(TASK, Filter.of(None, "filter_result")),
    ResultCondition(TASK, EVEN, Filter.of({"x": [1]}, "call_arguments")),
    ExceptionCondition(TASK),
    ExceptionCondition(TASK, parse_exception_types([ValueError, "Refused"])),
]


@pytest.mark.parametrize("condition", ALL, ids=lambda one: one.condition_id)
def test_a_condition_is_stored_and_read(condition: Condition) -> None:
    """Through the text of JSON, to an equal one with the same id."""
    again = condition_from_json(json.loads(json.dumps(condition.to_json())))
    assert again == condition
    assert again.condition_id == condition.condition_id
    assert condition.condition_id.startswith(f"{condition.kind}_")


def test_ids_are_those_of_the_content() -> None:
    """No two of different ones are equal; and they are the same in every release."""
    assert len({one.condition_id for one in ALL}) == len(ALL)
    assert EventCondition("order.paid").condition_id == "event_0de00f6d2dcbaa6d78b0"
    # What makes no difference to what is matched makes none here.
    plain = CronCondition("30 2 * * *", "Europe/Berlin")
    assert plain.condition_id == ALL[0].condition_id
    assert plain != ALL[0]
    assert CronCondition("@daily").condition_id == CronCondition("0  0 * * *").condition_id


@pytest.mark.parametrize(
    "stored",
    [{"kind": "moon"}, {}, {"kind": "event"}, {"kind": "status", "task_id": 1, "statuses": None}],
)
def test_what_is_no_stored_condition_is_an_error(stored: dict[str, Any]) -> None:
    """A row of a newer version, or one that somebody has edited."""
    with pytest.raises(TriggerDefinitionError, match=r"whole|not known|no status"):
        condition_from_json(stored)


def test_what_is_watched() -> None:
    """Causes are recorded for these alone."""
    assert ALL[0].watches == Watch()
    assert ALL[1].watches == Watch(event_code="order.paid")
    assert ALL[4].watches == Watch(TASK, (S.FAILED, S.SUCCESS))
    assert ALL[6].watches == Watch(TASK, (S.SUCCESS,))
    assert ALL[9].watches == Watch(TASK, (S.FAILED,))
    # A name can be compared in SQL; a class has subclasses, which only Python knows.
    named = ExceptionCondition(TASK, ("Refused", "ValueError"))
    assert named.watches == Watch(TASK, (S.FAILED,), exception_types=("Refused", "ValueError"))
    assert ALL[10].watches.exception_types == ()
    assert (named.is_exact, ALL[10].is_exact) == (True, False)


def test_what_sql_may_test() -> None:
    """What contains less cannot match; whether the rest matters is said."""
    seen = [(one.static_filter, one.is_exact) for one in ALL]
    assert seen[1] == (None, True)
    assert seen[2] == ({"payload": {"country": "de"}}, True)
    assert seen[3] == (None, False)
    assert seen[5] == ({"arguments": {"x": 1}}, True)
    assert seen[7] == ({"result": None}, True)
    assert seen[8] == (None, False)  # lists are something else there


def test_an_event_is_matched_by_code_and_payload() -> None:
    """A subset of the payload, a value, or a function."""
    assert ALL[1].matches(event("order.paid", None))
    assert not ALL[1].matches(event("order.sent", None))
    assert ALL[2].matches(event("order.paid", {"country": "de", "id": 7}))
    assert not ALL[2].matches(event("order.paid", {"country": "fr"}))
    assert ALL[3].matches(event("order.paid", {"amount": 1001}))
    assert not ALL[3].matches(event("order.paid", {"amount": 1000}))


def test_a_status_is_matched_by_task_status_and_arguments() -> None:
    """Anything else is none of its business."""
    assert ALL[4].matches(status(S.FAILED))
    assert not ALL[4].matches(status(S.RUNNING))
    assert not ALL[4].matches(status(S.FAILED, "shop.tasks.other"))
    assert ALL[5].matches(status(x=1, y=2))
    assert not ALL[5].matches(status(x=2))
    assert not ALL[5].matches(status())
    assert not ALL[4].matches(event("order.paid", {}))


def test_a_result_is_matched_by_its_value() -> None:
    """None is a value; without a filter every result passes; a status alone is no result."""
    assert ALL[6].matches(result(object()))
    assert ALL[7].matches(result(None))
    assert not ALL[7].matches(result(0))
    assert ALL[8].matches(result(4, x=[1]))
    assert not ALL[8].matches(result(3, x=[1]))
    assert not ALL[8].matches(result(4, x=[2]))
    assert not ALL[6].matches(status(S.SUCCESS))


@pytest.mark.parametrize(
    ("types", "error", "matched"),
    [
        (None, RefusedError("no"), True),
        (RefusedError, RefusedError("no"), True),
        (OSError, RefusedError("no"), True),  # as `except OSError` would
        ([ValueError, ConnectionError], RefusedError("no"), True),
        (ValueError, RefusedError("no"), False),
        ("RefusedError", RefusedError("no"), True),
        (f"{__name__}.RefusedError", RefusedError("no"), True),
        ("OSError", RefusedError("no"), False),  # a name is that of one class
        ("other.RefusedError", RefusedError("no"), False),
        (Exception, SystemExit(1), False),
        (BaseException, SystemExit(1), True),
    ],
)
def test_an_exception_is_matched_by_class_or_name(
    types: Any, error: BaseException, *, matched: bool
) -> None:
    """A class stands for its subclasses, a name for itself."""
    condition = ExceptionCondition(TASK, parse_exception_types(types))
    assert condition.matches(failure(error)) is matched


def test_an_exception_whose_class_is_not_known_here_is_matched_by_its_own() -> None:
    """Of its bases only that it is an exception can be told; what stands for it does not count."""
    unknown = failure(RefusedError("no"), rebuilt=False)
    for types, matched in (
        (RefusedError, True),
        ("RefusedError", True),
        (Exception, True),
        (OSError, False),
        (TaskFailedError, False),
    ):
        condition = ExceptionCondition(TASK, parse_exception_types(types))
        assert condition.matches(unknown) is matched, types


def test_arguments_of_a_failed_call_are_matched() -> None:
    """Both must pass."""
    filter_ = Filter.of({"x": 1}, "call_arguments")
    condition = ExceptionCondition(TASK, ("ValueError",), filter_)
    assert condition.matches(failure(ValueError("no"), x=1))
    assert not condition.matches(failure(ValueError("no"), x=2))
    assert not condition.matches(failure(KeyError("no"), x=1))


def test_a_tick_is_matched_by_its_instant() -> None:
    """Somebody else's tick is none of this schedule."""
    tick = datetime(2027, 3, 28, 1, tzinfo=UTC)  # 02:30, which is not on the clock that day
    assert ALL[0].matches(CronContext(timestamp=tick))
    assert not ALL[0].matches(CronContext(timestamp=tick + timedelta(minutes=30)))
    assert not ALL[0].matches(CronContext(timestamp=tick + timedelta(microseconds=1)))
    assert not ALL[0].matches(CronContext(timestamp=tick + timedelta(days=1)))


def test_a_condition_knows_its_due_ticks() -> None:
    """With its own policy and jitter."""
    condition = CronCondition("0 * * * *", catch_up="all", jitter=60)  # type: ignore[arg-type]
    made = condition.due(NOON, NOON + timedelta(hours=3, minutes=30), "t")
    assert len(made.ticks) == 3
    late = made.next_at - made.next_tick
    assert timedelta(0) < late < timedelta(seconds=60)
