"""How long the monitor's pages take on many invocations.

``python -m tests.tools.monitor_times 10000000 FOLDER`` fills a database on an embedded server in an
empty folder, and prints a table in Markdown: the median and the slowest of five looks at each page.
With a folder that is filled already it looks at that.
"""

from __future__ import annotations

import re
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

import psycopg
from psycopg.conninfo import make_conninfo

from pynenc_pg.conf.config_postgres import PostgresConf
from pynenc_pg.conf.config_pynenc import PynencConf
from pynenc_pg.monitor import make_site
from pynenc_pg.postgres import deploy
from pynenc_pg.postgres.database import PgDatabase
from pynenc_pg.postgres.embedded import EmbeddedPostgres
from pynenc_pg.postgres.measures import Measurer
from tests.tools.monitor_fill import fill

if TYPE_CHECKING:
    from httpx2 import Response
    from starlette.testclient import TestClient

_LOOKS: Final = 5
_SAMPLE: Final = """
select (select invocation_id::text from pynenc.invocation_outcome where status = 'failed'
        order by invocation_id desc limit 1),
       (select invocation_id::text from pynenc.invocation_state
        where status = 'registered' limit 1),
       (select invocation_id::text from pynenc.workflow order by invocation_id desc limit 1),
       (now() - interval '6 hours')::text"""


def pages(one: str, live: str, run: str, then: str) -> Iterator[str]:
    """Yield the addresses of the pages, the usual ones and those that look far."""
    yield from ("/", "/invocations", "/invocations?status=failed")
    yield from ("/invocations?status=running", "/invocations?task=shop.tasks.task_3")
    yield from ("/invocations?task=nothing", "/invocations?argument=zzz", "/invocations?error=zzz")
    yield from ("/invocations?argument=order=7", f"/invocations?until={then}")
    yield from (f"/invocations/{one}", f"/invocations/{live}", f"/invocations/{one}/again")
    yield from (f"/timeline?root={one}", "/timeline", "/timeline?task=shop.tasks.task_3&span=3600")
    yield from (f"/timeline?to={then}&span=5", f"/timeline?to={then}&span=0.01")
    yield from ("/moment", f"/moment?at={then}", "/queues", "/runners", "/runners/runner-1")
    yield from ("/tasks", "/tasks/shop.tasks.task_3", "/triggers", "/triggers/trigger-3")
    yield from ("/events", "/events?code=paid", "/events?code=rare", "/events?code=none")
    yield from ("/workflows", "/workflows?live=1", "/workflows?task=nothing", f"/workflows/{run}")
    yield from ("/audit", f"/audit?subject={run}", "/audit?subject=nothing", "/logs")
    yield from (f"/do/cancel?subject={live}", "/bulk/cancel?task=shop.tasks.task_3")
    yield "/bulk/retry?status=failed&task=shop.tasks.task_0"


def looks(browser: TestClient, dsn: str) -> Iterator[tuple[str, Callable[[], Response]]]:
    """Yield what is looked at, and how."""
    with psycopg.connect(dsn) as connection:
        row = connection.execute(_SAMPLE).fetchone()
        assert row is not None
        ids = connection.execute(
            "select string_agg(invocation_id::text, ' ') from (select * from pynenc.invocation "
            "order by invocation_id desc limit 200) i"
        ).fetchone()
        assert ids is not None
    one, live, run, then = row
    for path in pages(one, live, run, quote(then)):
        yield re.sub(r"[0-9a-f]{8}-[0-9a-f-]{27}", "ID", path), partial(browser.get, path)
    page = browser.get("/logs").text
    [token] = re.findall(r'name="token" value="([0-9a-f]+)"', page)[:1]
    form = {"token": token, "lines": ids[0]}
    origin = {"origin": str(browser.base_url)}
    yield "POST `/logs` of 200", partial(browser.post, "/logs", data=form, headers=origin)


def measure(dsn: str) -> Iterator[tuple[str, float, float]]:
    """Yield each page with the median and the slowest of its looks, in milliseconds."""
    from starlette.testclient import TestClient  # noqa: PLC0415 - a tool of tests

    conf = PynencConf(app_id="shop", postgres=PostgresConf(dsn=dsn))
    with TestClient(make_site(conf), base_url="http://127.0.0.1") as browser:
        browser.get("/queues")
        for name, look in looks(browser, dsn):
            yield name, *_timed(lambda look=look: look().raise_for_status())  # type: ignore[misc]
    database = PgDatabase(dsn, app_id="shop")
    yield "metrics of the database", *_timed(Measurer(database).ask)
    database.close()


def _timed(look: Callable[[], object]) -> tuple[float, float]:
    took = []
    for _ in range(_LOOKS):
        begin = time.perf_counter()
        look()
        took.append(1000 * (time.perf_counter() - begin))
    return statistics.median(took), max(took)


def main(number: int, folder: str) -> None:
    """Fill, measure, print."""
    filled = Path(folder) / f"filled-{number}"
    with EmbeddedPostgres(Path(folder), durable=False) as server:
        dsn = make_conninfo(server.dsn)
        if not filled.exists():
            deploy.migrate(dsn)
            fill(dsn, number)
            filled.touch()
        print("| page | median ms | slowest ms |\n|---|---|---|")  # noqa: T201
        for name, median, slowest in measure(dsn):
            print(f"| {name} | {median:.0f} | {slowest:.0f} |", flush=True)  # noqa: T201


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2])
