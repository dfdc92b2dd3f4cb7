"""Large values against each other: stored at once, referred to while they are collected."""

from __future__ import annotations

import hashlib
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

import psycopg
import pytest

from pynenc_pg.domain.ids import InvocationId, new_invocation_id
from pynenc_pg.domain.records import Batch, NewInvocation, Payload
from pynenc_pg.serializer.wire import reference
from tests.support.races import PATIENCE, together, while_held
from tests.support.sql import APP, Connection, connect, one, register
from tests.support.stores import open_postgres_store

CONTENT: Final = b'"large"'
NAME: Final = hashlib.sha256(CONTENT).hexdigest()


def hold(connection: Connection, *names: str, content: bytes | None = CONTENT) -> Any:
    """Hold one, or several whose content is their name."""
    named = list(names) or [NAME]
    contents = [] if content is None else [content] * len(named)
    statement = "select pynenc.hold(%s, %s::text[], %s::bytea[], %s::text[])"
    return one(connection, statement, (APP, named, contents, [""] * len(contents)))


def refer(connection: Connection, which: str, name: str = NAME) -> Any:
    """Say that an invocation needs it."""
    statement = "select pynenc.refer(%s, %s::uuid[], %s::uuid[], %s)"
    return one(connection, statement, (APP, [which], [which], [name]))


def collect(connection: Connection) -> int:
    """Remove what is old and needed by nobody; how many."""
    found: int = one(connection, "select removed from pynenc.collect(%s, '', 86400, 1000)", (APP,))
    return found


def age(connection: Connection) -> None:
    """Make all of them old."""
    connection.execute("update payload set created_at = now() - interval '2 days'")


def test_two_who_store_the_same_at_once_wait_for_each_other(
    c: Connection, other: Connection, pool: ThreadPoolExecutor
) -> None:
    """The second one finds what the first has written: one row, nothing missing."""
    assert while_held(other, c, pool, lambda: hold(other), lambda: hold(c)) is None
    assert one(c, "select count(*) from payload") == 1


def test_many_who_store_the_same_do_not_deadlock(c: Connection, database_dsn: str) -> None:
    """Twelve sessions, each with the same names in another order: all of them succeed."""
    names = [hashlib.sha256(bytes([n])).hexdigest() for n in range(12)]
    sessions = [connect(database_dsn) for _ in names]
    try:
        with ThreadPoolExecutor(len(names)) as threads:
            orders = [names[n:] + names[:n] for n in range(len(names))]
            sides = [
                lambda s=s, order=order: hold(s, *order)
                for s, order in zip(sessions, orders, strict=True)
            ]
            assert together(threads, *sides) == [None] * len(names)
    finally:
        for session in sessions:
            session.close()
    assert one(c, "select count(*) from payload") == len(names)


def test_what_is_about_to_be_referred_to_is_passed_over(c: Connection, other: Connection) -> None:
    """An old one that an open transaction holds, or refers to, is not collected."""
    [which] = register(c)
    hold(c)
    for referring in (False, True):
        age(c)
        with other.transaction():
            hold(other, content=None)
            if referring:
                refer(other, which)
            assert collect(c) == 0
    assert collect(c) == 0  # it is referred to now
    assert one(c, "select count(*) from payload") == 1


def test_what_is_being_collected_is_found_missing(
    c: Connection, other: Connection, pool: ThreadPoolExecutor
) -> None:
    """Who comes second waits, and is told to send it again; who brings it along stores it anew."""
    hold(c)
    age(c)
    found = while_held(other, c, pool, lambda: collect(other), lambda: hold(c, content=None))
    assert found == [NAME]
    hold(c)
    age(c)
    assert while_held(other, c, pool, lambda: collect(other), lambda: hold(c)) is None
    assert one(c, "select count(*) from payload") == 1


