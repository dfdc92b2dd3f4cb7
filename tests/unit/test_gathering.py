"""Calls of several threads go together: who sends, who waits, and what each is told."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace

import pytest

from pynenc_pg.domain.ids import InvocationId, new_invocation_id
from pynenc_pg.domain.records import Batch, NewInvocation, Payload, Registered
from pynenc_pg.exceptions import DataRejectedError, OutcomeUnknownError, StoreUnavailableError
from pynenc_pg.postgres import gathering
from pynenc_pg.postgres.gathering import Gathering, goes_with_others

PATIENCE = 30.0


def until(holds: Callable[[], bool]) -> None:
    """Return as soon as it holds."""
    deadline = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.001)


def a_call(task_id: str = "tasks.one", arguments: str = "{}") -> Batch:
    """Make a batch of one plain call."""
    new = NewInvocation(InvocationId(new_invocation_id()), "call", arguments)
    return Batch(task_id, [new])


class Database:
    """Registers what it is sent, when it may, and notes what came together."""

    def __init__(self) -> None:
        self.open = threading.Event()
        self.sent: list[Batch] = []
        self.fails: Callable[[Batch], Exception | None] = lambda _: None
        self.gathering = Gathering(self.send)

    def send(self, batch: Batch) -> list[Registered]:
        """Register a batch, once the database is open."""
        self.sent.append(batch)
        assert self.open.wait(PATIENCE)
        error = self.fails(batch)
        if error is not None:
            raise error
        return [Registered(one.invocation_id, reused=False) for one in batch.invocations]

    def waiting(self) -> int:
        """Return how many calls wait for their turn."""
        lines = self.gathering._lines._of.values()
        return sum(len(line.waiting) for line in lines)

    def nobody_is_left(self) -> bool:
        """Tell whether all is as before the first call."""
        return not self.gathering._lines._of


@pytest.fixture
def database() -> Iterator[Database]:
    """One that is not open yet."""
    made = Database()
    yield made
    made.open.set()


@pytest.fixture
def threads() -> Iterator[ThreadPoolExecutor]:
    """Threads that call."""
    with ThreadPoolExecutor(20) as pool:
        yield pool


def ten(
    database: Database, threads: ThreadPoolExecutor
) -> tuple[list[Batch], list[Future[list[Registered]]]]:
    """Have ten threads call while two calls are under way, which they find there."""
    calls = [a_call() for _ in range(10)]
    futures = []
    for number, call in enumerate(calls):
        futures.append(threads.submit(database.gathering.register, call))
        until(lambda n=number: len(database.sent) + database.waiting() == n + 1)  # type: ignore[misc]
    return calls, futures


def test_a_call_alone_is_sent_as_it_is(database: Database) -> None:
    """Nothing is added to what it takes."""
    database.open.set()
    call = a_call()
    [answer] = database.gathering.register(call)
    assert answer.invocation_id == call.invocations[0].invocation_id
    assert database.sent == [call]
    assert database.nobody_is_left()


def test_those_who_come_meanwhile_go_together_and_each_gets_its_own(
    database: Database, threads: ThreadPoolExecutor
) -> None:
    """Two are under way, eight are one batch after them."""
    calls, futures = ten(database, threads)
    assert [len(batch.invocations) for batch in database.sent] == [1, 1]
    database.open.set()
    for call, future in zip(calls, futures, strict=True):
        [answer] = future.result(PATIENCE)
        assert answer.invocation_id == call.invocations[0].invocation_id
    assert [len(batch.invocations) for batch in database.sent] == [1, 1, 8]
    assert database.sent[2] == replace(
        calls[2], invocations=[one.invocations[0] for one in calls[2:]]
    )
    assert database.nobody_is_left()


def test_calls_of_other_kinds_do_not_wait(database: Database, threads: ThreadPoolExecutor) -> None:
    """Another task, queue or delay: another line."""
    _, futures = ten(database, threads)
    others = [a_call("tasks.two"), replace(a_call(), queue="other"), replace(a_call(), delay=1.0)]
    futures += [threads.submit(database.gathering.register, other) for other in others]
    until(lambda: len(database.sent) == 5)
    assert database.waiting() == 8
    database.open.set()
    assert all(future.result(PATIENCE) for future in futures)
    assert database.nobody_is_left()


def test_one_that_is_refused_harms_no_other(
    database: Database, threads: ThreadPoolExecutor
) -> None:
    """Together they fail, by themselves only the bad one does."""
    calls, futures = ten(database, threads)
    bad = calls[5].invocations[0]
    database.fails = lambda batch: DataRejectedError("bad") if bad in batch.invocations else None
    database.open.set()
    for call, future in zip(calls, futures, strict=True):
        if call is calls[5]:
            with pytest.raises(DataRejectedError, match="bad"):
                future.result(PATIENCE)
        else:
            [answer] = future.result(PATIENCE)
            assert answer.invocation_id == call.invocations[0].invocation_id
    assert database.nobody_is_left()


@pytest.mark.parametrize("kind", [StoreUnavailableError, OutcomeUnknownError])
def test_without_a_database_all_are_told_and_none_tries_for_long_again(
    database: Database, threads: ThreadPoolExecutor, kind: type[StoreUnavailableError]
) -> None:
    """Each has an error of its own, of the same kind and with the same words."""
    _, futures = ten(database, threads)
    database.fails = lambda _: kind("gone")
    database.open.set()
    for future in futures:
        with pytest.raises(kind, match="gone") as caught:
            future.result(PATIENCE)
        assert type(caught.value) is kind
    assert [len(batch.invocations) for batch in database.sent] == [1, 1, 8]
    assert database.nobody_is_left()


class Interrupted(BaseException):
    """As Ctrl-C."""


def test_an_interrupt_of_who_sends_leaves_the_others_to_themselves(
    database: Database, threads: ThreadPoolExecutor
) -> None:
    """They send by themselves what it was to send for them."""
    calls, futures = ten(database, threads)
    struck = calls[2].invocations[0]

    def fails(batch: Batch) -> None:
        if struck in batch.invocations:
            raise Interrupted

    database.fails = fails
    database.open.set()
    with pytest.raises(Interrupted):
        futures[2].result(PATIENCE)
    for number, future in enumerate(futures):
        if number != 2:
            assert future.result(PATIENCE)
    assert database.nobody_is_left()


class Struck:
    """A gate at which an interrupt strikes; ``turn`` comes first, or does not."""

    def __init__(self, turn: Callable[[], None]) -> None:
        self._turn = turn

    def acquire(self, timeout: float) -> bool:
        """Do not come back."""
        assert timeout
        self._turn()
        raise Interrupted

    def release(self) -> None:
        """Tell nobody: the thread has gone."""


def test_an_interrupt_of_who_waits_takes_it_out(
    database: Database, threads: ThreadPoolExecutor
) -> None:
    """Its call is not made, all others are."""
    _, futures = ten(database, threads)
    with pytest.raises(Interrupted):
        wait_struck(database, lambda: None)
    assert database.waiting() == 8
    database.open.set()
    assert all(future.result(PATIENCE) for future in futures)
    assert [len(batch.invocations) for batch in database.sent] == [1, 1, 8]
    assert database.nobody_is_left()


def test_an_interrupt_at_its_turn_passes_the_turn_on(
    database: Database, threads: ThreadPoolExecutor
) -> None:
    """It is to send for others, who would wait for ever."""
    first = [threads.submit(database.gathering.register, a_call()) for _ in range(2)]
    until(lambda: len(database.sent) == 2)
    later: list[Future[list[Registered]]] = []

    def turn() -> None:
        later.extend(threads.submit(database.gathering.register, a_call()) for _ in range(3))
        until(lambda: database.waiting() == 4)
        database.open.set()
        until(lambda: database.waiting() == 0)

    with pytest.raises(Interrupted):
        wait_struck(database, turn)
    assert all(future.result(PATIENCE) for future in (*first, *later))
    assert database.nobody_is_left()


def test_an_interrupt_at_its_turn_alone_ends_it(
    database: Database, threads: ThreadPoolExecutor
) -> None:
    """The line is empty after it."""
    first = [threads.submit(database.gathering.register, a_call()) for _ in range(2)]
    until(lambda: len(database.sent) == 2)

    def turn() -> None:
        database.open.set()
        until(lambda: database.waiting() == 0)

    with pytest.raises(Interrupted):
        wait_struck(database, turn)
    assert all(future.result(PATIENCE) for future in first)
    assert database.nobody_is_left()


def wait_struck(database: Database, turn: Callable[[], None]) -> None:
    """Wait as a thread does that an interrupt strikes."""
    lines, call = database.gathering._lines, a_call()
    kind = gathering._kind(call)
    waits = lines.enter(kind, call)
    assert waits is not None
    waits.gate = Struck(turn)  # type: ignore[assignment]
    database.gathering._wait(lines, kind, waits)


def test_a_turn_that_was_lost_is_waited_for_once(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The next call goes alone after a while, later ones at once."""
    monkeypatch.setattr(gathering, "_LONG", 0.05)
    database.open.set()
    call = a_call()
    for _ in range(2):  # as a thread that an interrupt has struck right after its turn came
        assert database.gathering._lines.enter(gathering._kind(call), call) is None
    assert database.gathering.register(call)
    assert database.nobody_is_left()
    assert database.gathering.register(a_call())
    assert database.nobody_is_left()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
