"""Who is the first to call into a queue keeps nobody else out of it."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import psycopg
import pytest

from pynenc_pg import Pynenc
from tests.app import tasks
from tests.app.conftest import working


def depth(dsn: str, queue: str) -> list[int]:
    """Return what is ready in a queue, as a list that is empty where it is none."""
    with psycopg.connect(dsn) as connection:
        query = "select ready from pynenc.queue_depth where queue = %s"
        return [ready for (ready,) in connection.execute(query, (queue,)).fetchall()]


@pytest.fixture
def first(dsn: str) -> Iterator[psycopg.Connection]:
    """A transaction that stays open while others call."""
    with psycopg.connect(dsn) as connection:
        yield connection


@pytest.mark.timeout(30)
def test_a_transaction_that_stays_open(app: Pynenc, dsn: str, first: psycopg.Connection) -> None:
    """Others call, and their calls are executed, while it goes on."""
    for _ in range(3):
        tasks.add.options(queue="open").using(first)(1, 2)
    noted = first.execute("select count(*) from pynenc.new_queue").fetchone()
    assert noted == (1,)
    call = tasks.add.options(queue="open")(3, 4)
    assert depth(dsn, "open") == [1]
    with working(app.runner):
        assert call.result == 7
    first.commit()
    assert depth(dsn, "open") == [3]
    assert first.execute("select count(*) from pynenc.new_queue").fetchone() == (0,)


def test_one_that_is_rolled_back(app: Pynenc, dsn: str, first: psycopg.Connection) -> None:
    """It leaves no queue, and those who called meanwhile do."""
    tasks.add.options(queue="gone").using(first)(1, 2)
    tasks.add.options(queue="kept").using(first)(1, 2)
    tasks.add.options(queue="kept")(1, 2)
    first.rollback()
    assert depth(dsn, "gone") == []
    assert depth(dsn, "kept") == [1]


def test_many_that_commit_at_once(app: Pynenc, dsn: str) -> None:
    """In whatever order they call, they do not wait for each other in a circle."""
    names = ["q1", "q2", "q3"]
    ready = threading.Barrier(6)
    failed: list[BaseException] = []

    def commit(order: list[str]) -> None:
        try:
            with psycopg.connect(dsn) as connection:
                for name in order:
                    tasks.add.options(queue=name).using(connection)(1, 2)
                ready.wait(20)
        except BaseException as error:  # noqa: BLE001 - told below
            failed.append(error)

    orders = [names, names[::-1]] * 3
    threads = [threading.Thread(target=commit, args=(order,)) for order in orders]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert failed == []
    assert [depth(dsn, name) for name in names] == [[6]] * 3
