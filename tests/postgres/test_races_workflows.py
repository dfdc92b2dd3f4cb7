"""Workflows against others at the same time: events, cancellations, resumptions."""

from __future__ import annotations

import random
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import psycopg
import pytest

from pynenc_pg.domain.ids import new_invocation_id
from tests.support.plain_sql import refusal, status_of
from tests.support.races import together, while_held
from tests.support.sql import APP, RUNNER, Connection, cancel, claim, one, start
from tests.support.workflow_sql import (
    READY,
    WOKEN,
    Held,
    call,
    emit,
    listen,
    pause,
    promote,
    record,
    rest,
    running,
)


def test_no_event_is_missed(c: Connection, other: Connection, pool: ThreadPoolExecutor) -> None:
    """Emitted while somebody begins to wait: either the wait finds it, or it finds the wait."""
    found = 0
    for _ in range(300):
        held = running(c)

        def emit_soon() -> None:
            time.sleep(random.random() / 500)
            emit(other)

        def wait_soon(held: Held = held) -> str | None:
            time.sleep(random.random() / 500)
            return listen(c, held)

        _, event = together(pool, emit_soon, wait_soon)
        found += event is not None
        if event is None:
            assert one(c, WOKEN) == 1
            rest(c, held)
            assert promote(c) == 1
        cancel(c, held[0])
        c.execute("delete from event; delete from workflow_wake; delete from workflow_wait")
    assert 0 < found < 300


def test_an_event_of_a_transaction_that_goes_on(c: Connection, other: Connection) -> None:
    """Emitted before somebody waits and committed after: it is told at the commit."""
    held = running(c)
    with other.transaction():
        emit(other)
        assert listen(c, held) is None
        rest(c, held)
        assert promote(c) == 0
    assert promote(c) == 1
    assert one(c, READY, (held[0],))


def test_who_begins_to_wait_waits_for_a_commit_under_way(
    c: Connection, other: Connection, pool: ThreadPoolExecutor
) -> None:
    """From the moment the commit has looked who waits, until it is over."""
    held = running(c)

    def commit() -> None:
        emit(other)
        other.execute("set constraints all immediate")  # as the commit does

    assert while_held(other, c, pool, commit, lambda: listen(c, held)) is not None


def test_an_event_waits_for_who_begins_to_wait(
    c: Connection, other: Connection, pool: ThreadPoolExecutor
) -> None:
    """The other way round: then it finds the wait."""
    held = running(c)
    while_held(c, other, pool, lambda: listen(c, held), lambda: emit(other))
    assert one(c, WOKEN) == 1


def test_woken_before_it_rests(c: Connection) -> None:
    """The event comes while the run is still on the stack: it is ready as soon as it is off it."""
    held = running(c)
    assert listen(c, held) is None
    emit(c)
    assert promote(c) == 0
    assert one(c, WOKEN) == 1
    rest(c, held)
    assert promote(c) == 1
    assert one(c, WOKEN) == 0
    assert one(c, READY, (held[0],))


def test_promote_waits_for_no_run(c: Connection, other: Connection) -> None:
    """With the wakes locked that would be a circle with who waits at a step, and who emits."""
    held, ready = running(c), running(c)
    for each in (held, ready):
        assert listen(c, each) is None
    rest(c, ready)
    emit(c)
    c.execute("set statement_timeout = '5s'")
    with other.transaction():
        record(other, held)
        assert promote(c) == 1
        assert one(c, WOKEN) == 1
    rest(c, held)
    assert promote(c) == 1
    assert one(c, WOKEN) == 0


def test_a_resumption_and_the_rest_at_the_same_time(
    c: Connection, other: Connection, pool: ThreadPoolExecutor
) -> None:
    """Whichever is first, in the end it is ready."""
    for _ in range(100):
        held = running(c)
        pause(c, held, paused=True)
        together(
            pool,
            partial(rest, c, held, "paused"),
            partial(pause, other, held, paused=False),
        )
        promote(c)
        assert one(c, READY, (held[0],))
        cancel(c, held[0])


