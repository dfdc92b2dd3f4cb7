"""A shop that has been at work, and the monitor of it."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final

import psycopg
from starlette.applications import Starlette
from starlette.testclient import TestClient

from pynenc_pg.conf.config_monitor import MonitorConf
from pynenc_pg.conf.config_postgres import PostgresConf
from pynenc_pg.conf.config_pynenc import PynencConf
from pynenc_pg.domain.ids import new_invocation_id
from pynenc_pg.monitor import make_site
from pynenc_pg.monitor.server import make_server
from tests.acceptance.workers import wait_for
from tests.monitor import shop_tasks as shop

HOST: Final = "http://127.0.0.1:8765"
_TOKEN: Final = re.compile(r'name="token" value="([0-9a-f]+)"')


@dataclass(frozen=True, slots=True)
class Place:
    """A database with one invocation of each kind, and a runner at work on it."""

    dsn: str
    ids: Mapping[str, str]

    def ask(self, query: str, *parameters: object) -> list[tuple[Any, ...]]:
        """Ask the database, as its owner."""
        with psycopg.connect(self.dsn, autocommit=True) as connection:
            return connection.execute(query.encode(), parameters).fetchall()

    def status(self, name: str) -> str:
        """Return where an invocation stands."""
        query = "select status::text from pynenc.invocations where invocation_id = %s"
        return str(self.ask(query, self.ids.get(name, name))[0][0])


@dataclass(slots=True)
class Browser:
    """A browser without JavaScript: it keeps cookies and sends forms as pages have them."""

    client: TestClient
    pages: dict[str, str] = field(default_factory=dict)

    def get(
        self, path: str, status: int | None = 200, headers: Mapping[str, str] | None = None
    ) -> str:
        """Return a page."""
        found = self.client.get(path, headers=headers)
        told = f"{path}: {found.status_code}\n{found.text[-2000:]}"
        assert status in {None, found.status_code}, told
        self.pages[path] = found.text
        return found.text

    def token(self, path: str = "/logs") -> str:
        """Return the token of a form on a page."""
        found = _TOKEN.search(self.get(path))
        assert found
        return found[1]

    def post(
        self, path: str, form: Mapping[str, str], status: int = 200, *, token: str | None = None
    ) -> str:
        """Send a form, with the session's token; follow where it leads."""
        said = {"token": self.token() if token is None else token, **form}
        found = self.client.post(path, data=said, headers={"origin": str(self.client.base_url)})
        assert found.status_code == status, f"{path}: {found.status_code}\n{found.text[-2000:]}"
        self.pages[f"POST {path}"] = found.text
        return found.text


def configured(dsn: str, *, app_id: str = "shop", **monitor: Any) -> PynencConf:
    """Return the configuration of the shop's monitor."""
    return PynencConf(app_id=app_id, postgres=PostgresConf(dsn=dsn), monitor=MonitorConf(**monitor))


@contextmanager
def visiting(
    dsn: str,
    *,
    base_url: str = HOST,
    client: tuple[str, int] = ("127.0.0.1", 50000),
    **monitor: Any,
) -> Iterator[Browser]:
    """Open a browser at a monitor."""
    site = make_site(configured(dsn, **monitor))
    with TestClient(site, base_url=base_url, client=client) as opened:
        yield Browser(opened)


@contextmanager
def serving(site: Starlette) -> Iterator[str]:
    """Serve a monitor as ``pynenc-pg monitor`` serves it; tells its address."""
    server = make_server(site, port=0)
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        wait_for(lambda: server.started, lambda: "the monitor does not start")
        port = server.servers[0].sockets[0].getsockname()[1]
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join(20)
        assert not thread.is_alive()


@contextmanager
def opened_shop(dsn: str) -> Iterator[Place]:
    """Let a runner work, call one of each kind, and wait until each stands where it stays."""
    shop.app.conf.postgres.dsn = dsn
    shop.app.conf.runner_cls = "ThreadRunner"
    shop.gate.clear()
    shop.begun.clear()
    runner = shop.app.runner
    thread = threading.Thread(target=runner.run)
    thread.start()
    try:
        _wait_for_triggers(dsn)
        yield Place(dsn, _call_all(dsn))
    finally:
        shop.gate.set()
        runner.stop_runner_loop()
        thread.join(30)
        shop.app.close()
        shop.app.conf.postgres.dsn = None
        assert not thread.is_alive()


def _wait_for_triggers(dsn: str) -> None:
    """Wait until the runner has told of them: an event that nobody watches starts nothing."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        query = "select from pynenc.triggers where app_id = 'shop'"
        wait_for(lambda: connection.execute(query).rowcount > 0, lambda: "no triggers")


def _call_all(dsn: str) -> dict[str, str]:
    shop.app.pause_queue("press")
    calls = {
        "charge": shop.charge(1, note=shop.SCRIPT, password=shop.SECRET),
        "large": shop.charge(2, note="large " * 2000),
        "refuse": shop.refuse(3),
        "stumble": shop.stumble(),
        "fulfil": shop.fulfil(4),
        "held": shop.held(),
        "press": shop.press(5),
        "later": shop.charge.options(delay=86_400)(6),
        "approve": shop.approve(7),
    }
    shop.app.trigger.emit_event("paid", {"note": shop.SCRIPT, "link": shop.LINK})
    ids = {name: str(call.invocation_id) for name, call in calls.items()}
    [ids["hostile"]] = call_by_sql(dsn, f"shop.{shop.SCRIPT}", '{"x": 1}')
    ended = [ids[name] for name in ("charge", "large", "refuse", "stumble", "fulfil")]
    with psycopg.connect(dsn, autocommit=True) as connection:

        def settled() -> bool:
            found = connection.execute(
                """select (select count(*) from pynenc.invocations
                           where finished_at is not null and invocation_id = any (%s::uuid[])),
                          (select count(*) from pynenc.trigger_runs where status = 'success'),
                          (select count(*) from pynenc.workflows
                           where awaits_event = 'approved')""",
                (ended,),
            ).fetchone()
            return found == (len(ended), 1, 1) and shop.begun.is_set()

        wait_for(settled, lambda: str(ids))
    return ids


def call_by_sql(dsn: str, task: str, *arguments: str) -> list[str]:
    """Call a task of any name with any arguments, in a queue that nobody may take from."""
    made = [str(new_invocation_id()) for _ in arguments]
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(
            """select pynenc.register_2(
                   'shop', %s, 'press', 0, null, null, null, false, null, 0, '{}', 'test', true,
                   %s::uuid[], %s::uuid[]::text[], %s::text[], null, null, false, 60, null,
                   null)""",
            (task, made, made, [*arguments]),
        )
    return made
