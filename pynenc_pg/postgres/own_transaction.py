"""A task's own transaction, in which its end is written, too."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

import psycopg
from psycopg.pq import PipelineStatus, TransactionStatus

from pynenc_pg.domain.records import Answer
from pynenc_pg.exceptions import OutcomeUnknownError, StoreUnavailableError, TransactionError
from pynenc_pg.postgres import errors, holding, lent
from pynenc_pg.postgres.database import is_lost
from pynenc_pg.postgres.lent import LentAsyncConnection, LentConnection, Loan
from pynenc_pg.postgres.orchestrator import FINISH
from pynenc_pg.postgres.sockets import answered, hang_up
from pynenc_pg.postgres.task_sessions import TaskSession, TaskSessions
from pynenc_pg.postgres.templates import render

if TYPE_CHECKING:
    from pynenc_pg.domain.ids import RunnerId
    from pynenc_pg.domain.records import Ending
    from pynenc_pg.postgres.client_data_store import PgClientDataStore
    from pynenc_pg.postgres.database import PgDatabase

_Cursor = psycopg.Cursor[tuple[Any, ...]]

#: Seconds after which the server ends a transaction of whose task it has heard nothing: a process
#: that stands still must not keep its locks for ever. One that lives says so in time.
IDLE: Final = 30.0
#: Seconds for a thread of the task to end what it says, where all is over.
_MOMENT: Final = 1.0
#: A task's statements may take as long as the settings of its role say. Its own death ends them.
_BEGIN: Final = """begin isolation level read committed read write;
set local statement_timeout to default; set local lock_timeout to default;
set local idle_in_transaction_session_timeout = {idle};
select set_config('client_connection_check_interval', '1s', true) where version() ~ 'linux'"""
_OURS_AGAIN: Final = """reset role;
set local statement_timeout = '60s'; set local lock_timeout = '10s';
set local idle_in_transaction_session_timeout = '5s'"""
#: The server has ended a session, or its transaction, of which it had heard nothing: the last words
#: may come before the end of the connection does.
_TIMED_OUT: Final = frozenset({"25P03", "25P04", "57P05"})
_OPEN: Final = (TransactionStatus.INTRANS, TransactionStatus.INERROR)
_BROKEN: Final = {
    TransactionStatus.IDLE: (
        "the transaction was ended in its block, by a COMMIT or ROLLBACK as SQL: what it wrote is "
        "as that left it, and the task's end does not go with it"
    ),
    TransactionStatus.INERROR: (
        "a statement in the block of transaction() has failed and the task went on, so nothing of "
        "it can be committed: let the error leave the block, or put the statement in a savepoint"
    ),
    TransactionStatus.ACTIVE: (
        "the block of transaction() has ended while a statement of it had not: all of it was "
        "rolled back"
    ),
    TransactionStatus.UNKNOWN: (
        "the connection of transaction() was lost, and all that was written in it was rolled back"
    ),
}


class PgTransactions:
    """Makes them, over sessions that are theirs alone."""

    def __init__(
        self, database: PgDatabase, holds: PgClientDataStore, *, places: Callable[[], int]
    ) -> None:
        """``holds`` takes large results; ``places`` tells how many there may be at once."""
        self._database = database
        self._holds = holds
        self._sessions = TaskSessions(database, places=places)

    def new(self) -> PgTransaction:
        """Make one; nothing is opened."""
        return PgTransaction(self._database, self._holds, self._sessions)

    def close(self) -> None:
        """Close the sessions that are idle; those in use end with what uses them."""
        self._sessions.close()


class PgTransaction:
    """See ``pynenc_pg.ports.OwnTransaction``."""

    def __init__(
        self, database: PgDatabase, holds: PgClientDataStore, sessions: TaskSessions
    ) -> None:
        """Nothing is opened."""
        self._database = database
        self._holds = holds
        self._sessions = sessions
        self._session: TaskSession | None = None
        self._loan = Loan()
        self._lent: LentConnection | LentAsyncConnection | None = None
        self._alchemy: Any = None

    def lend(self, *, sqlalchemy: bool) -> Any:
        """Begin it; return a connection of psycopg, or of SQLAlchemy, to write with."""
        try:
            session = self._take()
            self._lent = made = lent.lend(session.connection, self._loan, pooled=session.pooled)
            if sqlalchemy:
                self._alchemy = lent.alchemical(made)
            self._begin()
        except BaseException:
            self.roll_back()
            raise
        return self._alchemy or made

    async def lend_async(self, *, sqlalchemy: bool) -> Any:
        """Like ``lend``; the connection is one that is awaited."""
        try:
            session = await asyncio.to_thread(self._take)
            self._lent = made = await lent.lend_async(
                session.connection, self._loan, pooled=session.pooled
            )
            if sqlalchemy:
                self._alchemy = await lent.alchemical_async(made)
            await asyncio.to_thread(self._begin)
        except BaseException:
            await self.roll_back_async()
            raise
        return self._alchemy or made

    def take_back(self) -> None:
        """Make the connection useless; the transaction stays open."""
        self._end_loan()
        try:
            self._check_whole()
        except TransactionError:
            self.roll_back()
            raise

    async def take_back_async(self) -> None:
        """Like ``take_back``, for a connection that is awaited."""
        await self._end_loan_async()
        try:
            await asyncio.to_thread(self._check_whole)
        except TransactionError:
            await asyncio.to_thread(self.roll_back)
            raise

    def finish(self, runner_id: RunnerId, ending: Ending) -> Answer:
        """RUNNING or RESUMED -> SUCCESS in it, then commit; rolled back unless that is DONE."""
        try:
            answer = self._write_end(runner_id, ending)
            if answer is Answer.DONE:
                self._commit()
            return answer
        finally:
            self.roll_back()

    def roll_back(self) -> None:
        """End it. Raises nothing; harmless where it has ended already."""
        self._end_loan()
        session, self._session = self._session, None
        if session is None:
            return
        self._sessions.forget(self)
        connection = session.connection
        if not self._loan.speaking.acquire(timeout=_MOMENT):
            hang_up(connection)  # a thread of the task is still speaking: it hears of it
            if not self._loan.speaking.acquire(timeout=_MOMENT):
                self._sessions.let_go()
                return
        try:
            with suppress(psycopg.Error), self._sessions.deadlines.over(connection):
                if connection.info.transaction_status in _OPEN:
                    connection.execute("rollback")
            self._sessions.give_back(session)
        finally:
            self._loan.speaking.release()

    async def roll_back_async(self) -> None:
        """Like ``roll_back``, while a connection that is awaited is lent."""
        await self._end_loan_async()
        await asyncio.to_thread(self.roll_back)

    def stir(self) -> None:
        """Tell the server that the task lives, if nobody speaks to it just now."""
        session = self._session
        if session is None or not self._loan.speaking.acquire(blocking=False):
            return
        try:
            connection = session.connection
            quiet = connection.pgconn.pipeline_status == PipelineStatus.OFF
            if quiet and connection.info.transaction_status in _OPEN:
                with suppress(psycopg.Error), answered(connection):
                    connection.execute("")
        finally:
            self._loan.speaking.release()

    # --- steps --------------------------------------------------------------------------------

    def _take(self) -> TaskSession:
        self._session = session = self._sessions.take()
        return session

    def _begin(self) -> None:
        with errors.translated():
            self._run(_BEGIN.format(idle=int(IDLE * 1000)))
        self._loan.handed_out = True
        self._sessions.keep_alive(self)

    def _end_loan(self) -> None:
        if self._lent is not None:
            lent.end(self._lent)
        alchemy = self._alchemy
        if alchemy is not None and isinstance(self._lent, LentConnection):
            with suppress(Exception):  # what it would say to the server, it cannot say any more
                alchemy.close()

    async def _end_loan_async(self) -> None:
        if self._lent is not None:
            lent.end(self._lent)
        if self._alchemy is not None:
            with suppress(Exception):
                await self._alchemy.close()

    def _check_whole(self) -> None:
        """Refuse to go on where the task has ended the transaction, or spoilt it."""
        session = self._session
        status = TransactionStatus.UNKNOWN
        if session is not None:
            # The server may just be told that we live; a statement of the task's takes longer.
            silent = self._loan.speaking.acquire(timeout=_MOMENT)
            status = session.connection.info.transaction_status
            if silent:
                self._loan.speaking.release()
        if status is not TransactionStatus.INTRANS:
            raise TransactionError(_BROKEN[status])

    def _write_end(self, runner_id: RunnerId, ending: Ending) -> Answer:
        app, statement = self._database.app_id, FINISH
        which: tuple[object, ...] = ([ending.invocation_id],)
        if ending.payloads:  # stored before, in a transaction of our own: others may want them, too
            self._holds.hold(ending.payloads)
            statement = holding.referring(FINISH)
            refs = [(ending.invocation_id, each.sha256) for each in ending.payloads]
            which = (app, *which, *holding.columns(refs))
        end = [ending.lease], [str(ending.status)], [ending.value], [ending.reason]
        parameters = (app, runner_id, *which, *end)
        try:
            self._run(_OURS_AGAIN)
            statement = render(statement, self._database.schema)
            refused = self._run(statement, parameters).fetchall()
        except (psycopg.Error, UnicodeError) as error:
            raise _ours(error) from error
        return Answer(refused[0][1]) if refused else Answer.DONE

    def _commit(self) -> None:
        try:
            self._run("commit")
        except psycopg.Error as error:
            if is_lost(error) or error.sqlstate in _TIMED_OUT:
                message = f"the connection was lost while it was committed: {error}"
                raise OutcomeUnknownError(message) from error
            raise  # what a constraint says that was deferred is said to the task

    def _run(self, statement: str, parameters: Sequence[object] | None = None) -> _Cursor:
        session = self._session
        if session is None:
            raise TransactionError(_BROKEN[TransactionStatus.UNKNOWN])
        with self._loan.speaking, self._sessions.deadlines.over(session.connection):
            return session.connection.execute(statement.encode(), parameters)


def _ours(error: Exception) -> BaseException:
    state = getattr(error, "sqlstate", None)
    if is_lost(error) or state in errors.RETRIABLE or state in _TIMED_OUT:
        return StoreUnavailableError(f"nothing of it was committed: {error}")
    return errors.translate(error)
