"""How long the monitor's pages take on many invocations.

``python -m tests.tools.monitor_times 10000000 FOLDER`` fills a database on an embedded server in an
empty folder, and prints a table in Markdown: the median and the slowest of five looks at each page.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final
from urllib.parse import quote

import psycopg
from psycopg.conninfo import make_conninfo

from pynenc_pg.conf.config_postgres import PostgresConf
from pynenc_pg.conf.config_pynenc import PynencConf
from pynenc_pg.monitor import make_site
from pynenc_pg.postgres import deploy
from pynenc_pg.postgres.embedded import EmbeddedPostgres

_BATCH: Final = 250_000
_LOOKS: Final = 5
#: From yesterday's beginning until now, evenly, one in a thousand failed, with three changes each.
_FILL: Final = """
with span as (
    select date_trunc('day', now(), 'UTC') - interval '1 day' + interval '5 minutes' as zero),
each as materialized (
    select n, zero + (now() - zero) * n / %(all)s as at,
           case when n %% 1000 = 0 then 'failed' else 'success' end as ended,
           'runner-' || n %% 8 as runner, 'q' || n %% 4 as queue, md5(n::text) as chance
    from span, generate_series(%(first)s::bigint, %(last)s::bigint) n),
named as materialized (
    select e.*, overlay(pynenc.first_id(at)::text placing
        '7' || substr(chance, 1, 3) || '-8' || substr(chance, 4, 3) || '-' || substr(chance, 7, 12)
        from 15)::uuid as id from each e),
called as (
    insert into pynenc.invocation (invocation_id, app_id, task_id, call_id, arguments, options,
                                   queue, priority, depth, registered_at, registered_by)
    select id, 'shop', 'shop.tasks.task_' || n %% 20, 'call',
           json_build_object('order', n, 'note', 'a note of some length'), '{}', queue, 0, 0, at,
           'client' from named),
ended as (
    insert into pynenc.invocation_outcome (invocation_id, app_id, status, value, queue, runner_id,
        lease, rev, changed_by, retries, recoveries, finished_at)
    select id, 'shop', ended::pynenc.invocation_status,
           case ended when 'failed' then '{"module": "builtins", "type": "ValueError",
               "message": "no", "traceback": "Traceback"}'::json else '1'::json end,
           queue, runner, n, 3, runner, 0, 0, at + interval '300 ms' from named)
insert into pynenc.invocation_history (invocation_id, app_id, rev, previous_status, status,
                                       runner_id, lease, changed_by, at)
select id, 'shop', rev, before::pynenc.invocation_status,
       coalesce(status, ended)::pynenc.invocation_status, runner, n, runner, at + later
from named, (values (0, null, 'registered', interval '0'),
                    (2, 'pending', 'running', interval '100 ms'),
                    (3, 'running', null, interval '300 ms')) r (rev, before, status, later)
order by n, rev"""
_QUEUES: Final = """
insert into pynenc.queue (app_id, queue) select 'shop', 'q' || n from generate_series(0, 3) n"""


def fill(dsn: str, number: int) -> None:
    """Put so many invocations in, all of which have ended."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute("set session_replication_role = replica")
        for first in range(0, number, _BATCH):
            last = min(first + _BATCH, number)
            connection.execute(_FILL, {"all": number, "first": first + 1, "last": last})
            print(f"{last:,} of {number:,}", file=sys.stderr)  # noqa: T201 - it takes minutes
        connection.execute(_QUEUES)
        connection.execute("vacuum analyze")


def pages(dsn: str) -> Iterator[str]:
    """Yield the addresses of the pages, the usual ones and those that look far."""
    with psycopg.connect(dsn) as connection:
        row = connection.execute(
            """select (select invocation_id::text from pynenc.invocation_outcome
                       where status = 'failed' order by invocation_id desc limit 1),
                      (now() - interval '6 hours')::text"""
        ).fetchone()
        assert row is not None
    one, then = row[0], quote(row[1])
    yield from ("/", "/invocations", "/invocations?status=failed")
    yield from ("/invocations?status=running", "/invocations?task=shop.tasks.task_3")
    yield from ("/invocations?task=nothing", "/invocations?argument=zzz", "/invocations?error=zzz")
    yield from (f"/invocations?until={then}", f"/invocations/{one}", f"/timeline?root={one}")
    yield from ("/timeline", f"/timeline?to={then}&span=5", "/moment", f"/moment?at={then}")
    yield from ("/queues", "/runners", "/tasks", "/tasks/shop.tasks.task_3", "/triggers")
    yield from ("/events", "/workflows", "/audit", "/logs")


def measure(dsn: str) -> Iterator[tuple[str, float, float]]:
    """Yield each page with the median and the slowest of its looks, in milliseconds."""
    from starlette.testclient import TestClient  # noqa: PLC0415 - a tool of tests

    conf = PynencConf(app_id="shop", postgres=PostgresConf(dsn=dsn))
    with TestClient(make_site(conf), base_url="http://127.0.0.1") as browser:
        browser.get("/logs")
        for path in pages(dsn):
            took = []
            for _ in range(_LOOKS):
                begin = time.perf_counter()
                browser.get(path).raise_for_status()
                took.append(1000 * (time.perf_counter() - begin))
            yield path, statistics.median(took), max(took)


def main(number: int, folder: str) -> None:
    """Fill, measure, print."""
    with EmbeddedPostgres(Path(folder), durable=False) as server:
        dsn = make_conninfo(server.dsn)
        deploy.migrate(dsn)
        fill(dsn, number)
        print("| page | median ms | slowest ms |\n|---|---|---|")  # noqa: T201
        for path, median, slowest in measure(dsn):
            print(f"| `{path}` | {median:.0f} | {slowest:.0f} |")  # noqa: T201


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2])
