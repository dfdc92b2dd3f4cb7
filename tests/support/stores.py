"""Stores opened directly, as the contract tests want them: with a way to let time pass."""

from __future__ import annotations

import copy
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final, Protocol

from pynenc_pg.domain.ids import RunnerId
from pynenc_pg.memory.broker import MemBroker
from pynenc_pg.memory.database import MemDatabase
from pynenc_pg.memory.orchestrator import MemOrchestrator
from pynenc_pg.memory.payloads import MemClientDataStore
from pynenc_pg.memory.state_backend import MemStateBackend
from pynenc_pg.memory.trigger import MemTrigger
from pynenc_pg.memory.workflows import MemWorkflows
from pynenc_pg.ports import Broker, ClientDataStore, Orchestrator, StateBackend
from pynenc_pg.postgres.client_data_store import PgClientDataStore
from pynenc_pg.postgres.database import PgDatabase
from pynenc_pg.postgres.listener import PgBroker
from pynenc_pg.postgres.orchestrator import PgOrchestrator
from pynenc_pg.postgres.state_backend import PgStateBackend
from pynenc_pg.postgres.templates import render
from pynenc_pg.postgres.trigger import PgTrigger
from pynenc_pg.postgres.workflows import PgWorkflows
from pynenc_pg.trigger_port import Trigger
from pynenc_pg.workflow_port import Workflows

# The database's clock is nobody's to move, so the rows move the other way. What stands in history
# and the time of a status stay (the guard refuses them): "not begun in time" needs a limit of 0.
_TIME_PASSES: Final = """
with passed as (select %s::text as app, %s::float8 as seconds),
work as (
    update {schema}.invocation_state s
    set previous_status = s.status, rank = s.rank - p.seconds,
        due_at = s.due_at - make_interval(secs => p.seconds),
        expires_at = s.expires_at - make_interval(secs => p.seconds)
    from passed p where s.app_id = p.app
), lanes as (
    update {schema}.lane l
    set served = l.served - make_interval(secs => p.seconds),
        next_at = l.next_at - make_interval(secs => p.seconds),
        started = array(select s - make_interval(secs => p.seconds) from unnest(l.started) s)
    from passed p where l.app_id = p.app
), large as (
    update {schema}.payload y set created_at = y.created_at - make_interval(secs => p.seconds)
    from passed p where y.app_id = p.app
), causes as (
    update {schema}.trigger_cause c
    set due_at = c.due_at - make_interval(secs => p.seconds),
        at = c.at - make_interval(secs => p.seconds)
    from passed p where c.app_id = p.app
), events as (
    update {schema}.event e set emitted_at = e.emitted_at - make_interval(secs => p.seconds)
    from passed p where e.app_id = p.app
), waits as (
    update {schema}.workflow_wait w
    set since = w.since - make_interval(secs => p.seconds),
        until = w.until - make_interval(secs => p.seconds)
    from passed p where w.app_id = p.app
), fired as (
    update {schema}.trigger_run f set fired_at = f.fired_at - make_interval(secs => p.seconds)
    from passed p where f.app_id = p.app
), told as (
    update {schema}.trigger_definition t
    set removed_at = t.removed_at - make_interval(secs => p.seconds)
    from passed p where t.app_id = p.app
), runners as (
    update {schema}.runner r set lease_until = r.lease_until - make_interval(secs => p.seconds)
    from passed p where r.app_id = p.app
)
select 1"""
_CALLS_AGE: Final = """
update {schema}.invocation set registered_at = registered_at - make_interval(secs => %s)
where app_id = %s"""
_OUTCOMES_AGE: Final = """
update {schema}.invocation_outcome set finished_at = finished_at - make_interval(secs => %s)
where app_id = %s"""
_LOSE: Final = """
with lost as (
    update {schema}.runner set lease_until = clock_timestamp() - interval '1 second'
    where app_id = %s and runner_id = %s and dead_at is null returning 1
)
select count(*) from lost"""


class OpenStore(Protocol):
    """What both kinds have: the six ports, and time as a thing that tests own."""

    @property
    def app_id(self) -> str:
        """Whose work it holds."""
        ...

    @property
    def orchestrator(self) -> Orchestrator:
        """Writes."""
        ...

    @property
    def state_backend(self) -> StateBackend:
        """Reads."""
        ...

    @property
    def broker(self) -> Broker:
        """Wakes."""
        ...

    @property
    def client_data_store(self) -> ClientDataStore:
        """Holds."""
        ...

    @property
    def trigger(self) -> Trigger:
        """Reacts."""
        ...

    @property
    def workflows(self) -> Workflows:
        """Remembers."""
        ...

    def let_pass(self, seconds: float) -> None:
        """Make everything as if so much time had passed at once."""
        ...

    def age_outcomes(self, seconds: float) -> None:
        """Make everything that has ended as if it had ended so much earlier."""
        ...

    def lose(self, runner_id: RunnerId) -> None:
        """Make a runner's lease be over, as if it had not been heard of for long."""
        ...

    def for_app(self, app_id: str) -> OpenStore:
        """Open the same place for another app."""
        ...

    def close(self) -> None:
        """Let go of it."""
        ...


