"""Does one thing to all that a filter finds, some hundred in a transaction."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final
from urllib.parse import urlencode

from starlette.datastructures import QueryParams
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from pynenc_pg.exceptions import PynencError
from pynenc_pg.monitor.acts import SIGNED, audit, cancel, retry
from pynenc_pg.monitor.database import Reads, Row
from pynenc_pg.monitor.filters import FINAL, Filter, find, read_filter
from pynenc_pg.monitor.pages.doing import check_may_act
from pynenc_pg.monitor.site import Site
from pynenc_pg.monitor.values import Masks

#: In one transaction: no runner waits long for what it has changed.
_TOGETHER: Final = 100
#: How long is looked for what fits, where one has asked for it.
_PATIENCE: Final = "2 s"
_TITLES: Final = {"cancel": "Cancel", "retry": "Run again"}


def ask(site: Site, request: Request) -> Response:
    """Say how many it would be, and ask whether that is meant."""
    check_may_act(request)
    name = _name(request)
    wanted = _wanted(request.url.query)
    fitting, more = _fitting(site, name, wanted)
    return site.page(
        request,
        "bulk.html",
        name=name,
        title=_TITLES[name],
        wanted=wanted,
        fitting=fitting[:20],
        number=len(fitting),
        more=more,
        narrowed=urlencode(_parameters(wanted), doseq=True),
        refusal=SIGNED if name == "retry" and site.settings.signed else "",
    )


def act(site: Site, request: Request) -> Response:
    """Do it, to those that fit now."""
    check_may_act(request)
    name = _name(request)
    narrowed = request.state.visit.form.get("filter", "")
    wanted = _wanted(narrowed)
    if name == "retry" and site.settings.signed:
        raise HTTPException(409, SIGNED)
    ids = [str(row["invocation_id"]) for row in _fitting(site, name, wanted)[0]]
    done = 0
    for first in range(0, len(ids), _TOGETHER):
        done = _together(site, request, name, ids[first : first + _TOGETHER], narrowed)
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
            return verb(reads, site, one, {})
    except PynencError as error:
        return f"refused: {error}"[:300]


def _fitting(site: Site, name: str, wanted: Filter) -> tuple[list[Row], bool]:
    """Return those that it may be done to, and whether there are more."""
    limit = site.settings.conf.bulk_limit
    masks = Masks(site.settings.conf.mask_arguments)
    with site.database.looking() as reads:
        found = find(
            reads,
            site.app_id,
            wanted,
            masks=masks,
            before=None,
            limit=limit,
            patience=_PATIENCE,
        )
    ended = name == "retry"
    rows = [row for row in found.rows if (row["status"] in FINAL) == ended]
    return rows, found.before is not None


def _wanted(query: str) -> Filter:
    asked = QueryParams(query)
    wanted = read_filter(asked, asked.getlist("status"))
    if wanted.is_empty:
        raise HTTPException(400, "narrow the list first: nothing is done to all there is")
    if wanted.wrong:
        raise HTTPException(400, "; ".join(wanted.wrong))
    return wanted


def _parameters(wanted: Filter) -> dict[str, object]:
    return {name: value for name, value in wanted.as_query().items() if value}


def _name(request: Request) -> str:
    name = str(request.path_params["action"])
    if name not in _TITLES:
        raise HTTPException(404, f"there is no action {name} for many")
    return name
