"""What the monitor looks by, and the indexes each statement is meant to use."""

from __future__ import annotations

from typing import Final

from tests.support.filled import BUSY, FEW, Held, Sample
from tests.support.plan_case import STATE, Act, Case, case
from tests.support.sql import APP, Connection

_CALL: Final = "invocation_pkey"
_OUTCOME: Final = "invocation_outcome_pkey"
_FIT: Final = {"fitting": f"{_CALL} {STATE} {_OUTCOME}"}
#: Of the history: enough for a few, however many there are on its last page.
_PAGES: Final = 2


def _listed(said: str) -> Act:
    statement = "select * from list_invocations(%s, %s, null, %s, '1 minute')"
    return lambda c, _: c.execute(statement.encode(), (APP, said, FEW)).fetchall()


def _of_one(statement: str, *more: object) -> Act:
    def look(connection: Connection, sample: Sample) -> object:
        which = sample.owned[0][0]
        return connection.execute(statement.encode(), (APP, which, *more)).fetchall()

    return look


def _end_last(connection: Connection, _sample: Sample) -> Held:
    """Leave ends on the last pages of the history, more than are looked at.

    Else there is whatever other cases have rolled back: on some pages nothing, on some a lot.
    """
    with connection.transaction():
        connection.execute("set local session_replication_role = replica")
        connection.execute(
            """with called as (
                   insert into invocation (
                       invocation_id, app_id, task_id, call_id, arguments, options, queue, priority,
                       depth, registered_at, registered_by)
                   select overlay(first_id(now())::text placing substr(
                              md5(g::text || clock_timestamp()::text), 1, 12) from 25)::uuid,
                          %s, 'tests.task', 'call', '{}', '{}', 'ended', 0, 0, now(), 'prepare'
                   from generate_series(1, %s) g returning invocation_id, app_id)
               insert into invocation_history (
                   invocation_id, app_id, rev, previous_status, status, lease, changed_by, at)
               select invocation_id, app_id, n, 'pending',
                      case n %% 2 when 0 then 'running' else 'success' end::invocation_status, 1,
                      'prepare', clock_timestamp()
               from called, generate_series(0, 99) n""",
            (APP, FEW),
        )
        pages = connection.execute(
            """select pg_relation_size(max(tableoid)::regclass) / 8192 - min((ctid::text::point)[0])
               from invocation_history where changed_by = 'prepare'"""
        ).fetchone()
    assert pages is not None
    assert pages[0] > _PAGES
    return []


MONITOR: Final[dict[str, Case]] = {
    "list_all": case(_listed("{}"), list_invocations=_CALL, **_FIT),
    "list_live": case(_listed('{"statuses": ["registered"]}'), list_invocations=STATE, **_FIT),
    "list_ended": case(_listed('{"statuses": ["success"]}'), list_invocations=_OUTCOME, **_FIT),
    "list_children": case(
        _listed('{"parent": "00000000-0000-7000-8000-000000000000"}'),
        list_invocations="invocation_parent_id_idx",
        **_FIT,
    ),
    "list_of_a_time": case(
        _listed('{"ended_after": "2020-01-01T00:00:00Z", "until": "2100-01-01T00:00:00Z"}'),
        list_invocations=f"{STATE} {_OUTCOME}",
        **_FIT,
    ),
    "trigger_figures": case(
        lambda c, _: c.execute("select * from trigger_figures(%s, null, %s)", (APP, FEW)),
        trigger_figures="trigger_cause_due_idx trigger_cause_waiting_idx trigger_cause_parked_idx"
        " trigger_run_trigger_idx",
    ),
    "histories": case(
        lambda c, s: c.execute("select * from histories(%s, %s::uuid[])", (APP, s.ended)),
        histories="invocation_history_invocation_id_idx",
    ),
    "family": case(
        _of_one("select * from family(%s, %s, 10)"),
        family=f"{_CALL} invocation_parent_id_idx {STATE} {_OUTCOME}",
    ),
    "waits_of": case(
        _of_one("select * from waits_of(%s, %s, 10)"),
        waits_of=f"wait_edge_waiter_idx wait_edge_once {_CALL} {STATE}",
    ),
    "held_by": case(
        lambda c, _: c.execute("select * from held_by(%s, %s, %s)", (APP, BUSY, FEW)),
        held_by=f"state_owned_idx {_CALL}",
    ),
    "recent_ends": Case(
        lambda c, _sample, _held: c.execute(
            "select * from recent_ends(%s, %s, %s)", (APP, _PAGES, FEW)
        ).fetchall(),
        {"recent_ends": f"{_CALL} invocation_history_invocation_id_idx"},
        _end_last,
    ),
}
