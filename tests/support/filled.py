"""Databases with as much in them as asked for, and without autovacuum.

Every statistic about them is then where a test put it: there is none, it is old, or it is fresh.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest

from pynenc_pg.postgres import deploy
from pynenc_pg.postgres.embedded import EmbeddedPostgres, binaries, locks
from tests.support.sql import (
    APP,
    RUNNER,
    Connection,
    claim,
    connect,
    one,
    register,
    register_runner,
    start,
)
from tests.support.trigger_sql import tell, watched
from tests.support.wait_sql import watch

Held = list[tuple[str, int]]

BUSY: Final = "busy"
#: How many invocations a verb of a test is about, whatever stands around them.
FEW: Final = 5
#: Triggers whose causes are due, for nobody (paused), for those who have them, or rest.
CAUSED: Final = ("a-paused", "fires", "waits", "parks")
#: What is not the main thing is a tenth of it, but not less than this.
_LEAST: Final = 10
_BATCH: Final = 10_000


@dataclass(frozen=True, slots=True)
class Sample:
    """Some of what stands in a filled database, a few of each kind."""

    ready: list[str]
    ended: list[str]
    keys: list[str]  # registration keys that are taken
    lanes: list[str]  # concurrency keys with somebody running and somebody waiting
    waiting: str  # waits for one of them
    owned: Held  # running for BUSY, and awaited
    slotted: Held  # running for RUNNER, with a slot each


@contextmanager
def server_of_version(version: int) -> Iterator[str]:
    """Run a PostgreSQL of that version, found as the product finds one; skip where none is."""
    for _, look_up in binaries.look_ups():
        try:
            found = [binaries._check(candidate, None) for candidate in look_up()]
        except binaries.UnfitError:
            continue
        for bin_dir, its in found:
            if its == version:
                yield from _serve(bin_dir)
                return
    pytest.skip(f"no PostgreSQL {version} is installed here")


def _serve(bin_dir: Path) -> Iterator[str]:
    # Not below pytest's own folder: that is 0700, and as root the server runs as somebody else.
    with tempfile.TemporaryDirectory(prefix="pynenc-pg-plans-") as folder:
        Path(folder).chmod(0o711)
        server = EmbeddedPostgres(Path(folder) / "home", durable=False)
        with pytest.MonkeyPatch.context() as patch:
            patch.setitem(os.environ, binaries.ENV, str(bin_dir))
            dsn = server.start()
        try:
            yield dsn
        finally:
            server.close()
            # The folder is the server's until its supervisor is gone.
            gone = locks.LockFile(server.home / "sup.lock")
            gone.lock(timeout=60)
            gone.close()


def migrate(dsn: str) -> None:
    """Make the schema, and forbid autovacuum to look at it."""
    deploy.migrate(dsn)
    with connect(dsn) as connection:
        tables = connection.execute(
            """select oid::regclass::text from pg_class
               where relnamespace = 'pynenc'::regnamespace and relkind = 'r'"""
        ).fetchall()
        for (table,) in tables:
            connection.execute(f"alter table {table} set (autovacuum_enabled = off)".encode())
        register_runner(connection)
        register_runner(connection, BUSY)


def forget_statistics(dsn: str) -> None:
    """Leave what a database has in it that was never analysed."""
    with connect(dsn) as connection:
        ours = "select oid from pg_class where relnamespace = 'pynenc'::regnamespace"
        connection.execute(f"delete from pg_statistic where starelid in ({ours})".encode())
        connection.execute(
            f"""update pg_class set relallvisible = 0, reltuples = case when relkind = 'i' then 0
                                    else -1 end, relpages = (relkind = 'i')::int
                where relkind in ('r', 'i', 'p') and oid in ({ours})""".encode()
        )


def empty_out(dsn: str) -> None:
    """Delete all the work there is, and have that seen: its pages stay, with nothing in them."""
    with connect(dsn) as connection:
        connection.execute("set session_replication_role = replica")
        for (table,) in connection.execute(
            """select oid::regclass::text from pg_class
               where relnamespace = 'pynenc'::regnamespace and relkind = 'r' and relname ~ %s""",
            (
                "^(invocation|lane|slot|wait_|payload|call_|aside|watch|trigger_cause|trigger_run|event|workflow)",
            ),
        ).fetchall():
            connection.execute(f"delete from {table}".encode())
        # Without truncation, as autovacuum leaves it where somebody else needs the table meanwhile.
        connection.execute("vacuum (truncate off, analyze)")
        believed = one(
            connection,
            """select reltuples = 0 and relpages > 0 from pg_class
               where oid = 'pynenc.invocation_state'::regclass""",
        )
        assert believed


def fill(dsn: str, n: int) -> None:
    """Put n ready and n ended ones in, and a tenth of that of everything else there can be."""
    some = max(_LEAST, n // 10)
    with connect(dsn) as connection:
        _end(connection, n)
        _keep(connection)
        _hold(connection, n)
        _cause(connection, some)
        _flow(connection, some)
        for size in _batches(n):
            register(connection, size)
        register(connection, FEW, queue="ended")
        for batch, size in enumerate(_batches(some)):
            register(connection, size, queue="other")
            for delay in (1e-6, 1e6):
                register(connection, size, queue="later", delay=delay)
                register(connection, size, queue="ending", expires_in=delay)
            names = [f"{n}-{batch}-{i}" for i in range(size)]
            for _ in range(2):
                register(connection, size, queue="laned", lanes=names, slots=1)
            register(connection, size, queue="long", lanes=["long"] * size, slots=2)
            register(connection, size, queue=BUSY)
            held = claim(connection, BUSY, size, queues=[BUSY])
            start(connection, held, BUSY)
            watch(connection, [i for i, _ in held])
            start(connection, claim(connection, limit=size // 2, queues=["laned"]))
        # Smaller calls: what a call with keys costs grows with the square of their number.
        for i in range(0, some, 500):
            keys = [f"{n}-{i + k}" for k in range(min(500, some - i))]
            register(connection, len(keys), queue="keyed", keys=keys)


def _hold(connection: Connection, n: int) -> None:
    """Leave n payloads more, each needed by an invocation, and a tenth of that without."""
    before = one(connection, "select count(*) from payload")
    connection.execute(
        """with held as (
               insert into payload (app_id, sha256, bytes, created_at)
               select %(app)s, sha256((%(before)s + g)::text::bytea), 'x', now() - interval '2 days'
               from generate_series(1, %(all)s) g)
           insert into payload_ref (app_id, sha256, invocation_id)
           select %(app)s, sha256((%(before)s + g)::text::bytea),
                  overlay(first_id(now())::text placing substr(md5(g::text), 1, 12) from 25)::uuid
           from generate_series(1, %(n)s) g""",
        {"app": APP, "before": before, "n": n, "all": n + max(_LEAST, n // 10)},
    )


def _keep(connection: Connection) -> None:
    """Let all that has ended serve later calls; each is named by its id."""
    connection.execute(
        """insert into call_result (app_id, task_id, call_id, invocation_id)
           select app_id, 'tests.task', invocation_id::text, invocation_id from invocation_outcome
           on conflict do nothing"""
    )


def _cause(connection: Connection, n: int) -> None:
    """Leave n events more, each a cause of several triggers, in all states, and n firings."""
    tell(
        connection,
        *(watched(name, about="filled") for name in CAUSED),
        *(watched(f"event-{i}", about=f"code-{i}") for i in range(500)),
    )
    connection.execute("select pause_trigger(%s, 'a-paused', true)", (APP,))
    connection.execute(
        """with made as (
               insert into event (app_id, event_id, code, payload, emitted_at, emitted_by)
               select %(app)s, overlay(first_id(now())::text placing
                          substr(md5(g::text || clock_timestamp()::text), 1, 12) from 25)::uuid,
                      'filled', '{}', now() - interval '1 hour', 'fill'
               from generate_series(1, %(n)s) g returning event_id),
                  caused as (
               insert into trigger_cause (
                   app_id, trigger_id, condition_id, source_id, at, state, due_at)
               select %(app)s, t.name, 'c', m.event_id, now() - interval '1 hour',
                      case t.name when 'waits' then 'waiting' when 'parks' then 'parked'
                                  else 'new' end, clock_timestamp()
               from made m, unnest(%(triggers)s::text[]) t (name) returning cause_id, trigger_id)
           insert into trigger_run (
               app_id, trigger_id, version, task_id, cause_id, causes, reason, fired_at)
           select %(app)s, trigger_id, '1', 'tests.started', -cause_id, '[]', 'alone', now()
           from caused where trigger_id = 'fires'""",
        {"app": APP, "n": n, "triggers": list(CAUSED)},
    )


def _flow(connection: Connection, n: int) -> None:
    """Leave n runs of workflows that have ended, with steps and data, and n that wait."""
    connection.execute(
        """with run as (
               insert into workflow (invocation_id, app_id, workflow_id, began_at)
               select o.invocation_id, %(app)s, o.invocation_id, now() from invocation_outcome o
               where not exists (select from workflow w where w.invocation_id = o.invocation_id)
               limit %(n)s
               returning invocation_id as id),
                  stepped as (
               insert into workflow_step (invocation_id, app_id, path, run, kind, about, value,
                                          retries, event_id, child_id, at)
               select id, %(app)s, path, 0, 'task', 'about', '1', 0, id, id, now()
               from run, unnest(array['1', '2', '3.1.1']) path),
                  set as (
               insert into workflow_data (workflow_id, app_id, key, value, set_by, set_at)
               select id, %(app)s, key, '1', id, now() from run, unnest(array['a', 'b']) key)
           insert into workflow_wait (invocation_id, path, app_id, code, since)
           select id, '4', %(app)s, 'wait-' || id, now() from run""",
        {"app": APP, "n": n},
    )


def _batches(n: int) -> Iterator[int]:
    for first in range(0, n, _BATCH):
        yield min(_BATCH, n - first)


def _end(connection: Connection, n: int) -> None:
    """Leave n outcomes, the end of their history, and as many dead rows where they were ready.

    By the verbs this would take ten times as long; the triggers sleep meanwhile.
    """
    ids = "md5(g::text || clock_timestamp()::text)"
    with connection.transaction():
        connection.execute("set local session_replication_role = replica")
        connection.execute(
            f"""insert into invocation_state (
                    invocation_id, app_id, queue, status, status_at, changed_by, rank)
                select overlay(first_id(now())::text placing substr({ids}, 1, 12) from 25)::uuid,
                       %s, 'ended', 'registered', now(), 'fill', extract(epoch from now()) - g
                from generate_series(1, %s) g""".encode(),
            (APP, n),
        )
        connection.execute(
            """with gone as (delete from invocation_state where changed_by = 'fill' returning *),
                    called as (
                 insert into invocation (
                     invocation_id, app_id, task_id, call_id, arguments, options, queue, priority,
                     depth, registered_at, registered_by)
                 select invocation_id, app_id, 'tests.task', 'call', '{}', '{}', queue, 0, 0,
                        status_at, changed_by from gone),
                    kept as (
                 insert into invocation_outcome (
                     invocation_id, app_id, status, value, queue, runner_id, lease, rev, changed_by,
                     retries, recoveries, finished_at)
                 select invocation_id, app_id, 'success', '1', queue, %s, 1, 3, changed_by, 0, 0,
                        clock_timestamp() from gone returning *)
               insert into invocation_history
               select invocation_id, app_id, rev, 'running', status, null, runner_id, lease,
                      changed_by, finished_at from kept""",
            (RUNNER,),
        )


def sample(connection: Connection) -> Sample:
    """Take a few of each kind, from the middle."""

    def few(query: str) -> list[str]:
        n = one(connection, f"select count(*) from ({query}) x")
        rows = connection.execute(
            f"{query} limit {FEW} offset {max(0, (n - FEW) // 2)}".encode()
        ).fetchall()
        return [str(value) for (value,) in rows]

    def held(queue: str, runner: str) -> Held:
        return connection.execute(
            """select invocation_id, lease from invocation_state
               where queue = %s and runner_id = %s limit %s""",
            (queue, runner, FEW),
        ).fetchall()

    live = "select {} from invocation_state where app_id = '{}' and {}"
    slotted = held("laned", RUNNER)
    # One table after the other: a join of two that are believed empty reads each row with each.
    taken = connection.execute(
        "select lane from slot where invocation_id = any (%s::uuid[])", ([i for i, _ in slotted],)
    ).fetchall()
    lanes = connection.execute(
        "select key from lane where lane_id = any (%s)", ([lane for (lane,) in taken],)
    ).fetchall()
    return Sample(
        ready=few(live.format("invocation_id", APP, "queue = 'default'")),
        ended=few("select invocation_id from invocation_outcome"),
        keys=few(live.format("registration_key", APP, "registration_key is not null")),
        lanes=[key for (key,) in lanes],
        waiting=few(live.format("invocation_id", APP, "queue = 'long' and status = 'registered'"))[
            0
        ],
        owned=held(BUSY, BUSY),
        slotted=slotted,
    )