def test_a_payload_that_somebody_refers_to_cannot_be_removed(c: Connection) -> None:
    """Not by hand either; and nobody can refer to what is not there."""
    [which] = register(c)
    hold(c)
    refer(c, which)
    for statement, parameters in (
        ("delete from payload", ()),
        (
            "select pynenc.refer(%s, %s::uuid[], %s::uuid[], %s)",
            (APP, [which], [which], ["0" * 64]),
        ),
    ):
        with pytest.raises(psycopg.errors.ForeignKeyViolation):
            c.execute(statement.encode(), parameters)
    with pytest.raises(psycopg.errors.CheckViolation):
        hold(c, "abcd")


def test_calls_and_collections_at_once_lose_nothing(c: Connection, database_dsn: str) -> None:
    """Four callers with eight values, two who collect what is old, as all is: none is missed."""
    stores = [open_postgres_store(database_dsn, APP, pool_size=2) for _ in range(4)]
    values = [f'"{n}"'.encode() * 50 for n in range(8)]
    payloads = [Payload(hashlib.sha256(value).hexdigest(), value) for value in values]
    over, aging = threading.Event(), threading.Lock()
    removed: list[int] = []

    def call(number: int) -> None:
        for n in range(60):
            large = payloads[(n + number) % len(payloads)]
            which = InvocationId(new_invocation_id())
            new = NewInvocation(which, "call", f'{{"x":{reference(large.sha256)}}}')
            batch = Batch("t", [new], payloads=[large], refs=[(which, large.sha256)])
            stores[number].orchestrator.register(batch)
            stores[number].database.call("select {schema}.purge_refs(%s::uuid)", (which,))

    def remove() -> None:
        with connect(database_dsn) as session:
            while not over.is_set():
                with aging:  # in no order: two at once would wait for each other
                    age(session)
                removed.append(collect(session))

    c.execute(
        """create function pynenc.purge_refs(p_id uuid) returns void language sql as
           'delete from pynenc.payload_ref where invocation_id = p_id and random() < 0.7'"""
    )
    with ThreadPoolExecutor(6) as threads:
        removers = [threads.submit(remove) for _ in range(2)]
        callers = [threads.submit(call, n) for n in range(4)]
        for each in callers:
            each.result(PATIENCE * 2)
        over.set()
        for each in removers:
            each.result(PATIENCE)
    for store in stores:
        store.close()
    assert sum(removed) > 0
    assert one(c, "select count(*) from invocation") == 240
    lost = """select count(*) from payload_ref r
              left join payload p using (app_id, sha256) where p.sha256 is null"""
    assert one(c, lost) == 0


def test_others_do_not_wait_for_the_callers_transaction(
    c: Connection, database_dsn: str, pool: ThreadPoolExecutor
) -> None:
    """A call in an open transaction of the caller's keeps nobody from the same large value."""
    one_store, other_store = (open_postgres_store(database_dsn, APP, pool_size=2) for _ in range(2))
    large = Payload(NAME, CONTENT)
    register(c)  # the first call of a queue is waited for by the others

    def batch() -> Batch:
        which = InvocationId(new_invocation_id())
        new = NewInvocation(which, "call", f'{{"x":{reference(NAME)}}}')
        return Batch("t", [new], payloads=[large], refs=[(which, NAME)])

    with psycopg.connect(database_dsn) as session:
        one_store.orchestrator.register_within(session, batch())
        pool.submit(other_store.orchestrator.register, batch()).result(PATIENCE)
        assert one(c, "select count(*) from payload_ref") == 1
        c.execute("delete from payload_ref")
        age(c)
        assert collect(c) == 0  # the open transaction refers to it
        session.rollback()
    assert collect(c) == 1
    # Gone meanwhile: in the caller's transaction that is no error, and it is stored again.
    with psycopg.connect(database_dsn) as session:
        one_store.orchestrator.register_within(session, batch())
        session.commit()
    assert one(c, "select count(*) from payload_ref join payload using (app_id, sha256)") == 1
    for store in (one_store, other_store):
        store.close()


def test_a_crash_between_storing_and_the_call_leaves_what_is_collected(
    c: Connection, other: Connection
) -> None:
    """What was stored and then nobody referred to stays for a day, and goes after it."""
    hold(other)
    other.close()
    assert collect(c) == 0
    age(c)
    assert collect(c) == 1
