"""How much a runner may hold."""

from __future__ import annotations

from pynenc_pg.runner.pace import Pace


def test_only_free_slots_while_nothing_is_known() -> None:
    """Before a few executions were seen, nothing may wait behind another."""
    pace = Pace(slots=4, buffer=0.005, batch=500)
    assert pace.capacity == 4
    pace.saw(0.0001, count=7)
    assert pace.capacity == 4


def test_short_tasks_may_wait_in_numbers_up_to_the_batch() -> None:
    """Beyond the slots a few milliseconds of work are held, and never more than a batch."""
    pace = Pace(slots=4, buffer=0.005, batch=500)
    pace.saw(0.0001, count=200)
    assert 100 < pace.capacity < 300
    pace.saw(0.000001, count=1000)
    assert pace.capacity == 500


def test_one_long_task_empties_the_buffer_at_once() -> None:
    """The average goes up at once and comes down slowly."""
    pace = Pace(slots=4, buffer=0.005, batch=500)
    pace.saw(0.00001, count=1000)
    assert pace.capacity == 500
    pace.saw(2.0)
    assert pace.capacity == 4
    pace.saw(0.00001, count=10)
    assert pace.capacity == 4
    pace.saw(0.00001, count=1000)
    assert pace.capacity == 500


def test_slow_claims_have_more_held() -> None:
    """As much as is worked off until the next one is answered, up to a tenth of a second."""
    pace = Pace(slots=4, buffer=0.005, batch=500)
    pace.saw(0.001, count=1000)
    assert pace.capacity == 24
    pace.claimed(24, 0.002)
    assert pace.capacity == 24
    for _ in range(50):
        pace.claimed(24, 0.04)
        pace.claimed(0, 10.0)  # what finds nothing says nothing
    assert 150 < pace.capacity < 170
    for _ in range(50):
        pace.claimed(24, 1.0)
    assert pace.capacity == 404
    for _ in range(50):
        pace.claimed(24, 0.002)
    assert pace.capacity == 24
