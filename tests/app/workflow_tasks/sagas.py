"""Workflows that undo what they have done."""

from __future__ import annotations

from typing import NoReturn

from pynenc_pg import RetryError
from pynenc_pg.exceptions import Snooze
from tests.app.workflow_tasks.shared import acount, app, count, noted, seen, switches


@app.task
def refund(number: int) -> None:
    """Undo a payment."""
    seen.append(("refund", number))


@app.task
def cannot_undo() -> None:
    """Fail to undo."""
    seen.append("cannot")
    raise LookupError


@app.task(max_retries=1)
def ships(how: str) -> str:
    """Do things that are undone if it fails for good."""
    wf = ships.wf
    with wf.saga() as saga:
        wf.execute_task(noted, 1).result  # noqa: B018
        saga.add(refund, 1)
        saga.add(count, "undone")
        saga.add(cannot_undo)
        if how == "fails":
            raise KeyError(how)
        if how == "retries":
            raise RetryError(how)
        if how == "sleeps":
            wf.sleep(5)
    return "shipped"


@app.task
async def ships_async() -> None:
    """Undo with functions of both kinds, and tasks."""
    async with ships_async.awf.saga() as saga:
        saga.add(refund, 2)
        saga.add(acount, "aundone")
        saga.add(count, "undone")
        raise KeyError


def fail(how: str) -> NoReturn:
    """Raise something that is not tried again."""
    raise KeyError(how)


@app.task
def nested_sagas(how: str) -> str:
    """Fail in the inner one, and go on or not."""
    wf = nested_sagas.wf
    with wf.saga() as outside:
        outside.add(count, "outer")
        wf.random()
        try:
            with wf.saga() as inside:
                wf.random()
                inside.add(count, "inner")
                fail(how)
        except KeyError:
            if how == "both":
                raise
        wf.random()
    wf.random()
    return "done"


@app.task
def changes_its_mind() -> str:
    """Undo something, sleep, and do as if that had not been."""
    wf = changes_its_mind.wf
    fails = "mind" not in switches
    try:
        with wf.saga() as saga:
            wf.random()
            saga.add(count, "undone")
            if fails:
                fail("mind")
    except KeyError:
        switches.add("mind")
        wf.sleep(0.0)
        raise Snooze(0) from None
    return "shipped"
