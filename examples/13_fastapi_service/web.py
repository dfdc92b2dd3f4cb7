"""The service: it takes orders, tells how they stand, and executes nothing itself."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI, HTTPException
from pynenc_pg.exceptions import InvocationNotFoundError, ResultTimeoutError

import tasks


@asynccontextmanager
async def lifespan(_: FastAPI) -> AsyncIterator[None]:
    yield
    tasks.app.close()


web = FastAPI(lifespan=lifespan)


@web.post("/totals", status_code=202)
async def start(prices: list[int]) -> dict[str, str]:
    invocation = await tasks.total.acall(prices)  # the loop goes on meanwhile
    return {"id": invocation.invocation_id}


@web.get("/totals/{invocation_id}")
def look(invocation_id: str, wait: float = 0.0) -> dict[str, object]:
    try:
        invocation = tasks.app.get_invocation(invocation_id)
    except InvocationNotFoundError:
        raise HTTPException(404) from None
    if not invocation.status.is_final() and not wait:
        return {"status": invocation.status}
    try:
        return {"status": "success", "total": invocation.result_or_raise(timeout=wait)}
    except ResultTimeoutError:
        return {"status": invocation.status}
