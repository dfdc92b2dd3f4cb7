"""What stood where at a given moment, by the history."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from pynenc_pg.monitor.filters import FINAL, Filter, read_time
from pynenc_pg.monitor.pages.timeline import active, ids, the_time
from pynenc_pg.monitor.site import Site

_MOST: Final = 500
_SHOWN: Final = 200
#: The last change of each until then.
_LAST: Final = "select * from {schema}.histories(%s, %s::uuid[], %s, 1)"
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
        last = reads.all(_LAST, (site.app_id, ids(found.rows), at))
    stood = {one["invocation_id"]: one for one in last if one["status"] not in FINAL}
    rows = [
        {**row, "then": stood[row["invocation_id"]]}
        for row in found.rows
        if row["invocation_id"] in stood
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
