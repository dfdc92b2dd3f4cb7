"""Sessions that are with a server which takes no writes any more, as after a failover."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest
from psycopg import sql

from pynenc_pg import Pynenc
from pynenc_pg.exceptions import StoreUnavailableError
from pynenc_pg.postgres import database
from tests.app import tasks

pytestmark = pytest.mark.parametrize("app", ["postgres"], indirect=True)


class Server:
    """Says whether sessions that begin from now on may write."""

    def __init__(self, connection: psycopg.Connection[tuple[object, ...]]) -> None:
        self._connection = connection

    def takes_writes(self, *, writes: bool) -> None:
        """Sessions that have begun stay as they are."""
        [[name]] = self._connection.execute("select current_database()").fetchall()
        setting = sql.SQL("alter database {} set default_transaction_read_only = {}")
        self._connection.execute(
            setting.format(sql.Identifier(str(name)), sql.Literal("off" if writes else "on"))
        )


@pytest.fixture
def server(app: Pynenc) -> Iterator[Server]:
    """The database of the app; it takes writes in the end."""
    assert app.conf.postgres.dsn is not None
    with psycopg.connect(app.conf.postgres.dsn, autocommit=True) as connection:
        made = Server(connection)
        yield made
        connection.execute("set default_transaction_read_only = off")
        made.takes_writes(writes=True)


def test_sessions_of_a_read_only_server_are_let_go(app: Pynenc, server: Server) -> None:
    """A call that meets one is made again over a new session, and arrives once."""
    server.takes_writes(writes=False)
    assert app.state_backend.count_ready() == 0  # a session that cannot write
    server.takes_writes(writes=True)
    tasks.add(1, 2)
    assert app.state_backend.count_ready() == 1


def test_a_server_that_stays_read_only(
    app: Pynenc, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The call is refused, by an error that says that the server is not the one it needs."""
    monkeypatch.setattr(database, "_TRIES", 1)
    server.takes_writes(writes=False)
    with pytest.raises(StoreUnavailableError, match="read-only"):
        tasks.add(1, 2)
    server.takes_writes(writes=True)
    app.close()
    tasks.add(1, 2)
    assert app.state_backend.count_ready() == 1
