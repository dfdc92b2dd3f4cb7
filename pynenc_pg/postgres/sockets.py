"""The sockets below the driver: is there something to read, does an answer take too long?"""

from __future__ import annotations

import contextlib
import os
import select
import socket
import threading
import time
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, Final

import psycopg
from psycopg.pq import PollingStatus

if TYPE_CHECKING:
    from psycopg.pq.abc import PGcancelConn

#: Seconds the server has to answer, by our clock: its own time-outs end nothing when it is frozen,
#: and a runner must not wait for it longer than its lease.
_ANSWER: Final = 10.0
#: Seconds for asking the server to stop.
_ASKING: Final = 5.0
_STEPS: Final = {PollingStatus.READING: select.POLLIN, PollingStatus.WRITING: select.POLLOUT}


def readable(descriptors: Sequence[int], timeout: float) -> set[int]:
    """Sleep until one of these can be read; poll, since select knows only the first thousand."""
    poll = select.poll()
    for descriptor in descriptors:
        poll.register(descriptor, select.POLLIN)
    return {descriptor for descriptor, _ in poll.poll(max(0.0, timeout) * 1000)}


def hung_up(connection: psycopg.Connection[Any]) -> bool:
    """Whether the server has ended this idle session: it has something to say, unasked.

    Found out without a word to the server, so that a restart does not cost a call one failure
    for each session that lies in the pool, nor leave it with an outcome that is not known.
    """
    try:
        return bool(readable([connection.fileno()], 0))
    except (OSError, psycopg.Error):
        return True


@contextlib.contextmanager
def answered(connection: psycopg.Connection[Any], seconds: float | None = None) -> Iterator[None]:
    """Cut the connection when what runs in the block is not answered in time."""
    timer = threading.Timer(_ANSWER if seconds is None else seconds, hang_up, (connection,))
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def hang_up(connection: psycopg.Connection[Any]) -> None:
    """End the socket under whoever waits for it; closing it is left to them.

    The server may not look at it for long: a commit that waits for a synchronous standby does not
    end with its client. So the server is asked to stop as well, by a thread: it may not answer.
    """
    with contextlib.suppress(OSError, psycopg.Error):
        request: PGcancelConn | None = None
        with contextlib.suppress(psycopg.Error):  # a libpq before 17 cannot without blocking all
            request = connection.pgconn.cancel_conn()
        with socket.socket(fileno=os.dup(connection.fileno())) as end:
            # First: what is stopped may be answered as if nothing were amiss.
            end.shutdown(socket.SHUT_RDWR)
        if request is not None:
            threading.Thread(
                target=_ask_to_stop, args=(request,), name="pynenc-cancel", daemon=True
            ).start()


def _ask_to_stop(request: PGcancelConn) -> None:
    """Send it step by step: libpq's own way keeps all threads from running meanwhile."""
    deadline = time.monotonic() + _ASKING
    with contextlib.suppress(OSError, ValueError, psycopg.Error):
        request.start()
        poll = select.poll()
        while (wants := PollingStatus(request.poll())) in _STEPS and time.monotonic() < deadline:
            poll.register(request.socket, _STEPS[wants])
            poll.poll((deadline - time.monotonic()) * 1000)
            poll.unregister(request.socket)
        request.finish()
