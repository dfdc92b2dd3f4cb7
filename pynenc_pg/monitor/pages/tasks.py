"""Tasks: what runners have told of them, and how their latest calls went."""

from __future__ import annotations

import json
from typing import Final

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from pynenc_pg.monitor.filters import FIND, PATIENCE
from pynenc_pg.monitor.pages.overview import PAGES
from pynenc_pg.monitor.site import Site

#: Ends that statistics are made of.
_ENDS: Final = 1000
_FIGURES: Final = """
select task_id, count(*) as ends, count(*) filter (where status = 'success') as succeeded,
       count(*) filter (where status = 'failed') as failed, max(at) as last_at,
       percentile_cont(array[0.5, 0.95, 0.99]) within group (order by ran_seconds) as ran,
       percentile_cont(array[0.5, 0.95, 0.99]) within group (order by waited_seconds) as waited
from {schema}.recent_ends(%s, %s, %s) group by task_id"""
_TOLD: Final = """
select task_id, signature, queue, options::text, runners, told_at from {schema}.tasks
where app_id = %s"""
#: Calls that the page of a task shows.
_CALLS: Final = 20


def listed(site: Site, request: Request) -> Response:
    """Show all tasks."""
    with site.database.looking() as reads:
        figures = {row["task_id"]: row for row in reads.all(_FIGURES, (site.app_id, PAGES, _ENDS))}
        told = {row["task_id"]: row for row in reads.all(_TOLD, (site.app_id,))}
    names = sorted({*figures, *told})
    found = [(name, told.get(name), figures.get(name)) for name in names]
    sample = sum(row["ends"] for row in figures.values())
    return site.page(request, "tasks.html", tasks=found, sample=sample)


def shown(site: Site, request: Request) -> Response:
    """Show one task."""
    task_id = request.path_params["task_id"]
    app = site.app_id
    with site.database.looking() as reads:
        told = reads.one(f"{_TOLD} and task_id = %s", (app, task_id))
        figures = [
            row for row in reads.all(_FIGURES, (app, PAGES, _ENDS)) if row["task_id"] == task_id
        ]
        asked = json.dumps({"task": task_id})
        found = reads.all(FIND, (app, asked, None, _CALLS, PATIENCE))
    if told is None and not found:  # with a row that says how far it was looked there may be some
        raise HTTPException(404, f"no task {task_id}")
    return site.page(
        request,
        "task.html",
        task_id=task_id,
        told=told,
        figures=figures[0] if figures else None,
        latest=[row for row in found if row["looked_to"] is None],
    )
