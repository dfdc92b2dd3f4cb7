"""Tasks of procrastinate. The database comes by environment."""

from __future__ import annotations

import procrastinate

from benchmarks import clock

app = procrastinate.App(connector=procrastinate.PsycopgConnector())


async def _nothing() -> None:
    """Do nothing. A coroutine, as procrastinate advises: others are handed to threads."""


async def _tell(number: int) -> None:
    clock.tell(number)


nothing = app.task(name="nothing")(_nothing)
tell = app.task(name="tell")(_tell)
