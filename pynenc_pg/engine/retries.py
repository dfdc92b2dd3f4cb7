"""How long to wait before the next attempt."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from pynenc_pg.domain.chance import chance
from pynenc_pg.exceptions import RetryError

if TYPE_CHECKING:
    from pynenc_pg.conf.config_task import TaskConf

#: Seconds; a due time further away than ten years is a mistake, and one that a timestamp can hold.
LONGEST = 10 * 365 * 86_400.0


def retry_delay(conf: TaskConf, attempt: int, error: BaseException) -> float:
    """Return the seconds before retry number ``attempt`` (from 1), after ``error``.

    ``RetryError(delay=…)`` says it for itself. A callable ``retry_delay(attempt, error)`` decides
    alone. A number grows by ``retry_backoff`` with each attempt up to ``retry_max_delay``; jitter
    takes up to half of it away, so that what failed together does not come back together.

    Raises:
        ValueError: the callable returned something else than seconds.
    """
    if isinstance(error, RetryError) and error.delay is not None:
        return min(error.delay, LONGEST)
    if callable(conf.retry_delay):
        return _checked(conf.retry_delay(attempt, error))
    try:
        grown = conf.retry_delay * conf.retry_backoff ** (attempt - 1)
    except OverflowError:
        grown = math.inf
    delay = min(grown, conf.retry_max_delay, LONGEST)
    return delay * chance.uniform(0.5, 1) if conf.retry_jitter else delay


def _checked(delay: object) -> float:
    if not isinstance(delay, int | float) or not 0 <= delay < math.inf:
        message = f"retry_delay returned {delay!r}: it must return seconds, 0 or more"
        raise ValueError(message)
    return min(float(delay), LONGEST)
