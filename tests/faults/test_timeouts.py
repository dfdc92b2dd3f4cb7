"""The server ends what takes too long: statements and transactions of tasks, and our own."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import psycopg
import pytest
from psycopg import sql

from pynenc_pg.exceptions import OutcomeUnknownError, StoreUnavailableError
from pynenc_pg.postgres import database
from tests.acceptance.workers import wait_for
from tests.faults.site import Site

#: The setting, how long the task is silent, and what it is told.
_ENDS: Final = [
    ("statement_timeout", 0.0, "QueryCanceled"),
    ("idle_in_transaction_session_timeout", 0.5, "IdleInTransactionSessionTimeout"),
    ("transaction_timeout", 0.0, "TransactionTimeout"),
]


def test_a_task_that_takes_longer_than_the_server_allows(site: Site) -> None:
    """The attempt fails by name, with nothing written; its worker goes on, and leaves nothing."""
    [(version,)] = site.query("select current_setting('server_version_num')::int / 10000")
    ends = [end for end in _ENDS if version >= 17 or end[0] != "transaction_timeout"]
    worker = site.fleet.start("--concurrency", "1")
    calls = site.call("run_away", *({"setting": name, "idle": idle} for name, idle, _ in ends))
    wait_for(lambda: site.statuses(calls) == {"failed": len(ends)}, worker.explain)
    for call, (name, _, error) in zip(calls, ends, strict=True):
        query = "select value::text from pynenc.invocation_outcome where invocation_id = %s"
        assert error in site.query(query, call)[0][0], name
    site.wait_for_success(site.work(3, 0))
    site.check()


@pytest.fixture
def strict(site: Site, monkeypatch: pytest.MonkeyPatch) -> Iterator[psycopg.Connection[object]]:
    """A database whose transactions last a moment at most, and somebody who may lock for longer."""
    monkeypatch.setattr(database, "_TRIES", 2)
    setting = sql.SQL("alter database {} {} transaction_timeout {}")
    with psycopg.connect(site.dsn, autocommit=True) as admin:
        if admin.info.server_version < 170000:
            pytest.skip("transaction_timeout came with PostgreSQL 17")
        name = sql.Identifier(admin.info.dbname)
        admin.execute(setting.format(name, sql.SQL("set"), sql.SQL("= '250ms'")))
        yield admin
        admin.execute(setting.format(name, sql.SQL("reset"), sql.SQL("")))


def test_our_own_transactions_are_ended(site: Site, strict: psycopg.Connection[object]) -> None:
    """What is ended by the server is named and may be repeated; workers come back each time."""
    batch = site.client.batch("work", {"number": 1, "seconds": 0})
    worker = site.fleet.start("--concurrency", "1")
    with strict.transaction():
        strict.execute("lock table pynenc.invocation_state in access exclusive mode")
        with pytest.raises((StoreUnavailableError, OutcomeUnknownError)) as told:
            site.client.send(batch)
        assert "transaction timeout" in str(told.value)
        wait_for(lambda: "claim.delayed" in worker.said(), worker.explain)
    site.client.send(batch)
    site.wait_for_success(site.ledger.acknowledged)
    assert worker.alive
    assert "runner.fenced" not in worker.said()
    site.check()
