"""Workers of the last release on the newest schema: all they call is there, and does the same."""

from __future__ import annotations

import re
import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Final

import pytest

from pynenc_pg.postgres import deploy
from pynenc_pg.postgres.templates import migrations_path
from tests.migrations.last_release import CALLS, REVISION, OldWorker
from tests.migrations.support import ask, wait_until
from tests.support.sql import connect, finish, register, register_runner

_SIGNATURES = """
select p.proname, coalesce(p.proargmodes::text[], array_fill('i'::text, array[pronargs])),
       coalesce(p.proargnames, '{}'),
       coalesce(p.proallargtypes, p.proargtypes::oid[])::regtype[]::text[],
       p.prorettype::regtype::text, p.pronargdefaults
from pg_proc p where p.pronamespace = 'pynenc'::regnamespace and p.proname = any (%s)
"""
_NO: Final = False
Signature = tuple[list[tuple[str, str]], list[tuple[str, str]], str, int]


def _signatures(dsn: str) -> dict[str, list[Signature]]:
    """What each verb takes, what columns come, what it returns, and how many have defaults."""
    found: dict[str, list[Signature]] = {}
    for name, modes, names, types, returns, defaults in ask(dsn, _SIGNATURES, list(CALLS)):
        given = list(zip(modes, zip(names, types, strict=True), strict=True))
        taken = [one for mode, one in given if mode in "ib"]
        columns = [one for mode, one in given if mode != "i"]
        found.setdefault(name, []).append((taken, columns, returns, defaults))
    return found


def test_every_verb_is_still_there(empty_database_dsn: str) -> None:
    """With the same arguments, what is new having defaults, and the very same columns."""
    deploy.migrate(empty_database_dsn, revision=REVISION)
    before = _signatures(empty_database_dsn)
    deploy.migrate(empty_database_dsn)
    now = _signatures(empty_database_dsn)
    assert set(before) == set(CALLS)
    for name, [(taken, columns, returns, _)] in before.items():
        assert any(
            (now_taken[: len(taken)], now_columns, now_returns) == (taken, columns, returns)
            and len(now_taken) - len(taken) <= defaults
            for now_taken, now_columns, now_returns, defaults in now.get(name, [])
        ), name


def test_no_call_is_forgotten() -> None:
    """The list has each verb that the frozen functions let a worker or a producer call."""
    roles = (migrations_path() / "sql" / "0001" / "05_roles.sql").read_text("utf-8")
    named = set(re.findall(r'"(\w+)"', roles)) - {"producer", "worker", "observer", "operator"}
    assert named <= set(CALLS)


@pytest.fixture
def worker(database_dsn: str) -> Iterator[OldWorker]:
    """One of the last release, on the newest schema."""
    with connect(database_dsn) as connection:
        yield OldWorker(connection, "old")


def test_lives_of_all_kinds(worker: OldWorker, database_dsn: str) -> None:
    """Each verb does what it did; the guard is silent, and the histories are whole."""
    [one, two, three] = worker.register(3)
    [late] = worker.register(1, delay=0.0)
    assert worker.call("heartbeat", "old", _NO)[0][0] is True
    assert worker.call("count_ready", None) == [(4,)] or worker.call("promote", 10)
    assert worker.call("cancel", three, "somebody") == [("cancelled",)]
    held = dict(worker.claim())
    assert {one, two} <= set(held)
    worker.hold("start", list(held.items()))
    worker.hold("retry", [(one, held.pop(one))], ["error"], [0.0], ['{"type": "E"}'])
    assert worker.call("watch", [two], "listener_1") == []
    ends = list(held.items())
    n = len(ends)
    worker.hold("finish", ends, ["success"] * n, ["2"] * n, [None] * n)
    again = worker.claim()
    assert one in dict(again)
    worker.hold("release", again)
    while worker.work():
        pass
    outcomes = {str(row[0]): row[1] for row in worker.call("outcomes", [one, two, three, late])}
    assert outcomes == {one: "success", two: "success", late: "success", three: "failed"}
    assert [row[2] for row in worker.call("history", one)][-1] == "success"
    assert str(worker.call("get_invocation", one)[0][5]) == "success"
    assert worker.call("is_served", "default") == [(True,)]
    worker.call("pause_queue", "default", not _NO)
    worker.call("recover", 1.0, 5.0, 3, 100)
    worker.call("expire", 10)
    worker.call("maintain")
    assert ask(database_dsn, "select * from pynenc.broken(null, null, 5)") == []
    worker.call("unregister_runner", "old")
    assert worker.call("purge") == [(4,)]


