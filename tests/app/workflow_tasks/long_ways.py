"""Workflows that do one of each, to be interrupted anywhere."""

from __future__ import annotations

from typing import Any

from tests.app.workflow_tasks.sagas import refund
from tests.app.workflow_tasks.shared import app, noted


@app.task
def long_way(number: int) -> list[Any]:
    """Do one of each, and call three tasks, two of them at once."""
    wf = long_way.wf
    values: list[Any] = [wf.random(), wf.uuid(), wf.utc_now().isoformat()]
    wf.set_data("number", number)
    first = wf.execute_task(noted, number)
    second = wf.execute_task(noted, number + 1)
    values += [first.result, second.result, wf.get_data("number")]
    wf.sleep(5)
    values.append(wf.wait_for_event("long way", {"number": number}))
    if wf.patched("newer"):
        values.append(wf.step(str, number))
    with wf.saga() as saga:
        saga.add(refund, number)
        values.append(wf.execute_task(noted, number + 2).result)
    return values


@app.task
async def wide_way(number: int) -> list[Any]:
    """Do much of it in branches."""
    awf = wide_way.awf

    async def branch(shift: int) -> list[Any]:
        called = await awf.execute_task(noted, number + shift)
        await awf.sleep(5 + 2 * shift)
        return [await awf.random(), await called.async_result(), await awf.uuid()]

    return [
        await awf.utc_now(),
        *await awf.gather(branch(0), branch(1), branch(2)),
        await awf.wait_for_event("long way", lambda payload: bool(payload["number"] == number)),
    ]
