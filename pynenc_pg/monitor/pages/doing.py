"""Asks before something is done, and does it."""

from __future__ import annotations

from typing import Final
from urllib.parse import quote

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from pynenc_pg.exceptions import InvocationStatusError
from pynenc_pg.monitor.acts import ACTS, Act, perform
from pynenc_pg.monitor.database import Reads
from pynenc_pg.monitor.filters import read_text
from pynenc_pg.monitor.site import Site

#: Characters of what something is done to.
_LONGEST: Final = 500


def ask(site: Site, request: Request) -> Response:
    """Ask whether it is meant."""
    name, act = _act(request)
    check_may_act(request)
    subject = _subject(request.query_params.get("subject", ""))
    with site.database.looking() as reads:
        refusal = act.refusal(reads, site, subject)
    return site.page(
        request,
        "confirm.html",
        act=act,
        name=name,
        subject=subject,
        refusal=refusal,
        back=_back(act, subject),
    )


def act(site: Site, request: Request) -> Response:
    """Do it; the page that one comes back to says with what outcome."""
    name, act = _act(request)
    check_may_act(request)
    form = request.state.visit.form
    subject = _subject(form.get("subject", ""))
    reason = read_text(form.get("reason", ""))

    def work(reads: Reads) -> str:
        refusal = act.refusal(reads, site, subject)
        if refusal:
            message = f"{act.title}: {refusal}"
            raise InvocationStatusError(message)
        return act.verb(reads, site, subject, reason)

    detail = {"reason": reason} if reason else {}
    done = perform(site, request, (name, subject), work, detail)
    return RedirectResponse(f"{_back(act, subject)}?done={done}", 303)


def check_may_act(request: Request) -> None:
    """Refuse viewers.

    Raises:
        HTTPException: it is one.
    """
    if not request.state.visit.identity.may_act:
        raise HTTPException(403, "this takes an operator, and you are a viewer")


def _act(request: Request) -> tuple[str, Act]:
    name = request.path_params["action"]
    found = ACTS.get(name)
    if found is None:
        raise HTTPException(404, f"there is no action {name}")
    return name, found


def _subject(text: str) -> str:
    if len(text) > _LONGEST or not text.isprintable():
        raise HTTPException(400, "this is the name of nothing")
    return text


def _back(act: Act, subject: str) -> str:
    return act.back.format(quote(subject, safe=""))
