"""Workflows that go on later, or wait."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from pynenc_pg.exceptions import EventTimeoutError
from tests.app.workflow_tasks.replays import fails_first
from tests.app.workflow_tasks.shared import app, gate, seen


@app.task
def sleeps_after_failure() -> list[str]:
    """Know of a failure when it goes on later, which is no retry."""
    try:
        sleeps_after_failure.wf.execute_task(fails_first, "late").result  # noqa: B018
    except LookupError:
        sleeps_after_failure.wf.sleep(2)
        return ["failed", *[s for s in seen if s == "late"]]
    return ["not failed"]


@app.task
def sleeps(seconds: float) -> list[Any]:
    """Sleep, and tell how often it began."""
    seen.append("begun")
    before = sleeps.wf.utc_now()
    try:
        sleeps.wf.sleep(timedelta(seconds=seconds))
    finally:
        seen.append("finally")
    return [(sleeps.wf.utc_now() - before).total_seconds(), seen.count("begun")]


@app.task
def sleeps_until(end: str) -> str:
    """Sleep until a time."""
    sleeps_until.wf.sleep(until=datetime.fromisoformat(end))
    return sleeps_until.wf.utc_now().isoformat()


@app.task
def hears(code: str, timeout: float | None = None) -> list[Any]:
    """Wait for two events of a code, of those that are wanted."""
    wf = hears.wf
    found = []
    for _ in range(2):
        try:
            found.append(wf.wait_for_event(code, {"wanted": True}, timeout=timeout)["n"])
        except EventTimeoutError:
            found.append("late")
    return [*found, wf.random()]


@app.task
def hears_odd(code: str) -> Any:
    """Wait for what a function accepts."""
    return hears_odd.wf.wait_for_event(code, lambda payload: payload % 2 == 1)


@app.task
def rests() -> list[Any]:
    """Pause."""
    first = rests.wf.uuid()
    rests.wf.pause("look at it")
    return [first, rests.wf.uuid()]


@app.task
def two_steps() -> str:
    """Be paused between two steps."""
    two_steps.wf.random()
    seen.append("between")
    gate.wait(20)
    two_steps.wf.random()
    return "done"


@app.task
def swallows(how: str) -> str:
    """Catch what it must not."""
    try:
        swallows.wf.sleep(100)
    except BaseException:  # noqa: BLE001 - that is what is tested
        if how == "raises":
            raise LookupError(how) from None
        if how == "goes on":
            swallows.wf.random()
    return how


@app.task
def returns_in_finally() -> str:
    """Return where it is to go on later."""
    try:
        returns_in_finally.wf.pause()
    finally:
        return "swallowed"  # noqa: B012 - that is what is tested


@app.task
def calls_and_waits() -> int:
    """Have a child that never ends."""
    return calls_and_waits.wf.execute_task(never).result


@app.task
def never() -> int:
    """Wait for the gate."""
    seen.append("never")
    gate.wait(30)
    never.invocation  # noqa: B018 - raises if it was cancelled
    return 1


@app.task
def waits_in_vain() -> Any:
    """Let the timeout end it."""
    return waits_in_vain.wf.wait_for_event("vain", timeout=timedelta(minutes=1))
