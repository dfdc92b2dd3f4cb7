"""Triggers against others at the same time: causes, and what happens meanwhile."""

from __future__ import annotations

import random
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import psycopg
import pytest

from pynenc_pg.domain.ids import new_invocation_id
from tests.support.plain_sql import gaps, refusal
from tests.support.races import PATIENCE, blocked, impatient, running, together, while_held
from tests.support.sql import APP, Connection, claim, connect, finish, one, register, start
from tests.support.trigger_sql import (
    CAUSES,
    ENDS,
    RUNS,
    Cause,
    emit,
    fire,
    pair,
    settle,
    take,
    tell,
    watched,
)

SESSIONS = 8


# --- each cause fires once ------------------------------------------------------------------------


class Crowd:
    """Sessions that take and fire until nothing is left, while somebody kills them."""

    def __init__(self, dsn: str) -> None:
        """Begin with nobody killed."""
        self.dsn = dsn
        self.over = threading.Event()
        self.pids: set[int] = set()
        self.killed = 0

    def work(self) -> int:
        """Take and fire; a lost session is opened again. Return how many calls were started."""
        fired = 0
        while not self.over.is_set():
            with suppress(psycopg.OperationalError), connect(self.dsn) as c:
                self.pids.add(c.info.backend_pid)
                while not self.over.is_set():
                    causes = take(c, limit=random.randint(1, 40), seconds=0.5)
                    fired += len(self.fire(c, causes))
                    if not causes and not one(c, CAUSES):
                        self.over.set()
        return fired

    def fire(self, c: Connection, causes: list[Cause]) -> list[str]:
        """Fire what has not been taken by others meanwhile."""
        while causes:
            try:
                return fire(c, causes)
            except psycopg.Error as error:
                if error.sqlstate != "PN026":
                    raise
                lost = {int(cause) for cause in (error.diag.message_detail or "").split()}
                assert lost
                causes = [one for one in causes if one[0] not in lost]
        return []

    def kill(self) -> None:
        """End one session after the other, wherever it is, until half of the causes are left."""
        with connect(self.dsn) as c:
            while self.killed < 60 and not self.over.is_set():
                time.sleep(0.01)
                pid = random.choice([*self.pids, 0])
                if one(c, "select pg_terminate_backend(pid) from pg_stat_activity where pid = %s "
                          "union all select false limit 1", (pid,)):  # fmt: skip
                    self.killed += 1
                    self.pids.discard(pid)


@pytest.mark.timeout(120)
def test_each_cause_fires_once_whoever_dies(c: Connection, database_dsn: str) -> None:
    """Eight sessions, two thousand causes, sessions killed at any moment: by a count in SQL."""
    tell(c, ENDS)
    for _ in range(4):
        held = running(c, 500)
        assert finish(c, held) == {}
    assert one(c, CAUSES) == 2000
    crowd = Crowd(database_dsn)
    with ThreadPoolExecutor(SESSIONS + 1) as pool:
        killer = pool.submit(crowd.kill)
        workers = [pool.submit(crowd.work) for _ in range(SESSIONS)]
        killer.result(100)
        assert sum(worker.result(100) for worker in workers) <= 2000  # some answers were lost
    assert crowd.killed > 5
    assert one(c, CAUSES) == 0
    assert c.execute(
        """select count(*), count(distinct cause_id), count(distinct invocation_id),
                  count(distinct causes->0->>'source_id') from trigger_run where reason is null"""
    ).fetchone() == (2000, 2000, 2000, 2000)
    started = """select count(*) from invocation i
                 where i.task_id = 'tests.started' and exists (
                     select from trigger_run r where r.invocation_id = i.invocation_id)"""
    assert one(c, started) == 2000
    assert one(c, "select count(*) from invocation where task_id = 'tests.started'") == 2000
    assert gaps(c) == []


def test_two_take_at_once(c: Connection, other: Connection) -> None:
    """Neither waits for the other, and they have nothing in common."""
    tell(c, watched())
    for _ in range(4):
        emit(c)
    impatient(c)
    with other.transaction():
        first = take(other, limit=2)
        second = take(c)
    assert len(first) == len(second) == 2
    assert len({cause for cause, _ in (*first, *second)}) == 4


def test_a_taker_that_dies_leaves_it(c: Connection, other: Connection) -> None:
    """Before its commit nothing has happened."""
    tell(c, watched())
    emit(c)
    with other.transaction(force_rollback=True):
        assert take(other) != []
    assert take(c) != []


def test_a_fire_that_is_rolled_back_is_none(c: Connection, other: Connection) -> None:
    """Neither call nor firing; its cause is still its own."""
    tell(c, watched())
    emit(c)
    causes = take(c)
    with other.transaction(force_rollback=True):
        fire(other, causes)
    assert (one(c, "select count(*) from invocation"), one(c, RUNS), one(c, CAUSES)) == (0, 0, 1)
    fire(c, causes)


def test_it_is_fired_while_its_time_runs_out(
    c: Connection, other: Connection, pool: ThreadPoolExecutor
) -> None:
    """Whoever takes it then passes it over, and whoever fires it with the same proof is late."""
    tell(c, watched())
    emit(c)
    causes = take(c, seconds=0)
    with other.transaction():
        fire(other, causes)
        assert take(c) == []
        late = pool.submit(refusal, c, lambda: fire(c, causes))
        blocked(other, c)
    error = late.result(PATIENCE)
    assert error is not None
    assert (error.sqlstate, error.diag.message_detail) == ("PN026", str(causes[0][0]))
    assert (one(c, RUNS), one(c, CAUSES)) == (1, 0)


