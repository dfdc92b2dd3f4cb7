"""What keeps pages up to date: the database's hints, passed on as server-sent events.

A hint says that something may have changed, never what: pages then ask for themselves again.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
import time
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Final

import psycopg
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse

from pynenc_pg.exceptions import PynencError

if TYPE_CHECKING:
    from pynenc_pg.monitor.database import MonitorDatabase
    from pynenc_pg.monitor.identity import Sessions

logger = logging.getLogger(__name__)

#: Seconds between two hints at least, and at most: what runs busily sends none.
_LEAST: Final = 1.0
_MOST: Final = 5.0
_LOOK: Final = 0.5
#: Pages that follow at once; of others the reader loads them again.
_STREAMS: Final = 200


class Hints:
    """One thread listens, as long as there is a page that wants to know."""

    def __init__(self, database: MonitorDatabase, sessions: Sessions) -> None:
        """Nothing is opened before the first page."""
        self._database = database
        self._sessions = sessions
        self._wanting: set[asyncio.Event] = set()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._closed = threading.Event()

    async def stream(self, request: Request) -> Response:
        """Answer a page that wants to know."""
        if len(self._wanting) >= _STREAMS:
            return PlainTextResponse("too many pages follow already\n", 503)
        return StreamingResponse(
            self._events(request),
            media_type="text/event-stream",
            headers={"x-accel-buffering": "no"},
        )

    def end(self) -> None:
        """End all streams, from within the loop that they run in."""
        self._closed.set()
        for changed in list(self._wanting):
            changed.set()

    def close(self) -> None:
        """End the thread, too."""
        self.end()
        thread = self._thread
        if thread is not None:
            thread.join(timeout=10)

    async def _events(self, request: Request) -> AsyncIterator[str]:
        changed = asyncio.Event()
        self._want(changed)
        try:
            yield "retry: 3000\n\n"
            while not await request.is_disconnected():
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(changed.wait(), _MOST)
                if self._closed.is_set():
                    break
                if not self._sessions.goes_on(request.state.visit.identity):
                    break
                changed.clear()
                yield "event: changed\ndata: .\n\n"
                await asyncio.sleep(_LEAST)
        finally:
            with self._lock:
                self._wanting.discard(changed)

    def _want(self, changed: asyncio.Event) -> None:
        with self._lock:
            self._wanting.add(changed)
            self._loop = asyncio.get_running_loop()
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(
                    target=self._listen, name="pynenc-monitor-hints", daemon=True
                )
                self._thread.start()

    def _listen(self) -> None:
        """Listen until nobody wants to know any more; a lost connection is opened again."""
        while self._is_wanted():
            try:
                with self._database.listen() as connection:
                    self._hear(connection)
            except (psycopg.Error, PynencError) as error:
                logger.debug("monitor.deaf: no hints, pages look every few seconds: %s", error)
                self._closed.wait(_MOST)

    def _is_wanted(self) -> bool:
        """Whether to go on; decided at once, or a page might trust in a thread that ends."""
        with self._lock:
            wanted = bool(self._wanting) and not self._closed.is_set()
            if not wanted:
                self._thread = None
            return wanted

    def _hear(self, connection: psycopg.Connection[tuple[object, ...]]) -> None:
        while self._wanting and not self._closed.is_set():
            if any(True for _ in connection.notifies(timeout=_LOOK)):
                self._tell()
                time.sleep(_LEAST / 4)

    def _tell(self) -> None:
        loop = self._loop
        if loop is None or loop.is_closed():
            return
        for changed in list(self._wanting):
            loop.call_soon_threadsafe(changed.set)
