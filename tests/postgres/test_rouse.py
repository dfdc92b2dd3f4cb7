"""Of many runners that sleep as many are woken as there is work for."""

from __future__ import annotations

import json

import pytest

from tests.support.sql import Connection, one, register, register_runner

MANY = 12


@pytest.fixture
def asleep(c: Connection) -> Connection:
    """A session that listens, and a dozen runners that sleep; two serve one queue alone."""
    for number in range(MANY - 1):  # and the one that is there
        register_runner(c, f"r{number}")
    c.execute("update pynenc.runner set idle = true, idle_at = now() - interval '1 minute'")
    c.execute("update pynenc.runner set queues = '{mail}' where runner_id in ('r0', 'r1')")
    c.execute("listen pynenc")
    return c


def roused(c: Connection) -> list[list[str] | None]:
    """Return whom each hint of work that has come names; None stands for all."""
    said = [json.loads(hint.payload) for hint in c.notifies(timeout=0)]
    return [each["more"] for each in said if each["kind"] == "work"]


def test_so_many_as_there_are_calls_and_one_more(asleep: Connection) -> None:
    """By chance, and never one that does not serve the queue."""
    seen = set()
    for _ in range(60):
        register(asleep, 1)
        [named] = roused(asleep)
        assert named is not None
        assert len(set(named)) == len(named) == 2
        seen |= {*named}
    assert not seen & {"r0", "r1"}
    assert len(seen) > MANY // 2
    register(asleep, 5)
    [named] = roused(asleep)
    assert named is not None
    assert len(set(named)) == 6


def test_all_where_there_is_work_for_all(asleep: Connection) -> None:
    """Nobody is named."""
    register(asleep, MANY)
    assert roused(asleep) == [None]


def test_who_is_awake_is_not_named_before_those_that_sleep(asleep: Connection) -> None:
    """One that slept a moment ago may be busy for long."""
    asleep.execute(
        "update pynenc.runner set idle = false, idle_at = now() where runner_id not in ('r5', 'r6')"
    )
    register(asleep, 1)
    [named] = roused(asleep)
    assert named is not None
    assert {*named} == {"r5", "r6"}


def test_all_where_it_is_part_of_a_transaction(asleep: Connection) -> None:
    """Who sleeps when that is committed cannot be known before."""
    own = one(asleep, "select count(*) from pynenc.runner where idle")
    assert own == MANY
    register(asleep, 1, own_connection=False)
    assert roused(asleep) == [None]
