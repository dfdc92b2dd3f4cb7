"""Runs of workflows: where each stands, its steps, its data."""

from __future__ import annotations

from typing import Final

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from pynenc_pg.monitor.filters import PATIENCE, is_id, read_text
from pynenc_pg.monitor.pages.invocation import get
from pynenc_pg.monitor.site import Site

_SHOWN: Final = 50
#: Steps of a run that are shown.
_MOST: Final = 500
_RUNS: Final = "select * from {schema}.workflow_runs(%s, %s, %s, %s, %s::uuid, %s::interval)"
_INFO: Final = "select * from {schema}.workflow_info(%s, %s)"
_STEPS: Final = "select * from {schema}.workflow_steps(%s, %s) limit %s"
_DATA: Final = """
select key, value::text, set_by, set_at from {schema}.workflow_values
where app_id = %s and workflow_id = %s order by key limit 200"""
_TREE: Final = "select * from {schema}.family(%s, %s, 100) where level > 0"


def listed(site: Site, request: Request) -> Response:
    """Show the latest runs: of all workflows or one, live or all."""
    asked = request.query_params
    task, live = read_text(asked.get("task", "")), asked.get("live") == "1"
    before = asked.get("before", "")
    since = before if is_id(before) else None
    with site.database.looking() as reads:
        found = reads.all(_RUNS, (site.app_id, task or None, live, _SHOWN, since, PATIENCE))
    looked_to = found[-1]["looked_to"] if found else None
    runs = [row for row in found if row["looked_to"] is None]
    last = runs[-1]["invocation_id"] if len(runs) == _SHOWN else None
    return site.page(
        request,
        "workflows.html",
        runs=runs,
        task=task,
        live=live,
        first=since is None,
        looked_to=looked_to,
        before=looked_to or last,
    )


def shown(site: Site, request: Request) -> Response:
    """Show one run."""
    app, invocation_id = site.app_id, request.path_params["invocation_id"]
    with site.database.looking() as reads:
        one = get(reads, app, invocation_id)
        info = reads.one(_INFO, (app, invocation_id)) if is_id(invocation_id) else None
        if info is None or (not info["steps"] and info["paused_at"] is None):
            raise HTTPException(404, f"{invocation_id} has taken no step of a workflow")
        steps = reads.all(_STEPS, (app, invocation_id, _MOST))
        data = reads.all(_DATA, (app, info["workflow_id"]))
        below = reads.all(_TREE, (app, invocation_id))
    return site.page(
        request,
        "workflow.html",
        one=one,
        info=info,
        steps=steps,
        most=_MOST,
        data=data,
        below=below,
        final=one["finished_at"] is not None,
    )
