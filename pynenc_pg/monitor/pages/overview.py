"""The first page: how much is done, how fast, what waits, and what needs somebody."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response

from pynenc_pg.monitor.charts import Bars, bars
from pynenc_pg.monitor.database import Reads, Row
from pynenc_pg.monitor.filters import FIND
from pynenc_pg.monitor.site import Site

#: Pages of the history that are read for rates, and ends for latencies: what bounds the cost.
PAGES: Final = 300
ENDS: Final = 500
#: Seconds that the chart shows, and of one bar.
_SHOWN: Final = 300
_SLOT: Final = 5
#: How long is looked for failures: one page of several things does not wait for one of them.
_GLANCE: Final = "50 ms"
#: The latest so many are shown.
_FAILURES: Final = 8
#: Seconds that what is ready may stand before somebody should know.
_LONG: Final = 60

_CHANGES: Final = """
select floor(extract(epoch from clock_timestamp() - at) / %s)::int as slot, status, count(*) as n
from {schema}.recent_history(%s, %s)
where at > clock_timestamp() - make_interval(secs => %s) group by 1, 2"""
LATENCIES: Final = """
select count(*) as ends, count(*) filter (where status = 'failed') as failed,
       percentile_cont(array[0.5, 0.95, 0.99]) within group (order by ran_seconds) as ran,
       percentile_cont(array[0.5, 0.95, 0.99]) within group (order by waited_seconds) as waited,
       min(at) as since
from {schema}.recent_ends(%s, %s, %s)"""
QUEUES: Final = "select * from {schema}.queue_figures(%s)"
RUNNERS: Final = """
select *, clock_timestamp() - heartbeat_at as silent from {schema}.runner_health
where app_id = %s order by (health = 'alive') desc, registered_at desc limit 200"""
_TOTAL: Final = """
select coalesce(sum(greatest(c.reltuples, 0)), 0)::float8 as n from pg_inherits h
join pg_class c on c.oid = h.inhrelid where h.inhparent = to_regclass('{schema}.invocation')"""
_ASIDE: Final = """
select task_id, queue, why, count(*) as n from (
    select * from {schema}.set_aside where app_id = %s limit 1000) a
group by task_id, queue, why order by n desc limit 5"""
_PARKED: Final = """
select trigger_id, count(*) as n, min(error) as error from (
    select * from {schema}.parked_causes where app_id = %s limit 1000) c
group by trigger_id order by n desc limit 5"""


@dataclass(frozen=True, slots=True)
class Concern:
    """Something that needs somebody."""

    tone: str
    text: str
    link: str


def overview(site: Site, request: Request) -> Response:
    """Show it."""
    app = site.app_id
    with site.database.looking() as reads:
        changes = reads.all(_CHANGES, (_SLOT, app, PAGES, _SHOWN))
        latencies = reads.one(LATENCIES, (app, PAGES, ENDS))
        queues = reads.all(QUEUES, (app,))
        runners = reads.all(RUNNERS, (app,))
        total = reads.one(_TOTAL)
        failed = reads.all(FIND, (app, '{"statuses": ["failed"]}', None, _FAILURES, _GLANCE))
        concerns = _concerns(reads, app, queues, runners)
    return site.page(
        request,
        "overview.html",
        rates=_rates(changes),
        chart=_chart(changes),
        latencies=latencies,
        queues=queues,
        runners=runners,
        total=total["n"] if total else 0,
        failed=[row for row in failed if row["looked_to"] is None],
        concerns=concerns,
    )


def _rates(changes: Sequence[Row]) -> dict[str, float]:
    """How many a second, over the last minute."""
    recent = [row for row in changes if 0 <= row["slot"] < 60 // _SLOT]
    counted: dict[str, int] = defaultdict(int)
    for row in recent:
        counted[row["status"]] += row["n"]
    return {
        "called": counted["registered"] / 60,
        "begun": counted["running"] / 60,
        "succeeded": counted["success"] / 60,
        "failed": counted["failed"] / 60,
        "again": counted["retry"] / 60,
    }


def _chart(changes: Sequence[Row]) -> Bars:
    slots = _SHOWN // _SLOT
    series: dict[str, list[float]] = {tone: [0.0] * slots for tone in ("good", "bad")}
    for row in changes:
        tone = {"success": "good", "failed": "bad"}.get(row["status"])
        if tone and 0 <= row["slot"] < slots:
            series[tone][slots - 1 - row["slot"]] += row["n"] / _SLOT
    return bars(series)


def _concerns(reads: Reads, app: str, queues: Sequence[Row], runners: Sequence[Row]) -> list[Any]:
    found: list[Concern] = []
    alive = [one for one in runners if one["health"] == "alive"]
    ready = sum(queue["ready"] for queue in queues)
    if ready and not alive:
        found.append(Concern("bad", f"{ready:,} are ready, and no runner is alive", "/runners"))
    found += [
        Concern("bad", f"runner {one['runner_id']} is {one['health']}", "/runners")
        for one in runners
        if one["health"] != "alive"
    ][:5]
    for queue in queues:
        name, oldest = queue["queue"], queue["oldest_ready"]
        if queue["paused"]:
            text = f"queue {name} is paused, {queue['ready']:,} are ready in it"
            found.append(Concern("held", text, "/queues"))
        elif oldest is not None and oldest.total_seconds() > _LONG:
            text = f"queue {name}: what is next has been ready for {oldest.total_seconds():,.0f} s"
            found.append(Concern("warn", text, "/queues"))
    for row in reads.all(_ASIDE, (app,)):
        text = f"{row['n']:,} of {row['task_id']} in {row['queue']}: {row['why']}"
        found.append(Concern("bad", text, "/tasks"))
    for row in reads.all(_PARKED, (app,)):
        text = f"trigger {row['trigger_id']}: {row['n']:,} causes are parked: {row['error']}"
        found.append(Concern("bad", text, "/triggers"))
    return found
