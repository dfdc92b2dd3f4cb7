"""The schema and its tables: of which version, guarded, with room ahead, not bloated."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from pynenc_pg.cli.checks.finding import NOTE, PROBLEM, WARNING, Finding, Patient
from pynenc_pg.exceptions import PynencError

#: Days that partitions must reach ahead: below it is a problem, or a warning.
TOO_FEW: Final = 1.0
FEW: Final = 3.0
#: Days that a partition may stand past its retention: maintain is an hourly matter.
LATE: Final = 3.0
#: Dead rows of a table, if they are more than those that live.
DEAD: Final = 100_000
_DAY: Final = 86_400.0

_PARTITIONS: Final = """
select p.relname,
       extract(epoch from max(x.began) + p.width - clock_timestamp())::float8 / 86400,
       extract(epoch from clock_timestamp() - (min(x.began) + p.width))::float8 / 86400
from (select c.oid, c.relname,
             case c.relname when 'invocation_history' then interval '1 day'
                            else interval '7 days' end as width
      from pg_class c
      where c.relnamespace = to_regnamespace('{schema}') and c.relkind = 'p') p
cross join lateral (
    select to_timestamp(right(c.relname, 8) || ' +00', 'YYYYMMDD TZH') as began
    from pg_inherits h join pg_class c on c.oid = h.inhrelid
    where h.inhparent = p.oid and c.relkind in ('r', 'p') and c.relname ~ '[0-9]{8}$') x
group by p.relname, p.width order by p.relname
"""
_DEAD: Final = """
select t.relname, t.n_dead_tup, t.n_live_tup, t.last_autovacuum
from pg_stat_user_tables t
where t.relid in (select c.oid from pg_class c where c.relnamespace = to_regnamespace('{schema}'))
  and t.n_dead_tup > %s and t.n_dead_tup > t.n_live_tup order by t.n_dead_tup desc
"""
_INDEXES: Final = """
select c.relname, t.relname from pg_index i
join pg_class c on c.oid = i.indexrelid join pg_class t on t.oid = i.indrelid
where t.relnamespace = to_regnamespace('{schema}') and not (i.indisvalid and i.indisready)
order by c.relname
"""
_TRIGGERS: Final = """
select t.tgname, c.relname from pg_trigger t join pg_class c on c.oid = t.tgrelid
where c.relnamespace = to_regnamespace('{schema}') and t.tgenabled in ('D', 'R')
order by c.relname, t.tgname
"""
_RIGHTS: Final = """
select x.what, coalesce(r.rolname, 'public'), string_agg(distinct x.right, ', ' order by x.right)
from (select 'table ' || c.relname as what, a.grantee, lower(a.privilege_type) as right
      from pg_class c cross join aclexplode(c.relacl) a
      where c.relnamespace = to_regnamespace('{schema}') and c.relkind in ('r', 'p', 'v', 'S')
      union all
      select 'function ' || p.proname, a.grantee, lower(a.privilege_type)
      from pg_proc p
      cross join aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) a
      where p.pronamespace = to_regnamespace('{schema}') and a.grantee = 0) x
left join pg_roles r on r.oid = x.grantee
where x.grantee = 0 or r.rolname in ('{schema_name}_producer', '{schema_name}_worker')
group by 1, 2 order by 1, 2
"""


def schema(patient: Patient) -> Iterator[Finding]:
    """Compare the schema's version with that of the code."""
    # With Alembic and SQLAlchemy it takes its time to be imported.
    from pynenc_pg.postgres import deploy  # noqa: PLC0415

    conf = patient.app.conf.postgres
    try:
        found = deploy.status(conf.direct_dsn or patient.database.dsn, conf.schema_name)
    except PynencError as error:  # another's Alembic; a role that may not look
        yield Finding("schema", NOTE, f"the version of the schema cannot be told: {error}")
        return
    if found.newer:
        message = f"the schema is {found.current}, newer than this code ({found.head}): update it"
        yield Finding("schema", WARNING, message)
    elif not found.up_to_date:
        message = (
            f"the schema is {found.current}, and the code needs {found.head}: pynenc-pg db migrate"
        )
        yield Finding("schema", PROBLEM, message)


def guard(patient: Patient) -> Iterator[Finding]:
    """Look for triggers that somebody has switched off."""
    for name, table in patient.database.call(_TRIGGERS):
        message = (
            f"trigger {name} of {table} is switched off, so nothing guards the state machine: "
            f"alter table {table} enable trigger {name}"
        )
        yield Finding("guard", PROBLEM, message, rows=((table, name),))


def indexes(patient: Patient) -> Iterator[Finding]:
    """Look for indexes that were not finished."""
    for name, table in patient.database.call(_INDEXES):
        message = f"index {name} of {table} is not valid: reindex index concurrently {name}"
        yield Finding("indexes", PROBLEM, message, rows=((table, name),))


def partitions(patient: Patient) -> Iterator[Finding]:
    """Look whether there is room for the next days."""
    for table, ahead, _ in patient.database.call(_PARTITIONS):
        if ahead < FEW:
            level = PROBLEM if ahead < TOO_FEW else WARNING
            message = (
                f"the partitions of {table} reach {max(0.0, ahead):.1f} days ahead: a runner makes "
                "them each hour; to make them now: select maintain('…')"
            )
            yield Finding("partitions", level, message, rows=((table,),))


def retention(patient: Patient) -> Iterator[Finding]:
    """Look for partitions that should have been dropped."""
    kept = patient.app.conf.retention
    for table, _, since in patient.database.call(_PARTITIONS):
        seconds = kept.history if table == "invocation_history" else kept.finished
        if since > seconds / _DAY + LATE:
            message = (
                f"{table} has what ended {since:.0f} days ago: no runner was there to drop it, or "
                "something that lives points at it"
            )
            yield Finding("retention", WARNING, message, rows=((table,),))


def dead_rows(patient: Patient) -> Iterator[Finding]:
    """Look for tables that are mostly dead rows."""
    for table, dead, live, vacuumed in patient.database.call(_DEAD, (DEAD,)):
        when = f"last at {vacuumed:%Y-%m-%d %H:%M}" if vacuumed else "never yet"
        message = (
            f"{table} has {dead:,} dead rows and {live:,} live ones (autovacuum: {when}): is a "
            "transaction held open?"
        )
        yield Finding("dead_rows", WARNING, message, rows=((table,),))


def rights(patient: Patient) -> Iterator[Finding]:
    """Look for rights that nobody was meant to have: on tables, or for everybody."""
    for what, whose, granted in patient.database.call(_RIGHTS):
        message = f"{whose} may {granted} on {what}: revoke it, the verbs are enough"
        yield Finding("rights", WARNING, message, rows=((what, whose),))
