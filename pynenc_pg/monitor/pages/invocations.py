"""The list of invocations: newest first, narrowed, page by page."""

from __future__ import annotations

from typing import Final

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from pynenc_pg.monitor.filters import STATUSES, find, is_id, read_filter
from pynenc_pg.monitor.site import Site
from pynenc_pg.monitor.values import Masks

_SHOWN: Final = 50


def listed(site: Site, request: Request) -> Response:
    """Show those that fit; an id, typed where one looks for arguments, leads to its page."""
    asked = request.query_params
    wanted = read_filter(asked, asked.getlist("status"))
    if is_id(wanted.argument):
        return RedirectResponse(f"/invocations/{wanted.argument.lower()}", 303)
    before = asked.get("before", "")
    masks = Masks(site.settings.conf.mask_arguments)
    with site.database.looking() as reads:
        found = find(
            reads,
            site.app_id,
            wanted,
            masks=masks,
            before=before if is_id(before) else None,
            limit=_SHOWN,
        )
    return site.page(
        request,
        "invocations.html",
        wanted=wanted,
        found=found,
        statuses=STATUSES,
        signed=site.settings.signed,
        first=not is_id(before),
    )
