"""The health endpoint of a worker process, in good days and in an outage."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from types import ModuleType

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict

from tests.acceptance.daemons import Folder, Start
from tests.acceptance.workers import wait_for


@contextmanager
def outage(server_dsn: str, dsn: str) -> Iterator[None]:
    """Have the server refuse all who want to that database, and throw out who is there."""
    name = str(conninfo_to_dict(dsn)["dbname"])
    allow = sql.SQL("alter database {} with allow_connections {}")
    with psycopg.connect(server_dsn, autocommit=True) as admin:
        admin.execute(allow.format(sql.Identifier(name), sql.SQL("false")))
        admin.execute(
            "select pg_terminate_backend(pid, 5000) from pg_stat_activity where datname = %s",
            (name,),
        )
        try:
            yield
        finally:
            admin.execute(allow.format(sql.Identifier(name), sql.SQL("true")))


def test_live_and_ready(start: Start) -> None:
    """200 with what there is to tell, in JSON, to GET and HEAD; nothing of who answers."""
    daemon = start("--health-port", "0")
    said = daemon.wait_for("health.listening")
    assert said["host"] == "127.0.0.1"
    wait_for(lambda: daemon.status("/ready") == 200, daemon.log)
    for path in ("/live", "/ready"):
        status, headers, body = daemon.ask(path)
        assert (status, headers["Content-Type"]) == (200, "application/json")
        assert "Server" not in headers
        health = json.loads(body)
        assert (health["alive"], health["ready"], health["reason"]) == (True, True, "")
        assert health["runner_id"].startswith("ThreadRunner@")
        assert (health["running"], health["waiting"]) == (0, 0)
        assert 0 <= health["since_heartbeat"] < 15
        status, headers, nothing = daemon.ask(path, "HEAD")
        assert (status, nothing) == (200, b"")
        assert int(headers["Content-Length"]) > 0
    for method, path, wanted in (
        ("GET", "/", HTTPStatus.NOT_FOUND),
        ("GET", "/metrics", HTTPStatus.NOT_FOUND),
        ("POST", "/live", HTTPStatus.NOT_IMPLEMENTED),
    ):
        status, headers, body = daemon.ask(path, method)
        assert (status, headers["Content-Type"]) == (wanted, "application/json")
        assert "/live and /ready" in json.loads(body)["error"]
        assert "Server" not in headers
    assert daemon.stop() == 0, daemon.log()
    assert not daemon.events("health.failed")


@pytest.mark.long
def test_an_outage_is_no_reason_to_restart(folder: Folder, server_dsn: str, start: Start) -> None:
    """Without its database it is not ready and stays alive, also past its lease, and comes back."""
    daemon = start(
        *("--health-port", "0"),
        PYNENC__RUNNER__HEARTBEAT="0.3",
        PYNENC__RUNNER__LEASE="2",
        PYNENC__RUNNER__LEASE_MARGIN="0.5",
    )
    wait_for(lambda: daemon.status("/ready") == 200, daemon.log)
    with outage(server_dsn, folder.dsn):
        wait_for(lambda: daemon.status("/ready") == 503, daemon.log)
        assert daemon.status("/live") == 200
        daemon.wait_for("runner.waits")  # its lease is over by now
        assert daemon.events("runner.fenced")
        status, _, body = daemon.ask("/live")
        assert status == 200, body
        assert json.loads(body)["ready"] is False
    wait_for(lambda: daemon.status("/ready") == 200, daemon.log)
    assert daemon.stop() == 0, daemon.log()


def test_not_ready_while_it_stops(folder: Folder, daemon_tasks: ModuleType, start: Start) -> None:
    """Alive, until its tasks have ended, and it tells how many there are."""
    daemon = start("--health-port", "0")
    call = daemon_tasks.hold(folder.dsn)
    wait_for(lambda: folder.execute("select count(*) from begun") == [(1,)], daemon.log)
    assert daemon.status("/ready") == 200
    daemon.process.terminate()
    daemon.wait_for("runner.stopping")
    wait_for(lambda: daemon.status("/ready") == 503, daemon.log)
    status, _, body = daemon.ask("/live")
    assert status == 200
    health = json.loads(body)
    assert (health["reason"], health["running"]) == ("stopping", 1)
    folder.execute("insert into gate values (1)")
    assert daemon.wait() == 0, daemon.log()
    assert call.result_or_raise(5) == 1


def test_a_port_in_use(start: Start) -> None:
    """One line, and exit code 1: a worker that no probe reaches would be killed later."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        daemon = start("--health-port", str(port))
        assert daemon.wait() == 1
    [line] = daemon.log().splitlines()
    assert line.startswith(f"pynenc-pg: no health endpoint on 127.0.0.1 port {port}: ")
    assert "in use" in line
