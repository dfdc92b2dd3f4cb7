"""Branches of a workflow that run at once, each with numbers of its own."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Any

from pynenc_pg.engine.suspension import Suspended, swallowed, together
from pynenc_pg.workflow.run import Branch, current

if TYPE_CHECKING:
    from pynenc_pg.workflow.place import Place

Part = Awaitable[Any] | Callable[[], Awaitable[Any]]


async def gathered(place: Place, parts: Sequence[Part]) -> tuple[Any, ...]:
    """Return the results of all, in their order.

    Raises:
        Suspended: one of them goes on later, and the others have ended, or go on later, too.
        BaseException: what the first one that failed has raised.
    """
    tasks = [
        asyncio.ensure_future(_run(Branch(place.branch.run, f"{place.path}.{number}."), part))
        for number, part in enumerate(parts, 1)
    ]
    if not tasks:
        return ()
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
    finally:
        await _end(tasks)
        for part in parts:
            if inspect.iscoroutine(part):
                part.close()  # one that was cancelled before its first line
    for task in tasks:
        if task in done and task.exception() is not None:
            await task
    ends = [task.result() for task in tasks]
    asleep = [end for end in ends if isinstance(end, Suspended)]
    if asleep:
        raise place.branch.suspend_with(together(asleep))
    return tuple(ends)


async def _end(tasks: Sequence[asyncio.Task[Any]]) -> None:
    """Let none of them go on, whoever has failed or was cancelled."""
    going_on = [task for task in tasks if not task.done()]
    for task in going_on:
        task.cancel()
    if going_on:
        await asyncio.wait(going_on)
    for task in tasks:
        if not task.cancelled():
            task.exception()  # so that nobody says it was never looked at


async def _run(branch: Branch, part: Part) -> Any:
    """Return the result of a branch; what was raised to take it off the stack is returned."""
    branch.home = asyncio.current_task()
    current.set(branch)
    try:
        result = await (part() if callable(part) else part)
    except Suspended as suspended:
        return suspended
    except asyncio.CancelledError:
        raise
    except BaseException as error:
        if branch.suspended is not None:
            raise swallowed(branch.suspended) from error
        raise
    if branch.suspended is not None:
        raise swallowed(branch.suspended)
    return result
