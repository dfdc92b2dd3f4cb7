"""Rate limits and fair shares under runners in the test's process, on both stores."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from itertools import chain
from typing import Any

import psycopg
import pytest

from pynenc_pg import InvocationStatus, Pynenc
from pynenc_pg.domain.records import Registered
from pynenc_pg.exceptions import ConcurrencyControlledError, ResultTimeoutError
from pynenc_pg.invocation.handle import Invocation
from pynenc_pg.runner.thread import ThreadRunner
from pynenc_pg.testing import in_memory
from tests.app import rate_tasks as tasks
from tests.app.conftest import working
from tests.support.limits import most_begun

S = InvocationStatus


@pytest.fixture(params=["memory", "postgres"])
def app(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Pynenc]:
    """The app of ``rate_tasks`` on an empty store."""
    dsn = request.getfixturevalue("database_dsn") if request.param == "postgres" else None
    monkeypatch.setattr(tasks.app.conf.postgres, "dsn", dsn)
    monkeypatch.setattr(tasks.app.conf, "runner_cls", "ThreadRunner")
    monkeypatch.setattr(tasks.app.conf, "priority_ageing", 60.0)
    tasks.began.clear()
    yield tasks.app
    tasks.app.close()


def most_of_calls(
    app: Pynenc, calls: Mapping[str, Sequence[Invocation[Any]]], seconds: float
) -> dict[str, int]:
    """Read from the history how many of each key began, at the most, within so many seconds."""
    assert app.conf.postgres.dsn is not None
    keys = {str(one.invocation_id): key for key, group in calls.items() for one in group}
    with psycopg.connect(app.conf.postgres.dsn) as connection:
        return most_begun(connection, keys, seconds)


def two_runners(app: Pynenc) -> Sequence[ThreadRunner]:
    """Two that compete for the work."""
    return [ThreadRunner(engine=app.engine, conf=app.conf.runner) for _ in range(2)]


def test_a_rate_limit_holds_across_runners(app: Pynenc) -> None:
    """In any period no more begin than it says; nothing is lost, and time is not wasted."""
    calls = [tasks.call_out(n) for n in range(20)]
    before = time.monotonic()
    with working(*two_runners(app)):
        assert [one.result_or_raise(20) for one in calls] == list(range(20))
    # Four groups of five; the promised bound is for the three periods between them.
    assert 3 * 0.4 <= time.monotonic() - before <= 3 * 0.4 + 2
    if app.conf.postgres.dsn is not None:
        assert most_of_calls(app, {"": calls}, 0.4) == {"": 5}


def test_each_key_has_its_own_limit(app: Pynenc) -> None:
    """One host does not use up what another may."""
    calls = {host: [tasks.ask(host, n) for n in range(6)] for host in "abc"}
    with working(*two_runners(app)):
        for one in chain(*calls.values()):
            one.result_or_raise(20)
    firsts = [began for _, n, began in tasks.began if n < 3]
    assert len(firsts) == 9
    assert max(firsts) - min(firsts) < 0.5
    if app.conf.postgres.dsn is not None:
        assert most_of_calls(app, calls, 0.5) == dict.fromkeys("abc", 3)


def test_a_sleeping_runner_wakes_for_the_next(app: Pynenc) -> None:
    """A lone runner that has nothing else to do begins the next soon after it may."""
    with working(app.runner):
        calls = [tasks.call_out(n) for n in range(6)]
        assert [one.result_or_raise(20) for one in calls] == list(range(6))
    times = [began for _, _, began in tasks.began]
    assert 0.35 <= times[5] - times[0] <= 0.4 + 1


def test_beyond_the_limit_it_may_end(app: Pynenc) -> None:
    """With ``reroute_on_concurrency_control=False`` nothing waits for a rate limit."""
    with working(app.runner):
        assert tasks.now_or_never(1).result_or_raise(20) == 1
        second = tasks.now_or_never(2)
        with pytest.raises(ConcurrencyControlledError):
            second.result_or_raise(20)
    assert second.status is S.CONCURRENCY_CONTROLLED_FINAL


def test_one_flood_does_not_starve_another_key(app: Pynenc) -> None:
    """The few calls of a tenant that comes late are done among the first of a flood."""
    _flood(app, "big", 300)
    late = [tasks.serve("small", n) for n in range(5)]
    with working(app.runner):
        for one in late:
            one.result_or_raise(20)
    order = [tenant for tenant, _, _ in tasks.began[:50]]
    assert order.count("small") == 5


def _flood(app: Pynenc, tenant: str, count: int) -> Sequence[Registered]:
    calls = [{"tenant": tenant, "number": n} for n in range(count)]
    return app.engine.submit(tasks.serve.definition, calls)


@pytest.mark.parametrize(("ageing", "first"), [(60.0, "ordinary"), ("strict", "urgent")])
def test_priorities_age_unless_they_are_strict(
    app: Pynenc, monkeypatch: pytest.MonkeyPatch, ageing: object, first: str
) -> None:
    """Ten points are ten minutes of waiting, or more than any waiting."""
    monkeypatch.setattr(app.conf, "priority_ageing", ageing)
    with in_memory(app) as world:
        tasks.ordinary(1)
        world.advance(660)
        tasks.urgent(1)
        world.run_until_idle()
    assert next(name for name, _, _ in tasks.began) == first


def test_a_test_moves_the_clock_for_a_rate_limit(app: Pynenc) -> None:
    """In memory, under a clock of the test's own, the next may begin when it was moved."""
    with in_memory(app, now=datetime.now(UTC)) as world:
        calls = [tasks.call_out(n) for n in range(6)]
        assert world.run_until_idle() == 5
        with pytest.raises(ResultTimeoutError, match="advance the clock"):
            _ = calls[5].result
        world.advance(0.5)
        assert calls[5].result == 5
