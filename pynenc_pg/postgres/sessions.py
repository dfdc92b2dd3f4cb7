"""How a session is set up: who we are, how ids are read, and an end to every wait."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from psycopg.adapt import Loader
from psycopg.conninfo import conninfo_to_dict

from pynenc_pg.postgres.sockets import answered

if TYPE_CHECKING:
    import psycopg
    from psycopg.abc import Buffer

#: Seconds a new session may take to be set up: as long as it may take to connect.
SECONDS: Final = 5.0
#: Every wait has an end, on both sides of the wire. Milliseconds where no unit stands.
_SERVER: Final = {
    "statement_timeout": "60s",
    "lock_timeout": "10s",
    "idle_in_transaction_session_timeout": "60s",
    "tcp_keepalives_idle": "2",
    "tcp_keepalives_interval": "1",
    "tcp_keepalives_count": "2",
    "tcp_user_timeout": "3000",
}
_CLIENT: Final = {
    "connect_timeout": "5",
    "keepalives_idle": "2",
    "keepalives_interval": "1",
    "keepalives_count": "2",
    "tcp_user_timeout": "3000",
}
#: Sets all of them, or none and returns no row: behind a pooler the session is not ours alone, and
#: what is set there stays for whoever gets it next. A pooler gives itself away by the process
#: number that it made up when we connected.
_SET: Final = "select " + ", ".join(
    f"set_config('{name}', '{value}', false)" for name, value in _SERVER.items()
)
_SET_UNLESS_POOLED: Final = _SET + " where pg_backend_pid() = {pid}"
#: What DISCARD ALL does, but for the plans of our functions, which are good for the next one too.
_CLEAN: Final = (
    "reset session authorization; reset role; reset all; close all; unlisten *; deallocate all; "
    "select pg_advisory_unlock_all(); discard sequences; discard temp; " + _SET
)


class _TextUuid(Loader):
    """Ids are text in Python: no object is made for each."""

    def load(self, data: Buffer) -> str:
        return bytes(data).decode()


def arguments(dsn: str, name: str) -> dict[str, Any]:
    """What a DSN leaves to us: who we are, and when a silent network is noticed.

    Nothing of it is an option for the server, which poolers refuse.
    """
    given = conninfo_to_dict(dsn)
    ours = {"application_name": name, **_CLIENT}
    return {key: value for key, value in ours.items() if key not in given}


def set_up(connection: psycopg.Connection[Any]) -> bool:
    """Set a new session up, in one statement; whether a pooler stands in front of it.

    There nothing is set, and no statement is ever prepared: the next one may run elsewhere.
    """
    connection.adapters.register_loader("uuid", _TextUuid)
    query = _SET_UNLESS_POOLED.format(pid=connection.info.backend_pid)
    with answered(connection, SECONDS):  # nothing else is opened while the pool waits for this
        if connection.execute(query.encode()).fetchall():
            return False
    connection.prepare_threshold = None
    return True


def clean_up(connection: psycopg.Connection[Any]) -> None:
    """Take away what a task has left in a session of ours, but not where a pooler shares it out."""
    connection.execute(_CLEAN.encode())
