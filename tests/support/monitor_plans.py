"""What the monitor looks by, and the indexes each statement is meant to use."""

from __future__ import annotations

from typing import Final

from tests.support.filled import BUSY, FEW, Sample
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


MONITOR: Final[dict[str, Case]] = {
    "list_all": case(_listed("{}"), list_invocations=_CALL, **_FIT),
    "list_live": case(_listed('{"statuses": ["registered"]}'), list_invocations=STATE, **_FIT),
    "list_ended": case(_listed('{"statuses": ["success"]}'), list_invocations=_OUTCOME, **_FIT),
    "list_children": case(
        _listed('{"parent": "00000000-0000-7000-8000-000000000000"}'),
        list_invocations="invocation_parent_id_idx",
        **_FIT,
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
    "recent_ends": case(
        lambda c, _: c.execute(
            "select * from recent_ends(%s, %s, %s)", (APP, _PAGES, FEW)
        ).fetchall(),
        recent_ends=f"{_CALL} invocation_history_invocation_id_idx",
    ),
}