def test_a_child_does_not_wait_for_what_its_parent_began(
    database: Database, threads: ThreadPoolExecutor
) -> None:
    """After a fork nobody in the child ends a send."""
    _, futures = ten(database, threads)
    child = os.fork()
    if not child:
        database.open.set()
        database.sent.clear()
        try:
            database.gathering.register(a_call())
        finally:
            os._exit(0 if len(database.sent) == 1 else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    database.open.set()
    assert all(future.result(PATIENCE) for future in futures)


def test_what_waits_for_more_than_the_database_goes_by_itself() -> None:
    """A key, a large argument, an earlier result: each has its own way."""
    plain = a_call()
    [call] = plain.invocations
    assert goes_with_others(plain)
    assert goes_with_others(replace(plain, delay=5.0, priority=3.0, own_workflow=True))
    assert not goes_with_others(replace(plain, invocations=[call, call]))
    assert not goes_with_others(replace(plain, key="once"))
    assert not goes_with_others(replace(plain, cached=True))
    assert not goes_with_others(replace(plain, retried_from=call.invocation_id))
    large = Payload("name", b"")
    assert not goes_with_others(
        replace(plain, payloads=[large], refs=[(call.invocation_id, "name")])
    )
    for keyed in (replace(call, registration_key="k"), replace(call, lane_key="k")):
        assert not goes_with_others(replace(plain, invocations=[keyed]))
