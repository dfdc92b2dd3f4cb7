"""The database looks for what must never be so: each planted break is named, and no other."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

import pynenc_pg.postgres
from tests.support.plain_sql import undone
from tests.support.sql import (
    APP,
    Connection,
    claim,
    connect,
    finish,
    one,
    register,
    register_runner,
    retry,
    start,
    temporary_database,
)
from tests.support.trigger_sql import emit, fire, take, tell, watched
from tests.support.wait_sql import pause
from tests.support.workflow_sql import call

#: Roles of the invocations of the fixture. In what is planted :name stands for the id of each.
NAMES: Final = ("ended", "failed", "keyed", "parked", "parent", "ready", "later", "flow", "child")
STATE: Final = "pynenc.invocation_state"
HISTORY: Final = "pynenc.invocation_history"

#: What is planted, which rule names it, and about which of them.
PLANTS: Final[dict[str, tuple[str, str, str, str]]] = {
    "lost": (
        f"delete from {STATE} where invocation_id = :ready",
        "I1",
        "neither live nor ended",
        "ready",
    ),
    "twice": (
        f"""insert into {STATE} (invocation_id, app_id, queue, status, status_at, changed_by,
                                 rank, rev)
            select invocation_id, app_id, 'default', 'rerouted', finished_at, 'x', 1, rev
            from pynenc.invocation_outcome where invocation_id = :ended""",
        "I1",
        "live and ended",
        "ended",
    ),
    "invented": (
        "delete from pynenc.invocation where invocation_id = :ready",
        "I1",
        "live, and was never called",
        "ready",
    ),
    "payload": (
        """update pynenc.invocation set arguments = json_build_object('x', json_build_object(
           '$ref', repeat('ab', 32))) where invocation_id = :ready""",
        "I1",
        "needs a large value that is not there",
        "ready",
    ),
    "gap": (
        f"delete from {HISTORY} where invocation_id = :keyed and rev = 0",
        "I6",
        "history has a gap or a revision twice, or does not end where it stands",
        "keyed",
    ),
    "twice the same revision": (
        f"""insert into {HISTORY} select * from {HISTORY} where invocation_id = :failed and rev = 1;
            delete from {HISTORY} where invocation_id = :failed and rev = 3""",
        "I6",
        "history has a gap or a revision twice, or does not end where it stands",
        "failed",
    ),
    "behind": (
        f"update {STATE} set rev = rev + 1 where invocation_id = :ready",
        "I6",
        "history has a gap or a revision twice, or does not end where it stands",
        "ready",
    ),
    "no history": (
        f"delete from {HISTORY} where invocation_id = :ready",
        "I6",
        "has no history",
        "ready",
    ),
    "illegal": (
        f"update {HISTORY} set status = 'killed' where invocation_id = :parked and rev = 1",
        "I2",
        "a step that is not in status_transition, or goes back in time",
        "parked",
    ),
    "backwards": (
        f"""update {HISTORY} set at = at - interval '1 hour'
            where invocation_id = :keyed and status = 'running'""",
        "I2",
        "a step that is not in status_transition, or goes back in time",
        "keyed",
    ),
    "other end": (
        "update pynenc.invocation_outcome set status = 'failed' where invocation_id = :ended",
        "I5",
        "its outcome is not what its history says",
        "ended",
    ),
    "ended twice": (
        f"""insert into {HISTORY}
            select invocation_id, app_id, rev + 1, status, 'success', null, null, null, 'x', at
            from {HISTORY} where invocation_id = :failed and status = 'failed'""",
        "I5",
        "ended more than once",
        "failed",
    ),
    "stolen": (
        f"""update {HISTORY} set runner_id = 'thief'
            where invocation_id = :ended and status = 'running'""",
        "I3",
        "changed hands without a claim",
        "ended",
    ),
    "stale": (
        "update pynenc.invocation_outcome set lease = 4711 where invocation_id = :ended",
        "I3",
        "its outcome is not that of the latest lease",
        "ended",
    ),
    "two owners": (
        f"update {STATE} set lease = 4711 where invocation_id = :keyed",
        "I3",
        "is held under another lease than its history says",
        "keyed",
    ),
    "slot of nobody": (
        "update pynenc.slot set invocation_id = :ready where invocation_id = :keyed",
        "I4",
        "a slot is held by what nobody executes",
        "ready",
    ),
    "no slot": (
        "delete from pynenc.slot; update pynenc.lane set open = true",
        "I4",
        "is executed without the slot of its key",
        "keyed",
    ),
    "open": (
        "update pynenc.lane set open = not open",
        "I11",
        "a key is open or shut to claims against its slots",
        "k",
    ),
    "free slot": (
        "update pynenc.lane set slots = 9, open = true",
        "I11",
        "is parked although its key has a free slot",
        "parked",
    ),
    "fired twice": (
        """insert into pynenc.trigger_run (app_id, trigger_id, version, task_id, cause_id, causes,
                                           invocation_id, fired_at)
           select app_id, trigger_id, version, task_id, -1, causes, invocation_id, fired_at
           from pynenc.trigger_run""",
        "I7",
        "a cause has fired more than once",
        "t",
    ),
    "started nothing": (
        "update pynenc.trigger_run set invocation_id = 'ffffffff-0000-7000-8000-000000000000'",
        "I7",
        "what a cause has started is not there",
        "t",
    ),
    "step without call": (
        "update pynenc.workflow_step set child_id = null where invocation_id = :flow",
        "I8",
        "a step of a workflow has no call, or none that is there",
        "flow",
    ),
    "no workflow": (
        "delete from pynenc.workflow where invocation_id = :flow",
        "I8",
        "a step of what is no workflow",
        "flow",
    ),
    "waits for ever": (
        "update pynenc.wait_edge set awaited_id = :ended where waiter_id = :parent",
        "I10",
        "waits for what is not live",
        "parent",
    ),
    "nobody waits": (
        "update pynenc.wait_edge set waiter_id = :ready where waiter_id = :parent",
        "I10",
        "waits, and nobody executes it",
        "ready",
    ),
    "nobody's": (
        f"""update {STATE} set runner_id = 'nobody' where invocation_id = :keyed;
            update {HISTORY} set runner_id = 'nobody'
            where invocation_id = :keyed and runner_id is not null""",
        "I11",
        "is held by a runner that nobody knows",
        "keyed",
    ),
    "not promoted": (
        f"""update {STATE} set due_at = due_at - interval '1 day' where invocation_id = :later;
            update pynenc.runner set registered_at = registered_at - interval '1 hour'""",
        "I11",
        "was due, and nobody made it ready",
        "later",
    ),
    "not expired": (
        f"""update {STATE} set expires_at = now() - interval '1 hour' where invocation_id = :later;
            update pynenc.runner set registered_at = registered_at - interval '1 hour'""",
        "I11",
        "should have begun, and nobody ended it",
        "later",
    ),
    "passed over": (
        f"""update {STATE} set status_at = status_at - interval '1 hour', rank = rank - 3600
            where invocation_id = :ready;
            update {HISTORY} set at = at - interval '1 hour' where invocation_id = :ready;
            update pynenc.runner set registered_at = registered_at - interval '1 hour', idle = true,
                   concurrency = 99, idle_at = idle_at - interval '1 hour'""",
        "I11",
        "is ready, and a runner that could take it is idle",
        "ready",
    ),
    "not recovered": (
        """update pynenc.runner set registered_at = registered_at - interval '1 hour',
                  lease_until = case when runner_id = 'runner-1' then now() - interval '1 hour'
                                     else lease_until end""",
        "I11",
        "is held by a dead runner, though others live",
        "keyed",
    ),
    "other app": (
        "update pynenc.invocation_outcome set app_id = 'other' where invocation_id = :failed",
        "I12",
        "stands in another app than its call",
        "failed",
    ),
    "key of another": (
        "update pynenc.lane set app_id = 'other'",
        "I12",
        "is in the queue of a key of another app",
        "keyed",
    ),
    "runner of another": (
        "update pynenc.runner set app_id = 'other' where runner_id = 'runner-1'",
        "I12",
        "is held by a runner of another app",
        "keyed",
    ),
}
_GAP: Final = "history has a gap or a revision twice, or does not end where it stands"
_STEP: Final = "a step that is not in status_transition, or goes back in time"
#: What else is then so, by its nature.
ALSO: Final = {
    "lost": {_GAP},
    "gap": {_STEP},
    "twice the same revision": {_STEP},
    "ended twice": {_GAP, _STEP},
    "no slot": {"is parked although its key has a free slot"},
    "slot of nobody": {"is executed without the slot of its key"},
}


def broken(c: Connection, app: str | None = APP) -> list[tuple[str, str, list[str]]]:
    """Look."""
    return c.execute("select * from pynenc.broken(%s, null, 5)", (app,)).fetchall()


def some_of_each(c: Connection) -> dict[str, str]:
    """Put invocations into the database by its verbs; answer their ids by name."""
    register_runner(c)
    register_runner(c, "other")
    ids: dict[str, str] = {}
    [ids["ended"]] = register(c)
    held = claim(c)
    start(c, held)
    finish(c, held)
    [ids["failed"]] = register(c)
    held = claim(c)
    start(c, held)
    retry(c, held, error='"oops"')
    held = claim(c)
    start(c, held)
    finish(c, held, status="failed", value='{"type": "E"}')
    ids["keyed"], ids["parked"] = register(c, 2, lanes=["k", "k"], slots=1)
    start(c, claim(c))
    [ids["parent"]] = register(c)
    held = claim(c)
    start(c, held)
    [awaited] = register(c, queue="unserved", parent=ids["parent"])
    pause(c, held[0], [awaited])
    [ids["flow"]] = register(c)
    [held_flow] = claim(c, limit=1, queues=["default"])
    start(c, [held_flow])
    ids["child"] = call(c, held_flow)
    c.execute("select pynenc.pause_queue(%s, 'unserved', true)", (APP,))
    tell(c, watched())
    emit(c)
    fire(c, take(c))
    [ids["ready"]] = register(c)
    [ids["later"]] = register(c, delay=3600)
    return ids


@pytest.fixture(scope="module")
def filled(server_dsn: str, template: str) -> Iterator[tuple[Connection, dict[str, str]]]:
    """A database with some of each."""
    with temporary_database(server_dsn, template) as dsn, connect(dsn) as connection:
        yield connection, some_of_each(connection)


def test_nothing_is_found_where_nothing_is_wrong(
    filled: tuple[Connection, dict[str, str]],
) -> None:
    """In any app, in all, and since any time."""
    c, _ = filled
    assert broken(c) == broken(c, None) == broken(c, "nobody") == []
    assert c.execute("select * from pynenc.broken(%s, now(), 5)", (APP,)).fetchall() == []


@pytest.mark.parametrize("plant", PLANTS)
def test_each_break_is_named(filled: tuple[Connection, dict[str, str]], plant: str) -> None:
    """By its rule, with the row; no other rule, but those that speak of the same."""
    c, ids = filled
    statements, invariant, rule, about = PLANTS[plant]
    for name in NAMES:
        statements = statements.replace(f":{name}", f"'{ids[name]}'")
    with undone(c):
        c.execute("set local session_replication_role = replica")
        c.execute(statements.encode())
        found = broken(c, None)
        named = [(one[0], one[1]) for one in found]
        assert (invariant, rule) in named, found
        rows = [row for *_, row in found if ids.get(about, about) in row]
        assert rows, found
        assert {one[1] for one in found} == {rule} | ALSO.get(plant, set()), found


def test_every_rule_is_planted() -> None:
    """None is there that no test has seen at work."""
    here = Path(pynenc_pg.postgres.__file__).parent / "sql" / "functions"
    texts = [path.read_text(encoding="utf-8") for path in here.glob("*.sql")]
    rules = {
        found for text in texts for found in re.findall(r"select '(I\d+)',\s+'([^']+)',", text)
    }
    assert rules == {(invariant, rule) for _, invariant, rule, _ in PLANTS.values()}


def test_it_changes_nothing_and_is_for_observers(
    filled: tuple[Connection, dict[str, str]],
) -> None:
    """It works where nothing can be written, for a role that has no right on any table."""
    c, _ = filled
    with c.transaction():
        c.execute("set transaction read only")
        c.execute("set local role pynenc_observer")
        assert one(c, "select count(*) from pynenc.broken(%s, null, 5)", (APP,)) == 0
