"""Functions that triggers name, at the top of a module, and what else one might try."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pynenc_pg.trigger import (
    EventContext,
    ExceptionContext,
    ResultContext,
    StatusContext,
    TriggerContext,
)


def is_large(arguments: dict[str, Any]) -> bool:
    """Whether the order is a large one."""
    return bool(arguments["amount"] > 1000)


def is_even(result: int) -> bool:
    """Whether the result is even."""
    return result % 2 == 0


def says_nothing(_value: Any) -> None:
    """Forget to return."""


def breaks(_value: Any) -> bool:
    """Fail."""
    message = "no such key"
    raise KeyError(message)


def order_of(context: EventContext) -> dict[str, Any]:
    """Make arguments of an event."""
    return {"order": context.payload["id"], "code": context.event_code}


def call_of(context: StatusContext) -> dict[str, Any]:
    """Make arguments of a status."""
    return {"x": context.arguments.kwargs["x"], "status": context.status.name}


def doubled(context: ResultContext) -> dict[str, Any]:
    """Make arguments of a result."""
    return {"doubled": context.result * 2}


def report_of(context: ExceptionContext) -> dict[str, Any]:
    """Make arguments of an exception."""
    return {"said": f"{context.exception_type}: {context.exception_message}"}


def everything(context: TriggerContext) -> dict[str, Any]:
    """Make arguments of all that has fired."""
    return {"count": len(context), "trigger": context.trigger_id}


def no_dict(_context: Any) -> Any:
    """Make something else."""
    return [1, 2]


async def later(_value: Any) -> bool:
    """Be no plain function."""
    return True


def many(_value: Any) -> Iterator[bool]:
    """Be no plain function either."""
    yield True


def two(_one: Any, _other: Any) -> bool:
    """Take too much."""
    return True


class Shop:
    """A class with functions in it."""

    @staticmethod
    def is_open(_payload: Any) -> bool:
        """Be found in the class."""
        return True

    @classmethod
    def has_name(cls, payload: Any) -> bool:
        """Be found in the class, too."""
        return bool(payload.get("name"))

    def is_mine(self, _payload: Any) -> bool:
        """Belong to an object."""
        return True


nameless = lambda _value: True  # noqa: E731 - what is refused
