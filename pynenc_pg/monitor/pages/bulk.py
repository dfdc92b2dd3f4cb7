"""Does one thing to all that a filter finds, some hundred in a transaction."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Final

from starlette.datastructures import QueryParams
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from pynenc_pg.exceptions import PynencError
from pynenc_pg.monitor.acts import SIGNED, audit, cancel, retry
from pynenc_pg.monitor.database import Reads
from pynenc_pg.monitor.filters import (
    FINAL,
    STATUSES,
    Filter,
    Found,
    find,
    is_id,
    read_filter,
    read_time,
)
from pynenc_pg.monitor.pages.doing import check_may_act
from pynenc_pg.monitor.pages.timeline import the_time
from pynenc_pg.monitor.render import query
from pynenc_pg.monitor.site import Site
from pynenc_pg.monitor.values import Masks

#: In one transaction: no runner waits long for what it has changed.
_TOGETHER: Final = 100
#: How long is looked for what fits: then what was found is asked about, and the next ones after it.
_PATIENCE: Final = "150 ms"
_TITLES: Final = {"cancel": "Cancel", "retry": "Run again"}


def ask(site: Site, request: Request) -> Response:
    """Say how many it would be, and ask whether that is meant."""
    check_may_act(request)
    name = _name(request)
    wanted = _wanted(request.url.query)
    before = request.query_params.get("before", "")
    with site.database.looking() as reads:
        until = wanted.until or the_time(reads)
        found = _fitting(reads, site, name, replace(wanted, until=until), before)
    return site.page(
        request,
        "bulk.html",
        name=name,
        title=_TITLES[name],
        wanted=wanted,
        fitting=found.rows[:20],
        number=len(found.rows),
        more=found.before,
        before=before,
        narrowed=query(**wanted.as_query()),
        until=until.isoformat(),
        refusal=SIGNED if name == "retry" and site.settings.signed else "",
    )


def act(site: Site, request: Request) -> Response:
    """Do it, to those that fit now."""
    check_may_act(request)
    name = _name(request)
    form = request.state.visit.form
    wanted = _wanted(form.get("filter", ""))
    narrowed = query(**wanted.as_query())
    if name == "retry" and site.settings.signed:
        raise HTTPException(409, SIGNED)
    try:
        wanted = replace(wanted, until=read_time(form.get("until", "")) or wanted.until)
    except ValueError as error:
        raise HTTPException(400, str(error)) from error
    with site.database.looking() as reads:
        found = _fitting(reads, site, name, wanted, form.get("before", ""))
    ids = [str(row["invocation_id"]) for row in found.rows]
    done = 0
    for first in range(0, len(ids), _TOGETHER):
        done = _together(site, request, name, ids[first : first + _TOGETHER], narrowed)
    if found.before:  # what was run again still fits: the next question is about the next ones
        return RedirectResponse(f"/bulk/{name}?{narrowed}&before={found.before}&done={done}", 303)
    return RedirectResponse(f"/invocations?{narrowed}&done={done}", 303)


def _together(site: Site, request: Request, name: str, ids: Sequence[str], narrowed: str) -> int:
    """Do it to some, each by itself: one that is refused leaves the others alone."""
    verb: Callable[..., str] = {"cancel": cancel, "retry": retry}[name]
    outcomes: dict[str, str] = {}
    with site.database.acting() as reads:
        for one in ids:
            outcomes[one] = _one(reads, site, verb, one)
        refused = sum(said.startswith("refused") for said in outcomes.values())
        said = f"{len(ids) - refused} done, {refused} refused"
        detail = {"filter": narrowed, "outcomes": outcomes}
        subject = f"{len(ids)} invocations"
        return audit(site, request, reads, (f"bulk-{name}", subject, said), detail)


def _one(reads: Reads, site: Site, verb: Callable[..., str], one: str) -> str:
    try:
        with reads.savepoint():
            return verb(reads, site, one, "")
    except PynencError as error:
        return f"refused: {error}"[:300]


def _fitting(reads: Reads, site: Site, name: str, wanted: Filter, before: str) -> Found:
    """Return those that it may be done to, the newest before an id."""
    legal = FINAL if name == "retry" else FINAL.symmetric_difference(STATUSES)
    statuses = tuple(one for one in wanted.statuses or STATUSES if one in legal)
    if not statuses:
        return Found([], None, None)
    return find(
        reads,
        site.app_id,
        replace(wanted, statuses=statuses),
        masks=Masks(site.settings.conf.mask_arguments),
        before=before if is_id(before) else None,
        limit=site.settings.conf.bulk_limit,
        patience=_PATIENCE,
    )


def _wanted(query: str) -> Filter:
    asked = QueryParams(query)
    wanted = read_filter(asked, asked.getlist("status"))
    if wanted.is_empty:
        raise HTTPException(400, "narrow the list first: nothing is done to all there is")
    if wanted.wrong:
        raise HTTPException(400, "; ".join(wanted.wrong))
    return wanted


def _name(request: Request) -> str:
    name = str(request.path_params["action"])
    if name not in _TITLES:
        raise HTTPException(404, f"there is no action {name} for many")
    return name
