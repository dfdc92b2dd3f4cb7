"""Threads and loops that act in the name of a workflow."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor

from pynenc_pg.exceptions import WorkflowError
from tests.app.workflow_tasks.later import sleeps
from tests.app.workflow_tasks.shared import app, noted


@app.task
def in_a_thread() -> list[str]:
    """Use it in another thread, and in a loop of its own."""

    async def in_loop() -> None:
        in_a_thread.wf.random()

    said = []
    for attempt in (
        lambda: ThreadPoolExecutor(1).submit(in_a_thread.wf.random).result(),
        lambda: asyncio.run(asyncio.to_thread(in_a_thread.wf.random)),
        lambda: asyncio.run(in_loop()),
        in_a_thread.awf.random,
        lambda: in_a_thread.wf.step(in_a_thread.wf.random),
        lambda: in_a_thread.wf.step(noted, 1),
        sleeps.wf.random,
    ):
        try:
            attempt()
        except WorkflowError as error:
            said.append(str(error))
    return said


@app.task
async def in_a_coroutine() -> list[str]:
    """Use it in another asyncio task, and in a thread."""

    async def foreign() -> float:
        return await in_a_coroutine.awf.random()

    async def in_thread() -> float:
        return await (await asyncio.to_thread(in_a_coroutine.awf.random))

    async def plain() -> float:
        return in_a_coroutine.wf.random()

    said = []
    for attempt in (asyncio.create_task(foreign()), in_thread(), plain()):
        try:
            await attempt
        except WorkflowError as error:
            said.append(str(error))
    return said
