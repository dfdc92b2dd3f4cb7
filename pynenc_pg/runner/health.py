"""How a runner is: what a probe is told, and what is concluded from which signs of life."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pynenc_pg.conf.config_runner import RunnerConf

#: Seconds for which the loop may be busy with one thing while the database answers others. Its
#: slowest call ends after that of ``statement_timeout`` and its repetitions.
STUCK: Final = 120.0
#: The same while the database does not answer: a server that is frozen, and still takes part in
#: TCP, keeps a call waiting. A new process would not get stuck there, so it is restarted once.
STUCK_IN_OUTAGE: Final = 300.0


@dataclass(frozen=True, slots=True)
class Health:
    """What a runner says of itself.

    ``alive`` is false where nothing but a new process helps: an outage of the database is none of
    that. ``ready`` is false while it takes no work, for whatever reason; ``reason`` tells it.
    """

    alive: bool
    ready: bool
    reason: str = ""
    runner_id: str | None = None
    running: int = 0
    waiting: int = 0  # for others, without a place
    since_heartbeat: float | None = None  # seconds since the database last confirmed one


@dataclass(frozen=True, slots=True)
class Registration:
    """Signs of life of one registration."""

    runner_id: str
    running: int
    waiting: int
    since_heartbeat: float | None  # None: not registered yet
    answered: bool  # the database, when it was last told that we live
    fenced: bool


class Pulse:
    """When the loop of a runner was last seen to turn."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """Begin now."""
        self._clock = clock
        self._at = clock()

    def beat(self) -> None:
        """The loop turns. By the thread of the loop."""
        self._at = self._clock()

    @property
    def age(self) -> float:
        """Seconds since then."""
        return self._clock() - self._at


def conclude(
    found: Registration | None, *, pulse_age: float, stopping: bool, conf: RunnerConf
) -> Health:
    """Conclude how a runner is; ``found`` is None between two registrations, and in an outage."""
    if found is None:
        stuck = pulse_age > STUCK_IN_OUTAGE
        reason = _turned(pulse_age) if stuck else "stopping" if stopping else "not registered"
        return Health(alive=not stuck, ready=False, reason=reason)
    dead = _why_dead(found, pulse_age, conf)
    reason = dead or _why_not_ready(found, conf, stopping=stopping)
    return Health(
        alive=not dead,
        ready=not reason,
        reason=reason,
        runner_id=found.runner_id,
        running=found.running,
        waiting=found.waiting,
        since_heartbeat=found.since_heartbeat,
    )


def _why_dead(found: Registration, pulse_age: float, conf: RunnerConf) -> str:
    since = found.since_heartbeat
    if not found.fenced and since is not None and since > conf.lease + STUCK:
        # In an outage it would have fenced itself before the end of its lease.
        return f"no sign of life from the heartbeat for {since:.0f} s, and it is not fenced"
    answers = found.answered and not found.fenced and _is_fresh(found, conf)
    if pulse_age > (STUCK if answers else STUCK_IN_OUTAGE):
        return _turned(pulse_age)
    return ""


def _why_not_ready(found: Registration, conf: RunnerConf, *, stopping: bool) -> str:
    if stopping:
        return "stopping"
    if found.fenced:
        return "fenced, it begins anew"
    if found.since_heartbeat is None:
        return "not registered"
    if not found.answered:
        return "the database does not answer"
    if not _is_fresh(found, conf):
        return f"the lease was not renewed for {found.since_heartbeat:.0f} s"
    return ""


def _is_fresh(found: Registration, conf: RunnerConf) -> bool:
    """Whether the lease was renewed lately: half-way between a heartbeat and its end at most."""
    since = found.since_heartbeat
    return since is not None and since <= (conf.heartbeat + conf.lease) / 2


def _turned(age: float) -> str:
    return f"the loop has not turned for {age:.0f} s"
