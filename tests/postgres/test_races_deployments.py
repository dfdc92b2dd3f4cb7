"""Deployments of triggers, against each other and against what causes and fires meanwhile."""

from __future__ import annotations

import random
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import psycopg

from tests.support.plain_sql import gaps, refusal, status_of
from tests.support.races import impatient, running, together, while_held
from tests.support.sql import APP, Connection, finish, one
from tests.support.trigger_sql import CAUSES, ENDS, REMOVED, RUNS, emit, fire, take, tell, watched


def sqlstate(action: Callable[[], object]) -> str | None:
    """Do it; return the code it is refused with, if it is."""
    try:
        action()
    except psycopg.Error as error:
        return error.sqlstate
    return None


def test_two_deployments_at_once(
    c: Connection, other: Connection, pool: ThreadPoolExecutor
) -> None:
    """What stands then is what one of them has told, as a whole."""
    mine = [watched(f"mine-{n}", about="mine") for n in range(20)]
    yours = [watched(f"your-{n}", about="your") for n in range(20)]
    for _ in range(5):
        together(pool, lambda: tell(c, *mine), lambda: tell(other, *yours))
        known = "select array_agg(trigger_id order by trigger_id) from "
        found = one(c, known + "trigger_definition where removed_at is null")
        assert found in (sorted(t["trigger_id"] for t in side) for side in (mine, yours))
        assert one(c, known + "trigger_watch") == found


def test_an_end_does_not_wait_for_a_deployment(c: Connection, other: Connection) -> None:
    """The trigger goes, in a transaction that is open: what ends meanwhile ends, and is told."""
    tell(c, ENDS)
    held = running(c)
    impatient(c)
    with other.transaction():
        tell(other)
        assert finish(c, held) == {}
    assert status_of(c, held[0][0]) == "success"
    assert (one(c, CAUSES), take(c), one(c, REMOVED)) == (1, [], 0)
    assert "dropped 1 causes" in str(one(c, "select maintain(%s)", (APP,)))
    assert (one(c, CAUSES), one(c, REMOVED)) == (0, 1)
    assert gaps(c) == []


def test_a_deployment_does_not_wait_for_an_end(c: Connection, other: Connection) -> None:
    """Nor for an event of a long transaction: what it caused is dropped when it has committed."""
    tell(c, ENDS, watched("u"))
    held = running(c)
    impatient(c)
    with other.transaction():
        assert finish(other, held) == {}
        emit(other)
        tell(c)
    assert one(c, CAUSES) == 2
    one(c, "select maintain(%s)", (APP,))
    assert (one(c, CAUSES), one(c, REMOVED)) == (0, 2)


def test_a_trigger_that_comes_back_finds_what_was_on_its_way(
    c: Connection, other: Connection
) -> None:
    """A deployment that is taken back has lost nothing of that."""
    tell(c, watched())
    with other.transaction():
        emit(other)
        tell(c)
    tell(c, watched())
    assert len(take(c)) == 1


def test_a_trigger_goes_while_it_fires(
    c: Connection, other: Connection, pool: ThreadPoolExecutor
) -> None:
    """It has fired: that is what is told."""
    tell(c, watched())
    emit(c)
    causes = take(c)
    while_held(other, c, pool, lambda: fire(other, causes), lambda: tell(c))
    assert (one(c, RUNS), one(c, REMOVED), one(c, CAUSES)) == (1, 0, 0)


def test_it_fires_while_its_trigger_goes(
    c: Connection, other: Connection, pool: ThreadPoolExecutor
) -> None:
    """It was dropped: nothing is started."""
    tell(c, watched())
    emit(c)
    causes = take(c)
    error = while_held(
        other, c, pool, lambda: tell(other), lambda: refusal(c, lambda: fire(c, causes))
    )
    assert error is not None
    assert error.sqlstate == "PN026"
    assert (one(c, "select count(*) from invocation"), one(c, REMOVED)) == (0, 1)


def test_removal_and_firing_lock_in_one_order(
    c: Connection, other: Connection, pool: ThreadPoolExecutor
) -> None:
    """Many causes, both at once, time and again: no deadlock, and each is told once."""
    for _ in range(10):
        tell(c, watched())
        for _ in range(40):
            emit(c)
        causes = take(c)
        random.shuffle(causes)
        answers = together(
            pool,
            partial(sqlstate, partial(fire, other, causes)),
            partial(sqlstate, partial(tell, c)),
        )
        assert set(answers) <= {None, "PN026"}
    told = one(c, RUNS)
    assert (told, one(c, "select count(distinct cause_id) from trigger_run")) == (400, 400)
    assert one(c, CAUSES) == 0
