"""What was there before a migration reads the same after it, up and down."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from pynenc_pg.domain.ids import new_invocation_id
from pynenc_pg.postgres import deploy
from pynenc_pg.postgres.export import finished
from tests.support.kept import keep, prune
from tests.support.sql import (
    APP,
    RUNNER,
    Connection,
    claim,
    connect,
    finish,
    one,
    register,
    register_runner,
    start,
)

_OLD = "pynenc_0001"


def _register_as_before(c: Connection) -> str:
    which = new_invocation_id()
    c.execute(
        """select pynenc.register(%s, 'tests.task', 'default', 0, null, null, null, false, null, 0,
               '{}', 'somebody', true, array[%s]::uuid[], '{call}', '{"{}"}', null, null)""",
        (APP, which),
    )
    return which


def _history(c: Connection, which: str) -> list[tuple[Any, ...]]:
    return c.execute("select * from pynenc.history(%s, %s)", (APP, which)).fetchall()


def _end(c: Connection) -> None:
    held = claim(c)
    assert held
    assert start(c, held) == finish(c, held) == {}


def test_histories_outlive_the_way_they_are_written(empty_database_dsn: str) -> None:
    """Of what ended before, of what lives through it, and of what comes later: who did what."""
    dsn = empty_database_dsn
    deploy.migrate(dsn, revision=_OLD)
    with connect(dsn) as c:
        register_runner(c)
        ended = _register_as_before(c)
        _end(c)
        c.execute("select pynenc.cancel(%s, %s, 'the boss')", (APP, _register_as_before(c)))
        live = _register_as_before(c)
        held = claim(c)
        before = {which: _history(c, which) for which in (ended, live)}
    deploy.migrate(dsn)
    with connect(dsn) as c:
        assert {which: _history(c, which) for which in before} == before
        assert start(c, held) == finish(c, held) == {}
        [later] = register(c)
        _end(c)
        assert c.execute("select * from pynenc.broken(null, null, 5)").fetchall() == []
        histories = {which: _history(c, which) for which in (ended, live, later)}
    authors = {which: [row[5] for row in rows] for which, rows in histories.items()}
    assert authors == {
        ended: ["somebody", RUNNER, RUNNER, RUNNER],
        live: ["somebody", RUNNER, RUNNER, RUNNER],
        later: ["test", RUNNER, RUNNER, RUNNER],
    }
    exported = "".join(finished(dsn, "pynenc", APP, None, datetime(9999, 1, 1, tzinfo=UTC)))
    assert exported.count(f'"changed_by" : "{RUNNER}"') == 9
    assert '"changed_by" : "the boss"' in exported
    deploy.downgrade(dsn, revision=_OLD)
    with connect(dsn) as c:
        assert {which: _history(c, which) for which in histories} == histories
        assert one(c, "select count(*) from pynenc.invocation_outcome where queue = 'default'") == 4
        _register_as_before(c)
        _end(c)
    assert deploy.migrate(dsn).up_to_date


@pytest.mark.parametrize("migrated", ["before", "now"])
def test_a_publication_of_all_tables(empty_database_dsn: str, migrated: str) -> None:
    """It refuses to delete rows without a key, unless they are told from each other otherwise."""
    if migrated == "before":
        deploy.migrate(empty_database_dsn, revision=_OLD)
    deploy.migrate(empty_database_dsn)
    with connect(empty_database_dsn) as c:
        c.add_notice_handler(lambda notice: None)  # that the server's level is not that of a source
        c.execute("create publication everything for all tables")
        register_runner(c)
        keep(c, -3600)
        register(c, 2)
        _end(c)
        assert prune(c, limit=1) == 1
        assert one(c, "select count(*) from pynenc.invocation_history") == 4
        assert one(c, "select pynenc.purge(%s)", (APP,)) == 1
        assert one(c, "select count(*) from pynenc.invocation_history") == 0
