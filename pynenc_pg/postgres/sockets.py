"""The sockets below the driver: is there something to read, does an answer take too long?"""

from __future__ import annotations

import contextlib
import os
import select
import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

import psycopg

#: Seconds the server has to answer, by our clock: its own time-outs end nothing when it is frozen,
#: and a runner must not wait for it longer than its lease.
_ANSWER: Final = 10.0


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
        stop = _stopping(connection)
        with socket.socket(fileno=os.dup(connection.fileno())) as end:
            # First: what is stopped may be answered as if nothing were amiss.
            end.shutdown(socket.SHUT_RDWR)
        threading.Thread(target=stop, name="pynenc-cancel", daemon=True).start()


def _stopping(connection: psycopg.Connection[Any]) -> Callable[[], None]:
    """Make what asks the server to stop; it needs the connection no more."""
    try:
        ask: Callable[[], None] = connection.pgconn.cancel_conn().blocking
    except psycopg.NotSupportedError:  # a libpq before 17
        ask = connection.pgconn.get_cancel().cancel

    def stop() -> None:
        with contextlib.suppress(psycopg.Error):
            ask()

    return stop
