"""The timeline of a window of time, or of one invocation with all that it has called."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from math import isnan
from typing import Any, Final

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from pynenc_pg.monitor.database import Reads, Row
from pynenc_pg.monitor.filters import Filter, Found, find, is_id, read_filter, read_time
from pynenc_pg.monitor.gantt import by_invocation, lay_out
from pynenc_pg.monitor.site import Site
from pynenc_pg.monitor.values import Masks

#: Invocations that one drawing shows.
MOST: Final = 300
_FAMILY: Final = "select * from {schema}.family(%s, %s, %s) where level >= 0"
HISTORIES: Final = "select * from {schema}.histories(%s, %s::uuid[])"
_UNTIL: Final = "select * from {schema}.histories(%s, %s::uuid[], %s)"
_NOW: Final = "select clock_timestamp() as now"
_USUAL: Final = 300.0
_LEAST: Final = 0.01
_LONGEST: Final = 31 * 86_400.0


def shown(site: Site, request: Request) -> Response:
    """Show it."""
    root = request.query_params.get("root", "")
    if root and not is_id(root):
        raise HTTPException(404, f"{root} is no id of an invocation")
    return _of_root(site, request, root.lower()) if root else _of_window(site, request)


def _of_window(site: Site, request: Request) -> Response:
    asked = request.query_params
    wanted = read_filter(asked, asked.getlist("status"))
    with site.database.looking() as reads:
        now = the_time(reads)
        begin, end, live = _window(asked.get("to", ""), asked.get("span", ""), now)
        wanted = Filter(statuses=wanted.statuses, task=wanted.task, queue=wanted.queue, until=end)
        found = active(reads, site, wanted, begin)
        histories = reads.all(_UNTIL, (site.app_id, ids(found.rows), end))
    drawn = lay_out(found.rows, by_invocation(histories), (begin, end), now=now)
    return site.page(
        request,
        "timeline.html",
        drawn=drawn,
        rows=found.rows,
        found=found,
        wanted=wanted,
        root=None,
        live=live,
        span=(end - begin).total_seconds(),
        zooms=_zooms(wanted, (begin, end), now),
    )


def _of_root(site: Site, request: Request, root: str) -> Response:
    with site.database.looking() as reads:
        now = the_time(reads)
        rows = reads.all(_FAMILY, (site.app_id, root, MOST))
        histories = by_invocation(reads.all(HISTORIES, (site.app_id, ids(rows))))
    if not rows:
        raise HTTPException(404, f"no invocation {root} in app {site.app_id}")
    times = [entry["at"] for entries in histories.values() for entry in entries] or [now]
    live = any(row["finished_at"] is None for row in rows)
    begin, end = min(times), max([*times, now] if live else times)
    margin = max((end - begin) / 50, timedelta(milliseconds=1))
    window = (begin - margin, end + margin)
    drawn = lay_out(rows, histories, window, now=now, root=root)
    return site.page(
        request,
        "timeline.html",
        drawn=drawn,
        rows=rows,
        found=Found(rows, None, None),
        wanted=Filter(),
        root=root,
        live=live,
        span=(window[1] - window[0]).total_seconds(),
        zooms=None,
    )


def active(reads: Reads, site: Site, wanted: Filter, begin: datetime, limit: int = MOST) -> Found:
    """Return what was there until the filter's end, and had not ended at ``begin``."""
    masks = Masks(site.settings.conf.mask_arguments)
    more = {"ended_after": begin.isoformat()}
    return find(reads, site.app_id, wanted, masks=masks, before=None, limit=limit, more=more)


def the_time(reads: Reads) -> datetime:
    """Return the database's time, which all of its rows go by."""
    row = reads.one(_NOW)
    found: datetime = row["now"] if row else datetime.now(UTC)
    return found.astimezone(UTC)


def ids(rows: Sequence[Row]) -> list[str]:
    """Return the ids in rows."""
    return [str(row["invocation_id"]) for row in rows]


def _window(to: str, span: str, now: datetime) -> tuple[datetime, datetime, bool]:
    try:
        end = read_time(to)
        length = float(span or _USUAL)
    except ValueError:
        end, length = None, _USUAL
    length = _USUAL if isnan(length) else min(max(length, _LEAST), _LONGEST)
    live = end is None
    end = end or now
    return end - timedelta(seconds=length), end, live


def _zooms(
    wanted: Filter, shown: tuple[datetime, datetime], now: datetime
) -> dict[str, dict[str, Any]]:
    """Return the windows that are one step away, as parameters of their addresses."""
    begin, end = shown
    narrowed = {**wanted.as_query(), "until": None}
    span = (end - begin).total_seconds()
    middle = begin + (end - begin) / 2

    def window(to: datetime, length: float) -> dict[str, Any]:
        return {**narrowed, "to": min(to, now).isoformat(), "span": f"{length:g}"}

    return {
        "earlier": window(end - (end - begin) / 2, span),
        "later": window(end + (end - begin) / 2, span),
        "closer": window(middle + (end - begin) / 4, max(span / 2, _LEAST)),
        "further": window(middle + (end - begin), min(span * 2, _LONGEST)),
    }
