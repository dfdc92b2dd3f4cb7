"""Recovery, a runner's goodbye and the crash of a process against other verbs at the same time."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.support.plain_sql import gaps, history, state, status_of
from tests.support.races import while_held
from tests.support.sql import (
    APP,
    RUNNER,
    Connection,
    claim,
    crash,
    finish,
    one,
    recover,
    register,
    register_runner,
    start,
)


def dead_runner(c: Connection, n: int, *, keyed: bool = True) -> list[tuple[str, int]]:
    """Let a runner begin n and die: its lease is over."""
    register_runner(c, "dead")
    register(c, n, lanes=[f"k{i}" for i in range(n)] if keyed else None, slots=1)
    held = claim(c, "dead", n)
    start(c, held, "dead")
    c.execute("update runner set lease_until = now() - interval '1 s' where runner_id = 'dead'")
    return held


def test_recover_does_not_wait_for_a_finish_without_a_key(c: Connection, other: Connection) -> None:
    """A finish in flight is passed over by recover, and counts; the rest is recovered."""
    held = dead_runner(c, 3, keyed=False)
    with other.transaction():
        assert finish(other, held[:1], "dead") == {}
        assert recover(c)[:3] == (2, 0, ["dead"])
    assert status_of(c, held[0][0]) == "success"
    assert {status_of(c, i) for i, _ in held[1:]} == {"rerouted"}
    assert gaps(c) == []


def test_recover_before_finish_takes_the_lease(
    c: Connection, other: Connection, pool: ThreadPoolExecutor
) -> None:
    """A finish that comes after recovery has begun waits, is `lost`, and leaves no outcome."""
    held = dead_runner(c, 2)
    answer = while_held(other, c, pool, lambda: recover(other), lambda: finish(c, held, "dead"))
    assert answer == {i: "lost" for i, _ in held}
    assert one(c, "select count(*) from invocation_outcome") == 0
    assert {status_of(c, i) for i, _ in held} == {"rerouted"}
    assert gaps(c) == []


def test_finish_before_recover_under_a_lane_lock(
    c: Connection, other: Connection, pool: ThreadPoolExecutor
) -> None:
    """A recovery that waits for the lane of a finish in flight leaves the finished one alone."""
    held = dead_runner(c, 2)
    answer = while_held(other, c, pool, lambda: finish(other, held[:1], "dead"), lambda: recover(c))
    assert answer[:3] == (1, 0, ["dead"])
    assert status_of(c, held[0][0]) == "success"
    assert gaps(c) == []


def test_a_goodbye_waits_for_a_claim_and_releases_what_it_took(
    c: Connection, other: Connection, pool: ThreadPoolExecutor
) -> None:
    """What a runner's last claim takes while it is removed is not left to nobody."""
    [which] = register(c)
    goodbye = "select pynenc.unregister_runner(%s, %s)"
    while_held(other, c, pool, lambda: claim(other), lambda: c.execute(goodbye, (APP, RUNNER)))
    assert [status for _, status in history(c, which)].count("pending") == 1
    assert status_of(c, which) == "rerouted"
    assert one(c, "select count(*) from pynenc.runner") == 0


def test_a_dead_runner_is_not_forgotten_while_it_claims(c: Connection, other: Connection) -> None:
    """What it takes after it was declared dead is found by its row, by the next recovery."""
    register_runner(c, "late", lease=0.0)
    [which] = register(c)
    with other.transaction():
        assert [i for i, _ in claim(other, "late")] == [which]
        assert recover(c)[2] == ["late"]
    assert recover(c)[0] == 1
    assert status_of(c, which) == "rerouted"
    assert one(c, "select count(*) from pynenc.runner where runner_id = 'late'") == 0


@pytest.mark.parametrize("first", ["crash", "recover"])
def test_a_crash_and_a_recovery_at_once_count_once(
    c: Connection, other: Connection, pool: ThreadPoolExecutor, first: str
) -> None:
    """Told by its runner and found by others at one moment, a death counts one recovery."""
    held = dead_runner(c, 2)
    told: Callable[[Connection], object] = lambda session: crash(session, held, "dead")  # noqa: E731
    found: Callable[[Connection], object] = recover
    one_way, other_way = (told, found) if first == "crash" else (found, told)
    answer = while_held(other, c, pool, lambda: one_way(other), lambda: other_way(c))
    if first == "recover":
        assert answer == {i: "lost" for i, _ in held}
    for invocation_id, _ in held:
        assert state(c, invocation_id)["recoveries"] == 1
        assert [s for _, s in history(c, invocation_id)][-2:] == ["running_recovery", "rerouted"]
    assert gaps(c) == []


def test_a_crash_after_the_end_changes_nothing(
    c: Connection, other: Connection, pool: ThreadPoolExecutor
) -> None:
    """An end that is being written when the process dies counts; the crash is `lost`."""
    held = dead_runner(c, 1)
    answer = while_held(
        other, c, pool, lambda: finish(other, held, "dead"), lambda: crash(c, held, "dead")
    )
    assert answer == {held[0][0]: "lost"}
    assert status_of(c, held[0][0]) == "success"
    assert gaps(c) == []


def test_two_recovers_at_once_do_it_once(c: Connection, other: Connection) -> None:
    """While one recovers, another answers at once that there was nothing; nothing is done twice."""
    held = dead_runner(c, 3)
    with other.transaction():
        assert recover(other)[:2] == (3, 0)
        assert recover(c)[:3] == (0, 0, [])
    assert recover(c)[:3] == (0, 0, [])
    for invocation_id, _ in held:
        assert state(c, invocation_id)["recoveries"] == 1
        assert [s for _, s in history(c, invocation_id)][-2:] == ["running_recovery", "rerouted"]
    assert one(c, "select count(*) from runner where runner_id = 'dead'") == 0
