"""How long to wait before the next attempt."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pynenc_pg.conf.config_task import TaskConf
from pynenc_pg.engine.retries import LONGEST, retry_delay
from pynenc_pg.exceptions import RetryError

ERROR = ValueError("x")


def test_the_delay_grows_up_to_its_limit() -> None:
    """Delay times back-off to the power of the retries before, capped."""
    conf = TaskConf(retry_delay=10, retry_backoff=3, retry_max_delay=100, retry_jitter=False)
    assert [retry_delay(conf, n, ERROR) for n in (1, 2, 3, 4, 5000)] == [10, 30, 90, 100, 100]


@given(
    delay=st.floats(0, 1e6), backoff=st.floats(1, 1e6), longest=st.floats(0, 1e9), n=st.integers(1)
)
def test_jitter_takes_up_to_half(delay: float, backoff: float, longest: float, n: int) -> None:
    """Whatever the numbers are, the delay is between half of what it would be and all of it."""
    numbers = {"retry_delay": delay, "retry_backoff": backoff, "retry_max_delay": longest}
    plain = retry_delay(TaskConf(retry_jitter=False, **numbers), n, ERROR)  # type: ignore[arg-type]
    assert 0 <= plain <= min(longest, LONGEST)
    assert plain / 2 <= retry_delay(TaskConf(**numbers), n, ERROR) <= plain  # type: ignore[arg-type]


def test_jitter_takes_nothing_from_a_seeded_random() -> None:
    """Its state is the user's."""
    random.seed(7)
    before = random.getstate()
    assert len({retry_delay(TaskConf(retry_delay=10), 1, ERROR) for _ in range(20)}) > 1
    assert random.getstate() == before


def test_an_error_decides_before_the_options() -> None:
    """``RetryError(delay=0)`` means now."""
    conf = TaskConf(retry_delay=10)
    assert retry_delay(conf, 1, RetryError(delay=0)) == 0
    assert retry_delay(conf, 1, RetryError(delay=7.5)) == 7.5


@pytest.mark.parametrize("delay", [-1, float("nan"), float("inf")])
def test_a_delay_is_seconds(delay: float) -> None:
    """An error cannot ask for a delay that is none, nor can a callable."""
    with pytest.raises(ValueError, match="give seconds, 0 or more"):
        RetryError(delay=delay)
    with pytest.raises(ValueError, match="must return seconds, 0 or more"):
        retry_delay(TaskConf(retry_delay=lambda _attempt, _error: delay), 1, ERROR)
