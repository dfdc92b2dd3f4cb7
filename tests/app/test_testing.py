"""The helpers for users' tests."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from pynenc_pg import InvocationStatus
from pynenc_pg.exceptions import InvocationNotFoundError, ResultTimeoutError
from pynenc_pg.runner.thread import ThreadRunner
from pynenc_pg.testing import World, in_memory, on_postgres
from tests.app import tasks

S = InvocationStatus
NOON = datetime(2030, 1, 1, 12, tzinfo=UTC)


@pytest.fixture
def world() -> Iterator[World]:
    """A store in memory whose clock stands at noon."""
    tasks.seen.clear()
    with in_memory(tasks.app, now=NOON) as made:
        yield made


def test_nothing_runs_before_it_is_told_to(world: World) -> None:
    """Calls wait; then all that is ready is executed, in this thread."""
    invocations = [tasks.add(n, 1) for n in range(10)]
    assert {i.status for i in invocations} == {S.REGISTERED}
    assert world.run_until_idle() == 10
    assert [i.result for i in invocations] == [n + 1 for n in range(10)]
    assert world.run_until_idle() == 0


def test_asking_for_a_result_runs_what_it_needs(world: World) -> None:
    """Also from within a task, which waits for its children."""
    assert tasks.add(1, 2).result == 3
    assert tasks.add_by_children([1, 2, 3]).result == 6


def test_time_passes_when_the_test_says_so(world: World) -> None:
    """A retry waits for its delay, however long, and is executed when the clock got there."""
    invocation = tasks.come_back_later(86_400 * 30)
    assert world.run_until_idle() == 1
    assert invocation.status is S.RETRY
    with pytest.raises(ResultTimeoutError, match=r"due 2030-01-31 12:00:00 UTC.*world\.advance"):
        _ = invocation.result
    world.advance(86_400 * 30)
    assert world.now == NOON + timedelta(days=30)
    assert invocation.result == "done"
    assert invocation.attempts[1].started_at == world.now
    assert tasks.add(1, 1).result == 2


def test_worlds_are_apart() -> None:
    """A new one is empty, and what came before is still there for the app."""
    with in_memory(tasks.app) as first:
        mine = tasks.add(1, 2)
        with in_memory(tasks.app) as second:
            assert second.run_until_idle() == 0
            with pytest.raises(InvocationNotFoundError):
                tasks.app.get_invocation(mine.invocation_id)
        assert first.run_until_idle() == 1
        assert mine.result == 3


def test_what_starts_itself_for_ever_is_noticed(world: World) -> None:
    """The limit ends it with an error, and nothing is lost."""
    tasks.again_and_again()
    with pytest.raises(RuntimeError, match="20 invocations were executed"):
        world.run_until_idle(limit=20)
    assert tasks.app.state_backend.count_ready() == 1


def test_a_clock_needs_a_zone_and_goes_forward(world: World) -> None:
    """Mistakes with time are told at once."""
    with (
        pytest.raises(ValueError, match="with its zone"),
        in_memory(tasks.app, now=datetime(2030, 1, 1)),  # noqa: DTZ001 - the mistake
    ):
        pass
    with pytest.raises(ValueError, match="time goes forward"):
        world.advance(-1)


def test_what_ended_a_runner_is_told(database_dsn: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before the block is entered: a test without a runner may well pass, or wait in vain."""

    def run(_: object) -> None:
        message = "no more"
        raise OSError(message)

    monkeypatch.setattr(ThreadRunner, "run", run)
    went_on = False
    with on_postgres(tasks.app, database_dsn) as world:
        before = tasks.app.conf.runner_cls
        with pytest.raises(OSError, match="no more"), world.runner():
            went_on = True
        assert tasks.app.conf.runner_cls == before
    assert not went_on