def test_a_cancellation_and_a_call_at_the_same_time(
    c: Connection, other: Connection, pool: ThreadPoolExecutor
) -> None:
    """No child is left behind: it is cancelled, too, or was never called."""
    refused = called = 0
    for number in range(150):
        held = running(c)
        before = call(c, held, "1")

        def try_call(held: Held = held, late: float = number % 5 / 1_000) -> str | None:
            time.sleep(late)  # or one of the two is always first, on a machine with one core
            try:
                return call(c, held, "2")
            except psycopg.Error as error:
                if error.sqlstate != "PN029":
                    raise
                return None

        child, answer = together(pool, try_call, partial(cancel, other, held[0]))
        assert answer == "requested"
        refused, called = refused + (child is None), called + (child is not None)
        for which in (before, child) if child else (before,):
            assert status_of(c, which) == "failed"
        c.execute("select release(%s, %s, %s::uuid[], %s)", (APP, RUNNER, [held[0]], [held[1]]))
    assert one(c, "select count(*) from invocation_state") == 0
    assert min(refused, called) > 0


def test_workflows_with_children_in_one_lane_are_cancelled(
    c: Connection, other: Connection, pool: ThreadPoolExecutor
) -> None:
    """Two at once, whose calls share a concurrency key: nobody deadlocks, nothing is left."""
    for _ in range(100):
        first, second = running(c), running(c)
        for held in (first, second, first, second):
            call(c, held, new_invocation_id().replace("-", ""), lane="'{a lane}'")
        together(
            pool,
            partial(cancel, c, first[0]),
            partial(cancel, other, second[0]),
        )
    assert one(c, "select count(*) from invocation_state where queue = 'children'") == 0


@pytest.mark.parametrize(
    "change",
    [
        "update workflow_step set value = '2'",
        "update workflow_step set path = '9'",
        "delete from workflow_step",
        "truncate workflow_step",
    ],
)
def test_a_step_has_one_value_for_ever(c: Connection, change: str) -> None:
    """I8: not even the tables' owner changes or removes one by mistake."""
    held = running(c)
    record(c, held)
    error = refusal(c, lambda: c.execute(change.encode()))
    assert error is not None
    assert error.sqlstate == "PN004"
    assert one(c, "select value::text from workflow_step") == "1"


def test_a_signal_from_sql(c: Connection) -> None:
    """An event for one run wakes that one alone; the app is that of the run."""
    first, second = running(c), running(c)
    for held in (first, second):
        assert listen(c, held) is None
        rest(c, held)
    event = one(c, "select emit_event('paid', '{\"n\": 1}', workflow => %s)", (first[0],))
    assert promote(c) == 1
    assert (one(c, READY, (first[0],)), one(c, READY, (second[0],))) == (True, False)
    [again] = claim(c, limit=5)
    start(c, [again])
    assert listen(c, again) == event
    error = refusal(
        c, lambda: c.execute("select emit_event('paid', workflow => %s)", (new_invocation_id(),))
    )
    assert error is not None
    assert error.sqlstate == "PN014"


def test_the_tree_of_a_workflow(c: Connection) -> None:
    """All that was called below an invocation, each with the step that has called it."""
    root = running(c)
    first, second = call(c, root, "1"), call(c, root, "2.1.1")
    [held] = [h for h in claim(c, limit=5, queues=["children"]) if h[0] == first]
    start(c, [held])
    below = call(c, held, "1")
    query = (
        "select invocation_id, parent_id, level, step, status, workflow_id from workflow_tree(%s)"
    )
    assert c.execute(query, (root[0],)).fetchall() == [
        (root[0], None, 0, None, "running", root[0]),
        (first, root[0], 1, "1", "running", root[0]),
        (below, first, 2, "1", "registered", root[0]),
        (second, root[0], 1, "2.1.1", "pending", root[0]),
    ]
    assert c.execute(query, (new_invocation_id(),)).fetchall() == []