@dataclass
class PostgresStore:
    """The six parts over one database."""

    database: PgDatabase
    orchestrator: PgOrchestrator
    state_backend: PgStateBackend
    broker: PgBroker
    client_data_store: PgClientDataStore
    trigger: PgTrigger
    workflows: PgWorkflows

    @property
    def app_id(self) -> str:
        """Whose work it holds."""
        return self.database.app_id

    def let_pass(self, seconds: float) -> None:
        """Move what is stored into the past."""
        self.database.call(_TIME_PASSES, (self.app_id, seconds))
        self._move(_CALLS_AGE, seconds)

    def age_outcomes(self, seconds: float) -> None:
        """Move their times."""
        self._move(_OUTCOMES_AGE, seconds)

    def _move(self, statement: str, seconds: float) -> None:
        """Do what the guard would not let anybody do."""
        with self.database.connect("test") as session, session.transaction():
            session.execute("set local session_replication_role = replica")
            statement = render(statement, self.database.schema)
            session.execute(statement.encode(), (seconds, self.app_id))

    def lose(self, runner_id: RunnerId) -> None:
        """Move the end of its lease into the past."""
        self.database.call(_LOSE, (self.app_id, runner_id))

    def for_app(self, app_id: str) -> PostgresStore:
        """Share the pool; a home connection belongs to one app."""
        self.database.call("select 1")  # opens the pool, or there would be nothing to share
        database = copy.copy(self.database)
        database.app_id, database.home = app_id, None
        return over_postgres(database)

    def close(self) -> None:
        """Close the pool."""
        self.database.close()


class Clock:
    """A clock that only its owner moves: a millisecond at each look, or as far as it is told."""

    def __init__(self) -> None:
        """Begin now: ids are made by the real clock, and may be a day off at most."""
        self.now = datetime.now(UTC)

    def __call__(self) -> datetime:
        """Return a time that nobody was told before."""
        self.now += timedelta(milliseconds=1)
        return self.now


@dataclass
class MemoryStore:
    """The six parts over one app's dicts."""

    database: MemDatabase
    orchestrator: MemOrchestrator
    state_backend: MemStateBackend
    broker: MemBroker
    client_data_store: MemClientDataStore
    trigger: MemTrigger
    workflows: MemWorkflows
    clock: Clock = field(default_factory=Clock)

    @property
    def app_id(self) -> str:
        """Whose work it holds."""
        return self.database.app_id

    def let_pass(self, seconds: float) -> None:
        """Move the clock."""
        self.clock.now += timedelta(seconds=seconds)

    def age_outcomes(self, seconds: float) -> None:
        """Move the clock: nothing else is asked for then."""
        self.let_pass(seconds)

    def lose(self, runner_id: RunnerId) -> None:
        """Move the end of its lease into the past."""
        with self.database.lock:
            runner = self.database.runners.get(runner_id)
            if runner is not None:
                runner.lease_until = self.clock.now - timedelta(seconds=1)

    def for_app(self, app_id: str) -> MemoryStore:
        """Begin a new one: in memory, apps have nothing in common."""
        return open_memory_store(app_id)

    def close(self) -> None:
        """Nothing is open."""


def over_postgres(database: PgDatabase) -> PostgresStore:
    """Put the six parts over a database."""
    holds = PgClientDataStore(database)
    return PostgresStore(
        database,
        PgOrchestrator(database, holds),
        PgStateBackend(database),
        PgBroker(database),
        holds,
        PgTrigger(database),
        PgWorkflows(database),
    )


def open_postgres_store(dsn: str, app_id: str, *, pool_size: int = 8) -> PostgresStore:
    """Open a store on a migrated database."""
    return over_postgres(PgDatabase(dsn, app_id=app_id, pool_size=pool_size))


def open_memory_store(app_id: str) -> MemoryStore:
    """Open a store in memory, with a clock of its own."""
    clock = Clock()
    database = MemDatabase(app_id, clock)
    return MemoryStore(
        database,
        MemOrchestrator(database),
        MemStateBackend(database),
        MemBroker(database),
        MemClientDataStore(database),
        MemTrigger(database),
        MemWorkflows(database),
        clock,
    )
