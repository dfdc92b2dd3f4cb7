"""How calls get into the database."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple

from pynenc_pg.domain.ids import InvocationId
from pynenc_pg.domain.records import Batch, Registered
from pynenc_pg.postgres import borrowed, holding
from pynenc_pg.postgres.client_data_store import TRIES, PgClientDataStore
from pynenc_pg.postgres.gathering import Gathering, goes_with_others
from pynenc_pg.postgres.templates import render

if TYPE_CHECKING:
    from pynenc_pg.domain.workflows import Child
    from pynenc_pg.postgres.database import PgDatabase

# Lists go in binary: as text psycopg escapes them in Python, at 20 us a value and more, and the
# backslashes of a long string took a second per 100 kB.
# By CAST, which SQLAlchemy does not take for a parameter as it may with "::".
_REGISTER_2 = """{schema}.register_2(
    %s, %s, %s, %s, %s, %s, %s, %s, cast(%s as uuid), %s, %s, %s, %s,
    cast(cast(%b as text[]) as uuid[]), cast(%b as text[]), cast(%b as text[]),
    cast(%b as text[]), cast(%b as text[]), %s, %s, %s, %s, %s)"""
_BASES = {
    "plain": _REGISTER_2,
    "once": _REGISTER_2.replace("register_2(", "register_once(%s, "),
    "cached": _REGISTER_2.replace("register_2(", "register_cached(%s, %s, "),
    "again": f"{_REGISTER_2[:-1]}, cast(%s as uuid))",
}
#: What passes on the answer of a registration, and does something of its own with it.
_AROUND = {
    "fire": (
        "{schema}.fire(%s, cast(%b as bigint[]), cast(%b as integer[]), ",
        ", cast(%b as text[]))",
    ),
    "child": (
        "{schema}.record_child(%s, %s, cast(%s as uuid), %s, %s, %s, %s, %s, cast(%b as text[]), ",
        ")",
    ),
    "fork": ("{schema}.fork_steps(%s, cast(%s as uuid), %s, cast(%s as uuid), ", ")"),
}


class _Statements(NamedTuple):
    """A verb that registers: by itself, sending large values along, and with those sent before."""

    plain: str
    holding: str
    held: str


@cache
def _statements(kind: str, *, own: bool) -> _Statements:
    """Return those of a kind of batch; ``own``: its calls begin workflows."""
    register = _BASES.get(kind, _REGISTER_2)
    if own:
        register = f"{register[:-1]}, p_own_workflow => true)"
    before, after = _AROUND.get(kind, ("", ""))
    verb = f"{before}{register}{after}"
    return _Statements(f"select cast({verb} as text[])", *holding.around(verb))


def _verb(batch: Batch) -> _Statements:
    return _statements(_kind(batch), own=batch.own_workflow or batch.fork is not None)


def _kind(batch: Batch) -> str:
    if batch.firings:
        return "fire"
    if batch.child is not None:
        return "child"
    if batch.fork is not None:
        return "fork"
    if batch.cached:
        return "cached"
    if batch.key is not None:
        return "once"
    return "plain" if batch.retried_from is None else "again"


class Registering:
    """The verb ``register``, in a transaction of ours or of the caller's."""

    _app: str
    _database: PgDatabase
    _holds: PgClientDataStore

    def __init__(self) -> None:
        self._gathering = Gathering(self._register_plain)

    def register(self, batch: Batch) -> list[Registered]:
        """Accept calls as REGISTERED, all or none; answers stand in the order of the batch."""
        if goes_with_others(batch):
            return self._gathering.register(batch)
        return self._register_holding(batch) if batch.refs else self._register_plain(batch)

    def _register_plain(self, batch: Batch) -> list[Registered]:
        statement = _verb(batch).plain
        rows = self._database.call(statement, self._registration(batch, own=True))
        return _registered(batch, rows)

    def _register_holding(self, batch: Batch) -> list[Registered]:
        """Register calls with large arguments, which are sent along unless they were lately."""
        for _ in range(TRIES):
            attached = self._holds.attached(batch.payloads)
            registration = self._registration(batch, own=True)
            packed = self._holds.packed(attached)
            parameters = holding.parameters(self._app, registration, batch, *packed)
            statement = _verb(batch).holding
            [[become, missing]] = self._database.call(statement, parameters)
            self._holds.note(attached, missing)
            if missing is None:
                return _registered(batch, [[become]])
        raise holding.vanished(missing)

    def register_within(self, session: object, batch: Batch) -> list[Registered]:
        """Like ``register``, in the caller's own transaction.

        Large arguments are stored before, in a transaction of our own: in the caller's, others
        who call with the same one would wait for its end.
        """
        if batch.refs:
            for _ in range(TRIES):
                self._holds.hold(batch.payloads)
                [[become, missing]] = borrowed.run(session, *self._held(batch))
                self._holds.note((), missing)
                if missing is None:
                    return _registered(batch, [[become]])
            raise holding.vanished(missing)
        return _registered(batch, borrowed.run(session, *self._plain(batch)))

    async def register_within_async(self, session: object, batch: Batch) -> list[Registered]:
        """Like ``register_within``, for a session that is awaited."""
        if batch.refs:
            for _ in range(TRIES):
                await asyncio.to_thread(self._holds.hold, batch.payloads)
                [[become, missing]] = await borrowed.run_async(session, *self._held(batch))
                self._holds.note((), missing)
                if missing is None:
                    return _registered(batch, [[become]])
            raise holding.vanished(missing)
        return _registered(batch, await borrowed.run_async(session, *self._plain(batch)))

    def _plain(self, batch: Batch) -> tuple[str, tuple[object, ...]]:
        statement = render(_verb(batch).plain, self._database.schema)
        return statement, self._registration(batch, own=False)

    def _held(self, batch: Batch) -> tuple[str, tuple[object, ...]]:
        statement = render(_verb(batch).held, self._database.schema)
        registration = self._registration(batch, own=False)
        return statement, holding.parameters(self._app, registration, batch)

    def _registration(self, batch: Batch, *, own: bool) -> tuple[object, ...]:
        """Return the parameters; ``own``: the transaction is ours, and over at once."""
        calls, limit = batch.invocations, batch.rate_limit
        keyed = any(c.registration_key is not None for c in calls)
        laned = any(c.lane_key is not None for c in calls)
        parameters = (
            self._app,
            batch.task_id,
            batch.queue,
            batch.priority,
            batch.delay,
            batch.expires_in,
            batch.slots,
            batch.must_not_wait,
            batch.parent_id,
            batch.depth,
            batch.options,
            batch.changed_by,
            own,
            [c.invocation_id for c in calls],
            [c.call_id for c in calls],
            [c.arguments for c in calls],
            [c.registration_key for c in calls] if keyed else None,
            [c.lane_key for c in calls] if laned else None,
            batch.refuse_different,
            batch.ageing,
            limit and limit.count,
            limit and limit.period,
            batch.at,
        )
        return self._around(batch, parameters)

    def _around(self, batch: Batch, parameters: tuple[object, ...]) -> tuple[object, ...]:
        """Add what the kind of the batch has beside."""
        if batch.firings:
            causes = [f.cause_id for f in batch.firings]
            attempts = [f.attempt for f in batch.firings]
            return (self._app, causes, attempts, *parameters, [f.arguments for f in batch.firings])
        if batch.child is not None:
            return (self._app, *_step(batch.child), *parameters)
        if batch.fork is not None:
            source, before = batch.fork.source, batch.fork.before
            return (self._app, source, before, batch.invocations[0].invocation_id, *parameters)
        if batch.cached:
            return (batch.key, batch.cache_ttl, *parameters)
        if batch.key is not None:
            return (batch.key, *parameters)
        return parameters if batch.retried_from is None else (*parameters, batch.retried_from)


def _step(child: Child) -> tuple[object, ...]:
    author, step = child.author, child.step
    hold, survived = author.hold, list(step.survived)
    which = (author.runner_id, hold.invocation_id, hold.lease)
    return (*which, step.path, step.run, step.about, step.retries, survived)


def _registered(batch: Batch, rows: Sequence[Sequence[Any]]) -> list[Registered]:
    return [
        Registered(InvocationId(now), reused=now != call.invocation_id)
        for call, now in zip(batch.invocations, rows[0][0], strict=True)
    ]
