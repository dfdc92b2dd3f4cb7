"""Workflows with branches that run at once."""

from __future__ import annotations

import asyncio
from typing import Any

from pynenc_pg import RetryError
from tests.app.workflow_tasks.shared import acount, app, seen


@app.task(max_retries=1)
async def gathers() -> list[Any]:
    """Run branches in another order at each attempt."""
    awf, again = gathers.awf, gathers.invocation.num_retries
    order = range(3) if again else range(2, -1, -1)
    turns = [asyncio.Event() for _ in range(4)]
    turns[order[0]].set()

    async def branch(number: int) -> list[Any]:
        await turns[number].wait()
        first = await awf.random()
        seen.append((again, number))
        turns[number + order.step].set()  # beyond the last: nobody waits for that
        deeper = await awf.gather(awf.uuid(), lambda: leaf(number))
        return [first, *deeper]

    async def leaf(number: int) -> str:
        return f"{number} {await awf.uuid()}"

    values = [*await awf.gather(branch(0), branch(1), branch(2)), await awf.uuid()]
    seen.append(values)
    if not again:
        raise RetryError
    return values


@app.task
async def gathered_sleeps() -> list[Any]:
    """Sleep in one branch, wait in another, and have the third end meanwhile."""
    awf = gathered_sleeps.awf
    seen.append("begun")

    async def asleep(seconds: float) -> str:
        await awf.sleep(seconds)
        return f"slept {seconds}"

    async def waits() -> Any:
        return await awf.wait_for_event("gathered")

    async def ends() -> int:
        await asyncio.sleep(0.01)
        return await awf.step(acount, "ends")

    return list(await awf.gather(asleep(2), asleep(4), waits(), ends()))


@app.task
async def gather_fails() -> list[Any]:
    """Have a branch fail while the others are at work."""

    async def fails() -> None:
        await gather_fails.awf.random()
        raise LookupError

    async def goes_on() -> None:
        try:
            await asyncio.sleep(60)
        finally:
            await asyncio.sleep(0)
            seen.append("cancelled")

    try:
        await gather_fails.awf.gather(goes_on(), fails(), goes_on())
    except LookupError:
        seen.append("failed")
    return [*seen, await gather_fails.awf.step(len, "four")]
