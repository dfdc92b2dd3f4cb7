"""What is concluded from signs of life: when to restart, and when to wait."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pynenc_pg.conf.config_runner import RunnerConf
from pynenc_pg.runner.base import BaseRunner
from pynenc_pg.runner.health import (
    STUCK,
    STUCK_IN_OUTAGE,
    Health,
    Pulse,
    Registration,
    conclude,
)

CONF = RunnerConf(heartbeat=10, lease=30)
GOOD = Registration(
    runner_id="me", running=2, waiting=1, since_heartbeat=3.0, answered=True, fenced=False
)


def _conclude(
    found: Registration | None = GOOD, pulse_age: float = 1.0, *, stopping: bool = False
) -> Health:
    return conclude(found, pulse_age=pulse_age, stopping=stopping, conf=CONF)


def test_in_good_days() -> None:
    """Alive and ready, and it tells what it has."""
    assert _conclude() == Health(
        alive=True,
        ready=True,
        runner_id="me",
        running=2,
        waiting=1,
        since_heartbeat=3.0,
    )


@pytest.mark.parametrize(
    ("found", "pulse_age", "reason"),
    [
        (None, 1, "not registered"),
        (None, STUCK_IN_OUTAGE - 1, "not registered"),
        (replace(GOOD, since_heartbeat=None), 1, "not registered"),
        (replace(GOOD, answered=False), 1, "the database does not answer"),
        (replace(GOOD, answered=False), STUCK_IN_OUTAGE - 1, "the database does not answer"),
        (replace(GOOD, since_heartbeat=20.1), 1, "the lease was not renewed for 20 s"),
        (replace(GOOD, since_heartbeat=25), STUCK + 1, "the lease was not renewed for 25 s"),
        (replace(GOOD, fenced=True), 1, "fenced, it begins anew"),
        (replace(GOOD, fenced=True), STUCK + 1, "fenced, it begins anew"),
        (replace(GOOD, fenced=True, since_heartbeat=9999), 1, "fenced, it begins anew"),
    ],
)
def test_an_outage_is_waited_for(found: Registration | None, pulse_age: float, reason: str) -> None:
    """Without the database it is not ready; a new process would not be either, so it is alive."""
    health = _conclude(found, pulse_age)
    assert (health.alive, health.ready, health.reason) == (True, False, reason)


@pytest.mark.parametrize(
    ("found", "pulse_age", "reason"),
    [
        (GOOD, STUCK + 1, "the loop has not turned for 121 s"),
        (replace(GOOD, answered=False), STUCK_IN_OUTAGE + 1, "the loop has not turned for 301 s"),
        (replace(GOOD, fenced=True), STUCK_IN_OUTAGE + 1, "the loop has not turned for 301 s"),
        (None, STUCK_IN_OUTAGE + 1, "the loop has not turned for 301 s"),
        (
            replace(GOOD, since_heartbeat=30 + STUCK + 1),
            1,
            "no sign of life from the heartbeat for 151 s, and it is not fenced",
        ),
    ],
)
def test_what_only_a_new_process_mends(
    found: Registration | None, pulse_age: float, reason: str
) -> None:
    """A loop that is stuck while the database answers, or for minutes; a heartbeat that is gone."""
    health = _conclude(found, pulse_age)
    assert (health.alive, health.ready, health.reason) == (False, False, reason)


@pytest.mark.parametrize("found", [GOOD, None])
def test_a_stop(found: Registration | None) -> None:
    """It takes no work any more, and lives until its tasks have ended."""
    health = _conclude(found, stopping=True)
    assert (health.alive, health.ready, health.reason) == (True, False, "stopping")


def test_the_pulse() -> None:
    """It is as old as the last beat."""
    now = 100.0
    pulse = Pulse(lambda: now)
    now = 103.0
    assert pulse.age == 3
    pulse.beat()
    assert pulse.age == 0


def test_a_runner_that_implements_the_least() -> None:
    """It is alive and ready, begins anew for new code, and stops at once as it stops."""

    class Least(BaseRunner):
        stopped = 0

        def run(self) -> None:
            """Do nothing."""

        def stop_runner_loop(self) -> None:
            self.stopped += 1

    runner = Least(engine=None, conf=CONF)  # type: ignore[arg-type]
    runner.stop_at_once()
    assert runner.stopped == 1
    assert runner.health() == Health(alive=True, ready=True)
    assert runner.reload() is False
    assert runner.gave_back == 0
