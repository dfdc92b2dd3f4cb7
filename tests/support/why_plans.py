"""Why an invocation is not running: told by indexes alone, however much there is."""

from __future__ import annotations

from typing import Final

from tests.support.filled import Held, Sample
from tests.support.plan_case import Case
from tests.support.sql import APP, Connection, one, register_tasks


def _known(connection: Connection, _sample: Sample) -> Held:
    """Tell what the runner can take, and return the one that is due next."""
    register_tasks(connection, "tests.task", kind="var_keyword")
    query = """select invocation_id::text from invocation_state
               where app_id = %s and due_at is not null order by due_at limit 1"""
    return [(str(one(connection, query, (APP,))), 0)]


def _why(connection: Connection, which: str) -> object:
    return connection.execute("select * from why(%s, %s)", (APP, which)).fetchall()


_LOOKED: Final = {"why": "invocation_pkey invocation_state_pkey invocation_outcome_pkey"}

# Of what is ready it counts how many come before it, up to ten thousand: that is meant to grow.
WHY: Final[dict[str, Case]] = {
    "why_ended": Case(lambda c, s, _: _why(c, s.ended[0]), _LOOKED),
    "why_held": Case(lambda c, s, _: _why(c, s.owned[0][0]), _LOOKED),
    "why_later": Case(
        lambda c, _, held: _why(c, held[0][0]),
        _LOOKED
        | {
            "why_later": "aside_pkey workflow_pkey",
            "why_untakable": "aside_pkey",
            "is_able": "runner_task_name_idx task_pkey",
        },
        _known,
    ),
}
