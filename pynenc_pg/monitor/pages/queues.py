"""Queues and runners."""

from __future__ import annotations

from typing import Final

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from pynenc_pg.monitor.pages.overview import PAGES, QUEUES, RUNNERS
from pynenc_pg.monitor.site import Site

_RUNNER: Final = """
select *, clock_timestamp() - heartbeat_at as silent from {schema}.runner_health
where app_id = %s and runner_id = %s"""
_HOLDS: Final = "select * from {schema}.held_by(%s, %s, 200)"
#: Of the latest changes in all: the history has no index by runner, which each change would keep.
_ENDED: Final = """
select invocation_id, status, reason, at from {schema}.recent_history(%s, %s)
where runner_id = %s and status in ('success', 'failed') order by at desc limit 30"""


def queues(site: Site, request: Request) -> Response:
    """Show what stands in each queue."""
    with site.database.looking() as reads:
        found = reads.all(QUEUES, (site.app_id,))
    return site.page(request, "queues.html", queues=found)


def runners(site: Site, request: Request) -> Response:
    """Show who works."""
    with site.database.looking() as reads:
        found = reads.all(RUNNERS, (site.app_id,))
    return site.page(request, "runners.html", runners=found)


def runner(site: Site, request: Request) -> Response:
    """Show one runner, and what it has had lately."""
    runner_id = request.path_params["runner_id"]
    app = site.app_id
    with site.database.looking() as reads:
        found = reads.one(_RUNNER, (app, runner_id))
        holds = reads.all(_HOLDS, (app, runner_id))
        ended = reads.all(_ENDED, (app, PAGES, runner_id))
    if found is None and not ended:
        raise HTTPException(404, f"no runner {runner_id}")
    return site.page(
        request, "runner.html", runner_id=runner_id, runner=found, holds=holds, ended=ended
    )
