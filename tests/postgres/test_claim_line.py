"""Who claims much waits in line, two at a time; who claims little, or elsewhere, does not."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import pytest

from tests.support.races import PATIENCE, blocked
from tests.support.sql import Connection, claim, connect, one, register, register_runner

MUCH, LITTLE = 16, 15


@pytest.fixture
def five(database_dsn: str) -> Iterator[list[Connection]]:
    """Sessions, each with a runner ``r<its number>``."""
    with ExitStack() as stack:
        opened = [stack.enter_context(connect(database_dsn)) for _ in range(5)]
        for number, session in enumerate(opened):
            register_runner(session, f"r{number}")
        yield opened


def test_the_third_waits_until_one_of_two_is_done(
    five: list[Connection], pool: ThreadPoolExecutor
) -> None:
    """It takes its part then, as if it had come later; others were not kept up meanwhile."""
    first, second, third, small, elsewhere = five
    register(first, 60)
    register(first, 1, queue="other")
    with first.transaction():
        taken = claim(first, "r0", MUCH)
        with second.transaction():
            taken += claim(second, "r1", MUCH)
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


def test_whoever_is_held_up_does_not_hold_up_the_others_for_ever(
    five: list[Connection], pool: ThreadPoolExecutor
) -> None:
    """After two seconds a claim goes on without a place."""
    first, second, third, *_ = five
    register(first, 60)
    with first.transaction(), second.transaction():
        taken = claim(first, "r0", MUCH) + claim(second, "r1", MUCH)
        found = pool.submit(lambda: claim(third, "r2", MUCH)).result(PATIENCE)
    assert len({which for which, _ in taken + found}) == 48
    assert one(third, "show lock_timeout") == one(first, "show lock_timeout")
