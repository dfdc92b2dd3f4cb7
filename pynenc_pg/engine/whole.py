"""What a coroutine must not leave half done when it is cancelled."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


async def to_its_end(what: Coroutine[Any, Any, T]) -> T:
    """Await it whole, whoever cancels meanwhile: that comes out after it."""
    doing = asyncio.ensure_future(what)
    cancelled: asyncio.CancelledError | None = None
    while not doing.done():
        try:
            await asyncio.wait([doing])
        except asyncio.CancelledError as error:
            cancelled = error
    if cancelled is not None and not doing.cancelled() and doing.exception() is None:
        raise cancelled
    return doing.result()
