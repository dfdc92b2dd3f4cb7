"""Reads a database after a quiet period and says what must not be so. Writes nothing.

What must never be so the database looks for itself, as for ``pynenc-pg doctor``: ``broken``.

Given what a client was told (`Ledger`) and what task bodies recorded (``body_run``), it looks for
work that was lost, invented, done twice without a reason or by two owners at once, for limits that
did not hold, for steps the state machine does not know, and for what dead processes left behind.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

import psycopg

Rows = list[tuple[Any, ...]]

#: What task bodies write into a database of their own; ``fence`` is the lease they ran under.
BODY_RUN: Final = """create table body_run (
    invocation_id uuid, fence bigint, pid int, began timestamptz, ended timestamptz)"""


@dataclass(slots=True)
class Ledger:
    """What a client knows: ids by what it was answered, and the limits it asked for."""

    acknowledged: list[str] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)
    lanes: dict[str, tuple[str, int]] = field(default_factory=dict)  # id -> key, slots
    frozen: set[int] = field(default_factory=set)  # processes that stood still for a while


#: Each query yields what is wrong; its name says how.
_RULES: Final = {
    "acknowledged, but has no row": """
        select a.id from unnest(%(acknowledged)s::uuid[]) a (id)
        where not exists (select from pynenc.invocation i where i.invocation_id = a.id)""",
    "nobody was told of it": """
        select i.invocation_id, i.task_id from pynenc.invocation i
        where i.invocation_id <> all (%(acknowledged)s::uuid[] || %(unknown)s::uuid[])""",
    "has not ended": """
        select i.invocation_id, s.status, s.runner_id, s.due_at from pynenc.invocation i
        left join pynenc.invocation_state s using (invocation_id)
        where not exists (select from pynenc.invocation_outcome o
                          where o.invocation_id = i.invocation_id)
           or s.invocation_id is not null""",
    "woke though no child had ended": """
        select h.invocation_id, h.rev, h.at from pynenc.invocation_history h
        where h.status = 'resumed' and not exists (
            select from pynenc.invocation i join pynenc.invocation_outcome o using (invocation_id)
            where i.parent_id = h.invocation_id and o.finished_at <= h.at)""",
    "left behind: live row, slot or wait edge": """
        select 'state', invocation_id::text from pynenc.invocation_state
        union all select 'slot', invocation_id::text from pynenc.slot
        union all select 'edge', awaited_id::text from pynenc.wait_edge""",
}

#: Only once all workers and clients have ended.
_REMAINS: Final = {
    "left behind: runner": "select runner_id, dead_at, lease_until from pynenc.runner",
    "left behind: session": """
        select pid, application_name, state, query from pg_stat_activity
        where datname = current_database() and pid <> pg_backend_pid()
          and application_name like 'pynenc%%'""",
    "left behind: advisory lock": """
        select pid, classid, objid from pg_locks where locktype = 'advisory'
        and database = (select oid from pg_database where datname = current_database())""",
}


def complaints(dsn: str, ledger: Ledger, bodies: str | None = None) -> list[str]:
    """Return what is wrong, one sentence each; nothing if all is well."""
    facts = {"acknowledged": ledger.acknowledged, "unknown": ledger.unknown}
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.read_only = True
        connection.execute("set jit = off")
        found = list(_broken(connection, _RULES, facts))
        rows = connection.execute("select * from pynenc.broken(null, null, 5)").fetchall()
        found += [f"{invariant}, {rule}: {', '.join(about)}" for invariant, rule, about in rows]
        steps = connection.execute(
            """select invocation_id::text, lease, status::text, at from pynenc.invocation_history
               order by at, rev"""
        ).fetchall()
    found += _crowded(steps, ledger)
    if bodies is not None:
        with psycopg.connect(bodies, autocommit=True) as side:
            runs = side.execute(
                """select invocation_id::text, fence, began, ended, pid from body_run
                   order by began"""
            ).fetchall()
        found += _unexplained(steps, runs, ledger.frozen)
    return found


def remains(dsn: str) -> list[str]:
    """Return what the dead have left behind."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.read_only = True
        return list(_broken(connection, _REMAINS, {}))


def _broken(
    connection: psycopg.Connection[Any], rules: dict[str, str], facts: dict[str, list[str]]
) -> Iterator[str]:
    for name, query in rules.items():
        rows = connection.execute(query.encode(), facts).fetchmany(5)
        yield from (f"{name}: {', '.join(map(str, row))}" for row in rows)


OWNED: Final = frozenset({"pending", "running", "paused", "resumed"})


def _crowded(steps: Rows, ledger: Ledger) -> Iterator[str]:
    """At no instant of the history do more of one key own a slot than there are."""
    inside: dict[str, set[str]] = {}
    # At one instant those that leave come first.
    for invocation, _, status, at in sorted(steps, key=lambda step: (step[3], step[2] in OWNED)):
        if invocation not in ledger.lanes:
            continue
        key, slots = ledger.lanes[invocation]
        those = inside.setdefault(key, set())
        if status not in OWNED:
            those.discard(invocation)
            continue
        those.add(invocation)
        if len(those) > slots:
            yield f"{key} has {slots} slots, and at {at} there were {sorted(those)}"


def _unexplained(steps: Rows, runs: Rows, frozen: set[int]) -> Iterator[str]:
    """Each run of a body has its lease in the history; a second one, the end of the first.

    A process that stood still may begin late what was taken from it meanwhile.
    """
    begun, stopped, ended = _leases(steps)
    seen: dict[str, list[int]] = {}
    for invocation, fence, began, _, pid in runs:
        run = f"run of {invocation} under lease {fence} in process {pid}"
        if fence not in begun:
            yield f"{run} has no RUNNING in the history"
        if pid in frozen and fence in stopped and stopped[fence] <= began:
            continue
        earlier = seen.setdefault(invocation, [])
        for other in earlier:
            if other == fence:
                yield f"{run} is the second one"
            elif other not in stopped or began < stopped[other]:
                yield f"{run} began while lease {other} was in force"
        earlier.append(fence)
    finished = {(invocation, fence) for invocation, fence, _, over, _ in runs if over is not None}
    for invocation, lease in ended.items():
        if invocation in seen and (invocation, lease) not in finished:
            yield f"{invocation} is a success of lease {lease}, whose run has no end"


def _leases(steps: Rows) -> tuple[set[int], dict[int, Any], dict[str, int]]:
    """Return the leases that were begun, when each was taken away, and the ones of successes."""
    begun: set[int] = set()
    stopped: dict[int, Any] = {}
    ended: dict[str, int] = {}
    for invocation, lease, status, at in steps:
        if status == "running":
            begun.add(lease)
        elif status == "success":
            ended[invocation] = lease
        elif status not in OWNED and lease is not None:
            stopped.setdefault(lease, at)
    return begun, stopped, ended
