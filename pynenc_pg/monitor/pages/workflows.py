"""Runs of workflows: where each stands, its steps, its data."""

from __future__ import annotations

from typing import Final

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from pynenc_pg.monitor.filters import is_id
from pynenc_pg.monitor.pages.invocation import get
from pynenc_pg.monitor.site import Site

_SHOWN: Final = 50
_RUNS: Final = "select * from {schema}.workflow_runs(%s, %s, %s, %s)"
_INFO: Final = "select * from {schema}.workflow_info(%s, %s)"
_STEPS: Final = "select * from {schema}.workflow_steps(%s, %s) limit 500"
_DATA: Final = """
select key, value::text, set_by, set_at from {schema}.workflow_values
where app_id = %s and workflow_id = %s order by key limit 200"""
_TREE: Final = "select * from {schema}.family(%s, %s, 100) where level > 0"


def listed(site: Site, request: Request) -> Response:
    """Show the latest runs: of all workflows or one, live or all."""
    task = request.query_params.get("task", "").strip()
    live = request.query_params.get("live") == "1"
    with site.database.looking() as reads:
        found = reads.all(_RUNS, (site.app_id, task or None, live, _SHOWN))
    return site.page(request, "workflows.html", runs=found, task=task, live=live, most=_SHOWN)


def shown(site: Site, request: Request) -> Response:
    """Show one run."""
    app, invocation_id = site.app_id, request.path_params["invocation_id"]
    with site.database.looking() as reads:
        one = get(reads, app, invocation_id)
        info = reads.one(_INFO, (app, invocation_id)) if is_id(invocation_id) else None
        if info is None or (not info["steps"] and info["paused_at"] is None):
            raise HTTPException(404, f"{invocation_id} has taken no step of a workflow")
        steps = reads.all(_STEPS, (app, invocation_id))
        data = reads.all(_DATA, (app, info["workflow_id"]))
        below = reads.all(_TREE, (app, invocation_id))
    return site.page(
        request,
        "workflow.html",
        one=one,
        info=info,
        steps=steps,
        data=data,
        below=below,
        final=one["finished_at"] is not None,
    )
