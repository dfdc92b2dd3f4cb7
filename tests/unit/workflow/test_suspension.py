"""What takes a workflow off the stack, and what becomes of it on the way."""

from __future__ import annotations

import contextvars
from typing import Any

import pytest

from pynenc_pg.domain.ids import InvocationId
from pynenc_pg.engine.context import Running, running
from pynenc_pg.engine.stops import Stop
from pynenc_pg.engine.suspension import Suspended, check_suspension, judged, together
from pynenc_pg.exceptions import SuspensionSwallowedError
from pynenc_pg.invocation.status import Reason

ASLEEP = Suspended(Reason.SLEEPING, 60)
WAITS = Suspended(Reason.EVENT, 3600)
PAUSED = Suspended(Reason.PAUSED, 1e9)


class State:
    """A workflow that was to go on later, or not."""

    def __init__(self, suspended: Suspended | None) -> None:
        self.suspended = suspended

    def heard(self, invocation_id: InvocationId) -> None:
        """Nothing."""


def inside(suspended: Suspended | None, function: Any, *args: Any) -> Any:
    """Call a function in an attempt that has raised this."""

    def call() -> Any:
        now = Running(InvocationId("1"), "shop.order", 0, 0, 1, Stop())
        now.workflow = State(suspended)
        running.set(now)
        return function(*args)

    return contextvars.copy_context().run(call)


def test_it_is_no_exception() -> None:
    """So ``except Exception`` does not catch it."""
    assert not isinstance(ASLEEP, Exception)
    assert str(ASLEEP) == "the workflow goes on later (sleeping)"


def test_several() -> None:
    """They go on when the first of them would; what somebody else may wake is told."""
    both = together([ASLEEP, WAITS])
    assert (both.reason, both.delay) == (Reason.EVENT, 60)
    assert together([WAITS, PAUSED]).reason is Reason.PAUSED
    assert together([ASLEEP]).reason is Reason.SLEEPING


def test_groups() -> None:
    """A group of nothing else is one, however deep."""
    group = BaseExceptionGroup("", [ASLEEP, BaseExceptionGroup("", [WAITS])])
    found = judged(group)
    assert isinstance(found, Suspended)
    assert found.delay == 60
    mixed = BaseExceptionGroup("", [ASLEEP, ValueError()])
    assert judged(mixed) is mixed


def test_swallowed() -> None:
    """Whatever else is raised or returned after it is replaced by what explains it."""
    error = ValueError()
    assert inside(None, judged, error) is error
    assert inside(ASLEEP, judged, ASLEEP).reason is Reason.SLEEPING
    found = inside(ASLEEP, judged, error)
    assert isinstance(found, SuspensionSwallowedError)
    assert found.__cause__ is error
    assert inside(ASLEEP, judged, found) is found
    inside(None, check_suspension)
    with pytest.raises(SuspensionSwallowedError, match="do not return from finally"):
        inside(ASLEEP, check_suspension)
    check_suspension()  # outside of any task
