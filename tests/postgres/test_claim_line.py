"""Who claims much waits in line, two at a time, and never long; others do not wait."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager

import pytest

from tests.acceptance.workers import wait_for
from tests.support.races import PATIENCE, blocked
from tests.support.sql import APP, Connection, claim, connect, one, register, register_runner

MUCH, LITTLE = 16, 15
_SET_PATIENCE = "alter function pynenc.wait_in_line set lock_timeout = "
_SETTING = "select proconfig from pg_proc where oid = 'pynenc.wait_in_line'::regproc"


@pytest.fixture
def five(database_dsn: str) -> Iterator[list[Connection]]:
    """Sessions, each with a runner ``r<its number>``."""
    with ExitStack() as stack:
        opened = [stack.enter_context(connect(database_dsn)) for _ in range(5)]
        for number, session in enumerate(opened):
            register_runner(session, f"r{number}")
        yield opened


@pytest.fixture
def patient(five: list[Connection]) -> Iterator[list[Connection]]:
    """The same, where who stands in line does so until it can be seen."""
    admin = five[0]
    [setting] = one(admin, _SETTING)
    admin.execute(f"{_SET_PATIENCE}'10min'".encode())
    yield five
    admin.execute(f"{_SET_PATIENCE}'{setting.partition('=')[2]}'".encode())


def test_the_third_waits_until_one_of_two_is_done(
    patient: list[Connection], pool: ThreadPoolExecutor
) -> None:
    """It takes its part then, as if it had come later; others were not kept up meanwhile."""
    first, second, third, small, elsewhere = patient
    register(first, 60)
    register(first, 1, queue="other")
    with second.transaction(), first.transaction():
        taken = claim(first, "r0", MUCH) + claim(second, "r1", MUCH)
        answer = pool.submit(lambda: claim(third, "r2", MUCH))
        blocked(elsewhere, third)
        taken += claim(small, "r3", LITTLE)
        taken += claim(elsewhere, "r4", MUCH, queues=["other"])
        waits = "select wait_event from pg_stat_activity where pid = %s"
        assert one(small, waits, (third.info.backend_pid,)) == "advisory"
        assert len(taken) == 16 + 16 + 15 + 1
    found = answer.result(PATIENCE)
    assert len(found) == 60 - 47
    assert not {which for which, _ in taken} & {which for which, _ in found}


def test_an_idle_runner_does_not_wait(patient: list[Connection]) -> None:
    """Whoever slept until now is to begin at once, however much it could hold."""
    first, second, third, fourth, _ = patient
    for session, runner in ((third, "r2"), (fourth, "r3")):
        assert claim(session, runner, 500, idle=True) == []
    register(first, 60)
    with second.transaction(), first.transaction():
        taken = claim(first, "r0", MUCH) + claim(second, "r1", MUCH)
        taken += claim(third, "r2", MUCH, idle=True)
        taken += claim(fourth, "r3", 500, idle=True)
    assert len({which for which, _ in taken}) == len(taken) == 60


def test_whoever_stands_still_does_not_stop_the_others(
    five: list[Connection], pool: ThreadPoolExecutor
) -> None:
    """After a moment a claim goes on without a place, and leaves the session as it was."""
    first, second, third, fourth, _ = five
    register(first, 100)
    with first.transaction(), second.transaction():
        taken = claim(first, "r0", MUCH) + claim(second, "r1", MUCH)
        for session, runner in ((third, "r2"), (fourth, "r3"), (third, "r2")):
            taken += pool.submit(claim, session, runner, MUCH).result(PATIENCE)
    assert len({which for which, _ in taken}) == len(taken) == 80
    assert one(third, "show lock_timeout") == one(first, "show lock_timeout")


def test_the_wait_is_a_tenth_of_a_second_at_most(five: list[Connection]) -> None:
    """A line can be part of no deadlock that costs anybody more than the wait, nor stop anybody."""
    query = "select split_part(proconfig[1], '=', 2)::interval <= interval '100 ms' from pg_proc"
    assert one(five[0], f"{query} where oid = 'pynenc.wait_in_line'::regproc") is True
    assert (
        one(five[0], "select setting::int from pg_settings where name = 'deadlock_timeout'") > 100
    )


@contextmanager
def unread(dsn: str, runner: str) -> Iterator[int]:
    """Claim much, and read nothing of an answer that no buffer holds; yield the server's process.

    So it is with a client that was stopped, or that vanished with its machine: the server cannot
    end the transaction before it has handed the answer over.
    """
    session = connect(dsn)
    try:
        command = f"select * from pynenc.claim('{APP}', '{runner}', '{{}}', {MUCH}, true)"
        session.pgconn.send_query(command.encode())
        while session.pgconn.flush():
            pass
        yield session.info.backend_pid
    finally:
        session.close()


def test_clients_that_do_not_read_their_answers_hold_places(five: list[Connection]) -> None:
    """Both places are taken by them, for as long as they like; others work on all the same."""
    watcher, dsn = five[2], five[0].info.dsn
    register(watcher, 2 * MUCH, arguments=json.dumps({"text": "x" * 2_000_000}))
    ids = register(watcher, 100)
    hung = (
        "select count(*) from pg_stat_activity where pid = any(%s) and wait_event = 'ClientWrite'"
    )
    with unread(dsn, "r0") as one_pid, unread(dsn, "r1") as other_pid:
        pids = [one_pid, other_pid]
        wait_for(lambda: one(watcher, hung, (pids,)) == len(pids))
        taken = claim(five[2], "r2", MUCH) + claim(five[3], "r3", MUCH) + claim(five[4], "r4", 500)
        assert one(watcher, hung, (pids,)) == len(pids)
    assert {which for which, _ in taken} == set(ids)
