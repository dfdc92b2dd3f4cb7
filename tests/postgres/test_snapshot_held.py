"""Somebody holds a snapshot open for long: nothing that dies can be cleared away meanwhile."""

from __future__ import annotations

import os
import time
from contextlib import closing

import pytest

from benchmarks.held import under_snapshot
from benchmarks.server import Server
from tests.support.plain_sql import gaps
from tests.support.sql import connect, one

SECONDS = float(os.environ.get("PYNENC_TEST_HELD", "600"))
RATE = 2_000.0
MINUTE = 60.0


@pytest.mark.long
@pytest.mark.timeout(SECONDS * 2 + 300)
def test_claims_go_on_under_a_snapshot(server_dsn: str, template: str) -> None:
    """The rate is kept, every claim finds all that was called, and after a minute all is as before.

    Once the snapshot has gone the dead go, too: the table is as small as what is live.
    """
    with closing(Server(server_dsn)) as server, server.fresh() as database:
        found = under_snapshot(database, SECONDS, RATE)
        assert found.held.rate > 0.95 * RATE, found.told(RATE)
        assert found.slower < 3, found.told(RATE)
        assert found.recovered is not None, found.told(RATE)
        assert found.recovered <= MINUTE + 1, found.told(RATE)
        with connect(database.dsn) as c:
            done = found.before.done + found.held.done
            assert one(c, "select count(*) from pynenc.invocation_outcome") > done
            assert one(c, "select count(*) from pynenc.invocation_state") == 0
            deadline = time.monotonic() + MINUTE
            while one(c, "select pg_relation_size('pynenc.invocation_state')") > 0:
                assert time.monotonic() < deadline
                c.execute("vacuum pynenc.invocation_state")
            assert gaps(c) == []
