"""The server: how it is set, what its clock says, who keeps it from cleaning up."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from pynenc_pg.cli.checks.finding import PROBLEM, WARNING, Finding, Patient

#: Seconds that a transaction may be open before it is told of, and before it is a problem.
LONG: Final = 60.0
TOO_LONG: Final = 900.0
#: Seconds that this machine's clock may be off.
SKEW: Final = 2.0
#: Bytes of WAL that a slot nobody reads may keep.
KEPT_WAL: Final = 64 * 2**20
#: Beside the pool of each runner: its home, and the session where it hears of results.
_OWN_SESSIONS: Final = 2

#: By setting: the value it must not have, how bad that is, and why.
_WRONG: Final[Mapping[str, tuple[str, str, str]]] = {
    "fsync": ("off", PROBLEM, "a crash of the machine can destroy the whole database"),
    "full_page_writes": ("off", PROBLEM, "a crash of the machine can tear pages apart"),
    "synchronous_commit": (
        "off",
        WARNING,
        "a crash of the server can lose calls that were accepted a moment before",
    ),
    "autovacuum": ("off", PROBLEM, "the tables of the queue rot within hours"),
    "track_counts": ("off", PROBLEM, "autovacuum does nothing without it"),
    "default_transaction_isolation": (
        "serializable",
        PROBLEM,
        "every verb is refused: it must be read committed",
    ),
    "zero_damaged_pages": ("on", PROBLEM, "damaged rows are thrown away without a word"),
}
_SETTINGS: Final = "select name, setting from pg_settings where name = any (%s)"
_ALIVE: Final = """
select count(*) from {schema}.runner_health where app_id = %s and health = 'alive'
"""
_SESSIONS: Final = """
select a.pid, coalesce(nullif(a.application_name, ''), a.usename, '?'), a.state,
       extract(epoch from clock_timestamp() - a.xact_start)::float8
from pg_stat_activity a
where a.datname = current_database() and a.pid <> pg_backend_pid()
  and a.backend_type = 'client backend'
  and a.xact_start < clock_timestamp() - make_interval(secs => %s)
union all
select null, p.gid, 'prepared', extract(epoch from clock_timestamp() - p.prepared)::float8
from pg_prepared_xacts p
where p.database = current_database() and p.prepared < clock_timestamp() - make_interval(secs => %s)
order by 4 desc
"""
#: Of slots: the bytes of WAL that the server keeps for one, and whether it keeps dead rows. A
#: standby reports where it is with a position of its own.
_SLOTS: Final = """
select s.slot_name, s.slot_type, num_nonnulls(s.xmin, s.catalog_xmin) > 0,
       coalesce(pg_wal_lsn_diff(
           case when pg_is_in_recovery() then pg_last_wal_replay_lsn()
                else pg_current_wal_lsn() end,
           s.restart_lsn), 0)::bigint
from pg_replication_slots s
where not s.active and num_nonnulls(s.restart_lsn, s.xmin, s.catalog_xmin) > 0 order by s.slot_name
"""


def read_settings(patient: Patient) -> dict[str, str]:
    """Read what the checks want to know."""
    names = [*_WRONG, "max_connections", "superuser_reserved_connections"]
    return {str(name): str(value) for name, value in patient.database.call(_SETTINGS, (names,))}


def settings(patient: Patient) -> Iterator[Finding]:
    """Look for settings that lose work, or let the tables rot."""
    found = read_settings(patient)
    for name, (wrong, level, why) in _WRONG.items():
        if found.get(name) == wrong:
            yield Finding("settings", level, f"{name} is {wrong}: {why}", rows=((name, wrong),))


def connections(patient: Patient) -> Iterator[Finding]:
    """Compare what the runners may open with what the server has."""
    found = read_settings(patient)
    most = int(found["max_connections"]) - int(found["superuser_reserved_connections"])
    [(runners,)] = patient.database.call(_ALIVE, (patient.app.conf.app_id,))
    each = patient.app.conf.postgres.pool_size + _OWN_SESSIONS
    if runners * each > most:
        message = (
            f"{runners} runners may open {each} sessions each, and the server has {most} for all: "
            "raise max_connections, lower postgres.pool_size, or put a pooler in front"
        )
        yield Finding("connections", WARNING, message)


def clock(patient: Patient) -> Iterator[Finding]:
    """Compare the server's clock with this machine's."""
    offset = patient.app.state_backend.clock_offset()
    if abs(offset) > SKEW:
        way = "ahead of" if offset > 0 else "behind"
        message = (
            f"the server's clock is {abs(offset):.1f} s {way} this machine's: times are the "
            "server's, and a day's difference is refused"
        )
        yield Finding("clock", WARNING, message)


def sessions(patient: Patient) -> Iterator[Finding]:
    """Look for transactions that are open for long: no dead row is removed meanwhile."""
    for pid, name, state, seconds in patient.database.call(_SESSIONS, (LONG, LONG)):
        level = PROBLEM if seconds > TOO_LONG else WARNING
        end = f"select pg_terminate_backend({pid})" if pid else f"rollback prepared '{name}'"
        message = (
            f"a transaction of {name} is open for {seconds:.0f} s ({state}): nothing that has died "
            f"since can be cleaned up, and claims become slow; to end it: {end}"
        )
        yield Finding("sessions", level, message, rows=((str(pid or name),),))


def replication(patient: Patient) -> Iterator[Finding]:
    """Look for replication slots that nobody reads: they keep WAL, and dead rows, for ever."""
    for name, kind, rows, wal in patient.database.call(_SLOTS):
        if wal < KEPT_WAL and not rows:  # a reader that comes back in a moment
            continue
        message = (
            f"nobody reads the {kind} replication slot {name}: the server keeps WAL for it "
            f"({wal / 2**20:,.0f} MB by now), until its disk is full"
            f"{', and dead rows' if rows else ''}; to drop it: "
            f"select pg_drop_replication_slot('{name}')"
        )
        yield Finding("replication", WARNING, message, rows=((name,),))
