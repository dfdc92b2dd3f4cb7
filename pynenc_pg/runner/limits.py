"""Ends attempts that have had their time, and those whose cancellation was asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from pynenc_pg.engine.verdicts import cancelled, time_limit, too_long

if TYPE_CHECKING:
    from pynenc_pg.domain.records import Claimed
    from pynenc_pg.engine.registry import Registry
    from pynenc_pg.runner.alarms import Alarm, Alarms

#: Seconds that an attempt has for its last words once it was asked to stop.
GRACE = 1.0


class Attempt(Protocol):
    """An attempt as its executor knows it."""

    claimed: Claimed
    alarm: Alarm | None

    @property
    def asked(self) -> bool:
        """Whether it was told to stop."""
        ...

    def ask(self, error: BaseException, *, at_once: bool) -> None:
        """Have it stop with this error. Any thread."""
        ...

    def give_up(self) -> bool:
        """End it without its task, which does not listen; False: not now, ask again."""
        ...


class Limits:
    """What an executor needs to know of the attempts that it may have to stop."""

    def __init__(self, alarms: Alarms, registry: Registry) -> None:
        """Nothing is started before there is a limit."""
        self._alarms = alarms
        self._registry = registry

    def of(self, claimed: Claimed) -> float | None:
        """Return the seconds that an attempt may take."""
        task = self._registry.find(claimed.task_id)
        return None if task is None else time_limit(claimed, task)

    def watch(self, attempt: Attempt, seconds: float) -> None:
        """Have it stop when it has had its time."""
        attempt.alarm = self._alarms.set(seconds, lambda: self._too_long(attempt, seconds))

    def cancel(self, attempt: Attempt) -> None:
        """Have it stop, since nobody wants its end."""
        if not attempt.asked:
            attempt.ask(cancelled(attempt.claimed), at_once=False)

    def insist(self, attempt: Attempt) -> None:
        """Give it up soon, unless it stops."""
        attempt.alarm = self._alarms.set(GRACE, lambda: self._stuck(attempt))

    def settle(self, attempt: Attempt) -> None:
        """It has ended by itself."""
        if attempt.alarm is not None:
            self._alarms.take_back(attempt.alarm)

    def _too_long(self, attempt: Attempt, seconds: float) -> None:
        attempt.ask(too_long(attempt.claimed, seconds), at_once=True)
        self.insist(attempt)

    def _stuck(self, attempt: Attempt) -> None:
        if not attempt.give_up():
            self.insist(attempt)
