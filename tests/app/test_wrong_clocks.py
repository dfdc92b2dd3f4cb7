"""A machine whose clock is wrong, or is set meanwhile: all times are those of the database."""

from __future__ import annotations

import time
from collections.abc import Callable
from uuid import UUID

import pytest
import uuid_utils

from pynenc_pg import InvocationStatus, Pynenc
from pynenc_pg.domain.ids import id_time
from tests.app import tasks
from tests.app.conftest import Runner

DAY = 86_400.0
Set = Callable[[float], None]

pytestmark = pytest.mark.parametrize("app", ["postgres"], indirect=True)


@pytest.fixture
def set_clock(monkeypatch: pytest.MonkeyPatch) -> Set:
    """Set the clock of this machine, and of the ids that are made by it, so many seconds wrong."""
    real, make = time.time, uuid_utils.uuid7
    off = 0.0

    def wrong() -> UUID:
        return UUID(int=make().int + (round(off * 1000) << 80))

    def set_it(seconds: float) -> None:
        nonlocal off
        off = seconds

    monkeypatch.setattr(time, "time", lambda: real() + off)
    monkeypatch.setattr(uuid_utils, "uuid7", wrong)
    return set_it


@pytest.mark.parametrize("off", [-3 * DAY, 3 * DAY])
def test_a_clock_that_is_days_wrong(
    app: Pynenc, runner: Runner, set_clock: Set, off: float
) -> None:
    """Ids are of the database's time; what is due now is begun, what is due later is not."""
    now = time.time()
    set_clock(off)
    later = tasks.add.options(delay=3600)(1, 1)
    with runner():
        first = tasks.add(1, 2)
        assert first.result_or_raise(20) == 3
        assert abs(id_time(first.invocation_id) - now) < 60
        assert later.status is InvocationStatus.REGISTERED
    assert app.state_backend.count_ready() == 0


def test_a_clock_that_is_set_right_meanwhile(app: Pynenc, runner: Runner, set_clock: Set) -> None:
    """What was measured before is measured anew: no call is refused for an id of another time."""
    set_clock(-3 * DAY)
    with runner():
        assert tasks.add(1, 2).result_or_raise(20) == 3
        set_clock(0)
        assert tasks.add(2, 2).result_or_raise(20) == 4
        set_clock(5 * DAY)
        assert tasks.add(3, 2).result_or_raise(20) == 5
    assert app.state_backend.count_ready() == 0
