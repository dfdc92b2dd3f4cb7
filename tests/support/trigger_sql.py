"""The verbs of triggers over a bare psycopg connection."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

from pynenc_pg.domain.ids import new_invocation_id
from tests.support.sql import APP, RUNNER, Connection, one

STARTED: Final = "tests.started"
CAUSES: Final = "select count(*) from trigger_cause"
RUNS: Final = "select count(*) from trigger_run"
REMOVED: Final = f"{RUNS} where reason = 'removed' and invocation_id is null"
Cause = tuple[int, int]  # its number, and that of the look


def watched(
    trigger: str = "t",
    *,
    what: str = "event",
    about: str = "paid",
    version: str = "1",
    wanted: Any = None,
    pairs: bool = False,
    cron: bool = False,
) -> dict[str, Any]:
    """Make a trigger that watches something, as it is told."""
    schedule = [{"condition_id": "cron", "condition": {}}]
    watch = {"what": what, "about": about, "condition_id": "c", "filter": wanted}
    return {
        "trigger_id": trigger,
        "task_id": STARTED,
        "definition": {},
        "version": version,
        "pairs": pairs,
        "within": 60,
        "watches": [watch],
        "schedules": schedule if cron else [],
    }


ENDS: Final = watched(what="success", about="tests.task")


def tell(c: Connection, *triggers: Mapping[str, Any], app: str = APP) -> None:
    """Tell all triggers of the task that they start."""
    query = "select pynenc.register_triggers(%s, %s, %s)"
    c.execute(query, (app, [STARTED], json.dumps(triggers)))


def emit(
    c: Connection, code: str = "paid", payload: str = "{}", event: str = "", app: str = APP
) -> str:
    """Emit an event."""
    event = event or new_invocation_id()
    c.execute("select pynenc.emit(%s, %s, %s, %s, 'test')", (app, event, code, payload))
    return event


def take(
    c: Connection,
    trigger: str = "t",
    *,
    limit: int = 100,
    seconds: float = 60,
    version: str = "1",
    app: str = APP,
) -> list[Cause]:
    """Take causes of a trigger."""
    return c.execute(
        """select distinct cause_id, attempts
           from pynenc.take_causes(%s, %s, %s, %s, %s, %s) order by 1""",
        (app, RUNNER, [trigger], [version], limit, seconds),
    ).fetchall()


def fire(c: Connection, causes: Sequence[Cause], app: str = APP) -> list[str]:
    """Start a call for each, in one statement; what they became."""
    ids = [new_invocation_id() for _ in causes]
    return list(
        one(
            c,
            f"""select pynenc.fire(%s, %s, %s, pynenc.register_2(
                    %s, '{STARTED}', 'default', 0, null, null, null, false, null, 0, '{{}}', 'test',
                    true, %s::uuid[], %s, %s, null, null, false), %s::text[])""",
            (
                app,
                [cause for cause, _ in causes],
                [attempt for _, attempt in causes],
                app,
                ids,
                [f"call-{i}" for i in ids],
                ["{}"] * len(ids),
                [None] * len(ids),
            ),
        )
    )


def settle(
    c: Connection, causes: Sequence[Cause], verdict: str = "no", delay: float = 0, app: str = APP
) -> int:
    """Say the same of all; how many were ours."""
    n = len(causes)
    return int(
        one(
            c,
            "select pynenc.settle_causes(%s, %s, %s, %s, %s::float8[], %s::text[])",
            (
                app,
                [cause for cause, _ in causes],
                [attempt for _, attempt in causes],
                [verdict] * n,
                [delay] * n,
                [None] * n,
            ),
        )
    )


def pair(c: Connection, sets: Sequence[Sequence[int]], trigger: str = "t", app: str = APP) -> bool:
    """Have sets of causes fire as one."""
    query = "select pynenc.pair_causes(%s, %s, %s, '{}')"
    return bool(one(c, query, (app, trigger, json.dumps(sets))))
