"""Poolers, such as PgBouncer: is one there, and does it leave a session to us alone?

In session mode it does: what we LISTEN for arrives, and a lock of the session is ours. In
transaction mode each transaction may run in another session of the server, and nothing says so:
LISTEN is accepted and never heard of again, a session lock is shared with strangers and outlives
us.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from queue import Empty, SimpleQueue
from typing import Any, Final

import psycopg

from pynenc_pg.exceptions import PynencError, StoreUnavailableError

#: Sends an empty hint to a channel, over whatever connection; answers which server process did it.
NOTIFY: Final = "select pg_backend_pid() from pg_notify(%s, '[]')"
_OWN: Final = b"select pg_backend_pid()"
#: Seconds in which the hint must have been sent, and then arrive: it takes a millisecond.
_SENT: Final = 5.0
_ARRIVES: Final = 1.0


def stands_before(connection: psycopg.Connection[Any]) -> bool:
    """Whether a pooler is between: it makes up the process number that we get as we connect."""
    return _process(connection) != connection.info.backend_pid


def leaves_session(
    connection: psycopg.Connection[Any], channel: str, notify: Callable[[str], int]
) -> bool:
    """LISTEN on the channel; whether what is sent there arrives, as it does in session mode.

    ``notify`` runs ``NOTIFY`` over another connection to the same database, in a thread of its own.

    Raises:
        StoreUnavailableError: nothing could be sent, so nothing is known.
    """
    connection.execute(f'listen "{channel}"'.encode())
    ours = _process(connection)
    theirs = _sent(notify, channel)
    # Two connections that are both open were served by one session: no need to wait in vain.
    if ours != theirs and any(
        hint.channel == channel for hint in connection.notifies(timeout=_ARRIVES, stop_after=1)
    ):
        return True
    # Leave nothing behind in a session of others, so far as this one is it.
    connection.execute(f'unlisten "{channel}"'.encode())
    return False


def _process(connection: psycopg.Connection[Any]) -> int:
    row = connection.execute(_OWN).fetchone()
    return int(row[0]) if row else 0


def _sent(notify: Callable[[str], int], channel: str) -> int:
    """Have it sent; the other connection must not keep us longer than our own would."""
    answer: SimpleQueue[int | Exception] = SimpleQueue()

    def send() -> None:
        try:
            answer.put(notify(channel))
        except (PynencError, psycopg.Error) as error:
            answer.put(error)

    threading.Thread(target=send, name="pynenc-notify", daemon=True).start()
    try:
        found = answer.get(timeout=_SENT)
    except Empty:
        found = TimeoutError(f"no answer within {_SENT:.0f} s")
    if isinstance(found, Exception):
        message = f"the pooler gives us no second connection to the database: {found}"
        raise StoreUnavailableError(message) from found
    return found
