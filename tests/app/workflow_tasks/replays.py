"""Workflows that are tried again, and read back what they have done."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import time
from pathlib import Path
from typing import Any

from pynenc_pg import RetryError
from tests.app.workflow_tasks.shared import acount, app, count, noted, seen, switches


@app.task(max_retries=2)
def all_kinds(number: int) -> list[Any]:
    """Do one of each, and fail twice after it."""
    wf = all_kinds.wf
    values = [
        wf.random(),
        wf.uuid(),
        wf.utc_now().isoformat(),
        wf.set_data("number", number),  # type: ignore[func-returns-value]
        wf.get_data("number"),
        wf.get_data("other", "none"),
        wf.step(count, "step"),
        wf.execute_task(noted, number).result,
        wf.execute_task(noted, number).result,
    ]
    seen.append(values)
    if all_kinds.invocation.num_retries < 2:
        raise RetryError
    return values


@app.task(max_retries=1, retry_for=LookupError)
def retried_child() -> str:
    """Fail with a child that fails the first time."""
    return retried_child.wf.execute_task(fails_first, "retried").result


@app.task
def fails_first(name: str) -> str:
    """Fail the first time."""
    if count(name) == 1:
        raise LookupError(name)
    return f"{name} {seen.count(name)}"


@app.task(max_retries=1, retry_for=LookupError)
def survives() -> list[str]:
    """Go on after a child's failure, and be retried after that."""
    wf, found = survives.wf, []
    try:
        found.append(wf.execute_task(fails_first, "survived").result)
    except LookupError:
        found.append("failed")
    found.append(wf.execute_task(fails_first, "retried").result)
    return found


@app.task(max_retries=1)
def changes() -> float:
    """Do something else the second time."""
    if changes.invocation.num_retries:
        return changes.wf.execute_task(noted, 1).result
    changes.wf.random()
    raise RetryError


@app.task(max_retries=1)
def changes_arguments() -> int:
    """Call a task with other arguments the second time."""
    called = changes_arguments.wf.execute_task(noted, changes_arguments.invocation.num_retries)
    if not changes_arguments.invocation.num_retries:
        raise RetryError
    return called.result


@app.task(max_retries=1)
def is_patched() -> list[Any]:
    """Have been begun before the patch, if that is switched on."""
    wf = is_patched.wf
    if "patch" in switches:
        found: list[Any] = [wf.patched("more"), wf.random(), wf.patched("end")]
    else:
        found = [None, wf.random(), None]
    if not is_patched.invocation.num_retries:
        switches.add("patch")
        seen.append(found)
        raise RetryError
    return found


@app.task(max_retries=1)
async def async_kinds(number: int) -> list[Any]:
    """Do one of each, and fail once after it."""
    awf = async_kinds.awf
    values = [
        await awf.random(),
        await awf.uuid(),
        (await awf.utc_now()).isoformat(),
        await awf.set_data("number", number),  # type: ignore[func-returns-value]
        await awf.get_data("number"),
        await awf.step(count, "step"),
        await awf.step(acount, "astep"),
        await (await awf.execute_task(noted, number)).async_result(),
        await awf.patched("newer"),
        *await asyncio.gather(awf.random(), awf.uuid()),
    ]
    seen.append(values)
    if not async_kinds.invocation.num_retries:
        raise RetryError
    return values


@app.task(max_retries=1)
def one_of_many(number: int) -> list[Any]:
    """Do the same as others, at the same time."""
    wf = one_of_many.wf
    made = [number, wf.random(), wf.uuid(), wf.execute_task(noted, number).result]
    wf.set_data("number", number)
    time.sleep(0.001 * (number % 3))
    wf.set_data("made", made)
    if not one_of_many.invocation.num_retries:
        raise RetryError
    return [made, wf.get_data("made"), wf.get_data("number")]


@app.task
def too_large() -> None:
    """Record more than a step may have."""
    too_large.wf.set_data("text", "x" * 1_000_001)


@app.task
def calls_in_a_step() -> int:
    """Have a workflow called by the function of a step."""
    return calls_in_a_step.wf.step(result_of_another)


def result_of_another() -> int:
    """Call a workflow that is none of the caller's steps."""
    return len(all_kinds(4).result) - 1


@app.task
def dies_once(marker: str) -> list[Any]:
    """Take its worker along, the first time, with some steps done and a task called."""
    wf = dies_once.wf
    values = [wf.random(), wf.uuid(), wf.utc_now().isoformat()]
    called = wf.execute_task(noted, 3)
    values.append(called.result)
    known = Path(marker)
    if not known.exists():
        known.write_text(json.dumps(values), encoding="utf-8")
        os.kill(os.getpid(), signal.SIGKILL)
    return [*values, wf.random()]