class _Traffic:
    """Old workers and a new one on one queue, which also call; what was called, and who ran it."""

    def __init__(self, dsn: str) -> None:
        self.dsn = dsn
        self.called: list[str] = []
        self.workers: list[OldWorker] = []
        self.by_old: Counter[str] = Counter()
        self.by_new: Counter[str] = Counter()
        self.new_may = threading.Event()
        self.new_stops = threading.Event()
        self.stop = threading.Event()

    def old(self, name: str, calls: int) -> None:
        """Work until it is told to stop, and nothing is left."""
        with connect(self.dsn) as connection:
            worker = OldWorker(connection, name)
            self.workers.append(worker)
            done = [""]
            while done or not self.stop.is_set():
                if calls and not self.stop.is_set():
                    self.called.extend(worker.register(calls))
                done = worker.work()
                self.by_old.update(done)

    def new(self) -> None:
        """Begin when it may; what it takes it begins, as the code of this release does."""
        assert self.new_may.wait(60)
        with connect(self.dsn) as connection:
            register_runner(connection, "new")
            while not self.new_stops.is_set():
                self.called.extend(register(connection, 5))
                query = """select invocation_id, lease
                           from pynenc.claim('test', 'new', '{}', 10, true, '{}', '{}', 100)"""
                held = connection.execute(query.encode()).fetchall()
                if held:
                    assert finish(connection, held, "new") == {}
                self.by_new.update(i for i, _ in held)
            connection.execute("select pynenc.unregister_runner('test', 'new')")

    def more_by_old(self) -> None:
        """Wait until old workers have gone on."""
        seen = len(self.by_old)
        wait_until(lambda: len(self.by_old) > seen + 20)


def test_work_goes_on_through_a_migration(empty_database_dsn: str) -> None:
    """Old and new workers side by side, while the schema goes up: each call runs once."""
    dsn = empty_database_dsn
    deploy.migrate(dsn, revision=REVISION)
    traffic = _Traffic(dsn)
    with ThreadPoolExecutor(3) as pool:
        new = pool.submit(traffic.new)
        old = [pool.submit(traffic.old, f"old-{n}", 5 * n) for n in range(2)]
        try:
            traffic.more_by_old()
            deploy.migrate(dsn)
            traffic.new_may.set()
            traffic.more_by_old()
            wait_until(lambda: len(traffic.by_new) > 20)
            traffic.new_stops.set()
            new.result(30)
        except AssertionError:
            for one in (new, *old):  # its error, if that is why
                if one.done():
                    one.result()
            raise
        finally:
            for event in (traffic.stop, traffic.new_may, traffic.new_stops):
                event.set()
        for one in old:
            one.result(60)
    assert [worker.failed for worker in traffic.workers] == [[], []]
    deploy.downgrade(dsn, revision=REVISION)
    with connect(dsn) as connection:  # nobody was at work meanwhile
        worker = OldWorker(connection, "old-2")
        traffic.called.extend(worker.register(5))
        traffic.by_old.update(worker.work())
    assert deploy.migrate(dsn).up_to_date
    runs = traffic.by_old + traffic.by_new
    assert set(runs) == set(traffic.called)
    assert set(runs.values()) == {1}
    ended = "select count(*) from pynenc.invocation_outcome where status = 'success'"
    assert ask(dsn, ended) == [(len(traffic.called),)]
    assert ask(dsn, "select * from pynenc.broken(null, null, 5)") == []
