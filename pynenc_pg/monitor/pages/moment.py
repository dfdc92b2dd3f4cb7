"""What stood where at a given moment, by the history."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response

from pynenc_pg.monitor.filters import Filter, read_time
from pynenc_pg.monitor.gantt import by_invocation
from pynenc_pg.monitor.pages.timeline import HISTORIES, active, ids, the_time
from pynenc_pg.monitor.site import Site

_MOST: Final = 500
_SHOWN: Final = 200
_STEPS: Final = (-3600, -60, -10, -1, 1, 10, 60, 3600)


def shown(site: Site, request: Request) -> Response:
    """Show it: a minute ago, unless another moment is asked for."""
    asked = request.query_params.get("at", "")
    wrong = ""
    with site.database.looking() as reads:
        now = the_time(reads)
        try:
            at = min(read_time(asked) or now - timedelta(minutes=1), now)
        except ValueError:
            at, wrong = now - timedelta(minutes=1), f"{asked!r} is no time"
        found = active(reads, site, Filter(until=at), at, _MOST)
        histories = by_invocation(reads.all(HISTORIES, (site.app_id, ids(found.rows))))
    rows = [
        {**row, "then": then}
        for row in found.rows
        if (then := stood(histories.get(str(row["invocation_id"]), ()), at))
    ]
    runners = Counter(row["then"]["runner_id"] for row in rows if row["then"]["runner_id"])
    return site.page(
        request,
        "moment.html",
        at=at,
        wrong=wrong,
        rows=rows[:_SHOWN],
        number=len(rows),
        counts=Counter(row["then"]["status"] for row in rows).most_common(),
        runners=runners.most_common(),
        found=found,
        steps=[(step, (at + timedelta(seconds=step)).isoformat()) for step in _STEPS],
    )


def stood(history: Sequence[Mapping[str, Any]], at: datetime) -> Mapping[str, Any] | None:
    """Return the change that was the last one then; None if it was not there, or had ended."""
    before = [entry for entry in history if entry["at"] <= at]
    if not before:
        return None
    last = before[-1]
    ended = last["status"] in {"success", "failed", "concurrency_controlled_final"}
    return None if ended else last