def test_it_is_taken_again_while_the_first_fires(
    c: Connection, other: Connection, pool: ThreadPoolExecutor
) -> None:
    """The second proof counts: the first one's call is not registered."""
    tell(c, watched())
    emit(c)
    first = take(c, seconds=0)
    with other.transaction():
        second = take(other)
        late = pool.submit(refusal, c, lambda: fire(c, first))
        blocked(other, c)
    assert getattr(late.result(PATIENCE), "sqlstate", None) == "PN026"
    assert one(c, "select count(*) from invocation") == 0
    fire(c, second)


def test_it_is_settled_while_it_fires(
    c: Connection, other: Connection, pool: ThreadPoolExecutor
) -> None:
    """One of both, with the same proof."""
    tell(c, watched())
    emit(c)
    causes = take(c)
    assert while_held(other, c, pool, lambda: fire(other, causes), lambda: settle(c, causes)) == 0


def test_two_pair_at_once(c: Connection, other: Connection, pool: ThreadPoolExecutor) -> None:
    """The second finds them gone."""
    tell(c, watched(pairs=True))
    for _ in range(2):
        emit(c)
    causes = take(c)
    settle(c, causes, "yes")
    ids = [cause for cause, _ in causes]
    sides = (lambda: pair(other, [ids]), lambda: pair(c, [ids[::-1]]))
    assert while_held(other, c, pool, *sides) is False
    assert len(take(c)) == 1


def test_a_tick_is_noted_by_one(database_dsn: str, c: Connection, pool: ThreadPoolExecutor) -> None:
    """Eight sessions at the same moment."""
    tell(c, watched(cron=True))
    [(settled,)] = c.execute("select settled from schedule").fetchall()
    query = "select tick(%s, 't', 'cron', %s, array[now()], now(), now() + interval '1 minute')"
    sessions = [connect(database_dsn) for _ in range(SESSIONS)]
    try:
        answers = together(
            pool, *(lambda s=s: bool(one(s, query, (APP, settled))) for s in sessions)
        )
    finally:
        for session in sessions:
            session.close()
    assert sorted(answers) == [False] * (SESSIONS - 1) + [True]
    assert one(c, CAUSES) == 1


# --- what causes ----------------------------------------------------------------------------------


def test_an_event_is_one_with_its_transaction(c: Connection, other: Connection) -> None:
    """Rolled back it has not been; until the commit nobody sees it."""
    tell(c, watched())
    with other.transaction(force_rollback=True):
        emit(other)
    assert (one(c, CAUSES), one(c, "select count(*) from event")) == (0, 0)
    with other.transaction():
        emit(other)
        assert take(c) == []
        emit(c)
        assert len(take(c)) == 1
    assert len(take(c)) == 1


def test_the_same_event_at_once(c: Connection, other: Connection, pool: ThreadPoolExecutor) -> None:
    """The second waits for the first, and is nothing; but it counts if that is rolled back."""
    tell(c, watched())
    event = new_invocation_id()
    while_held(other, c, pool, lambda: emit(other, event=event), lambda: emit(c, event=event))
    assert one(c, CAUSES) == 1
    event = new_invocation_id()
    with other.transaction(force_rollback=True):
        emit(other, event=event)
        second = pool.submit(emit, c, event=event)
        blocked(other, c)
    second.result(PATIENCE)
    assert one(c, CAUSES) == 2


def test_an_end_that_is_rolled_back_is_no_cause(c: Connection, other: Connection) -> None:
    """It commits with what it is about."""
    tell(c, ENDS)
    held = running(c)
    with other.transaction(force_rollback=True):
        finish(other, held)
    assert one(c, CAUSES) == 0
    finish(c, held)
    assert one(c, CAUSES) == 1


def test_a_result_that_jsonb_cannot_have(c: Connection) -> None:
    """It ends all the same, and is a cause: whether it meets the condition is seen later."""
    tell(c, watched(what="success", about="tests.task", wanted={"result": {"a": 1}}))
    for value in ('{"a": 2, "b": "\\u0000"}', '{"a": 2, "b": "\\ud800"}', '{"a": 1e200000}'):
        assert finish(c, running(c), value=value) == {}
    assert one(c, CAUSES) == 3
    assert finish(c, running(c), value='{"a": 2}') == {}
    deep = "[" * 3000 + "]" * 3000
    assert finish(c, running(c), value=deep) == {}
    assert one(c, CAUSES) == 3


def test_the_guard_refuses_as_before(c: Connection) -> None:
    """What nobody may do is refused, watched or not; what somebody may is noted."""
    everything = [
        watched(f"t-{what}", what=what, about="tests.task")
        for what in ("running", "success", "rerouted")
    ]
    tell(c, *everything)
    [which] = register(c)
    for statement, code in (
        ("update invocation_state set status = 'running', previous_status = status", "PN001"),
        ("update invocation_state set status = 'success', previous_status = status", "PN001"),
        ("delete from invocation_state", "PN006"),
        ("insert into invocation_history select * from invocation_history", "PN004"),
    ):
        error = refusal(c, lambda statement=statement: c.execute(statement.encode()))
        assert getattr(error, "sqlstate", None) == code, statement
    assert one(c, CAUSES) == 0
    held = claim(c)
    start(c, held)
    assert one(c, "select array_agg(trigger_id) from trigger_cause") == ["t-running"]
    assert [i for i, _ in held] == [which]
    assert gaps(c) == []
