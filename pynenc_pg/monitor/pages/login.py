"""Logging in and out."""

from __future__ import annotations

import logging

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from pynenc_pg.monitor.guard import set_cookie
from pynenc_pg.monitor.identity import Role
from pynenc_pg.monitor.passwords import fits
from pynenc_pg.monitor.site import Site

logger = logging.getLogger(__name__)


def ask(site: Site, request: Request) -> Response:
    """Ask for the password."""
    if not site.settings.by_password:
        return RedirectResponse("/", 303)
    return _form(site, request, request.query_params.get("next", "/"))


def enter(site: Site, request: Request) -> Response:
    """Take the password; whose it is says which role one has."""
    if not site.settings.by_password:
        return RedirectResponse("/", 303)
    form = request.state.form
    there = form.get("next", "/")
    address = request.client.host if request.client else "?"
    if not site.attempts.begin(address):
        return _form(site, request, there, "Too many attempts: wait a minute.", 429)
    role = _role(site, form.get("password", ""))
    if role is None:
        logger.warning("monitor.login_failed: a wrong password from %s", address)
        return _form(site, request, there, "This is not the password.", 403)
    site.attempts.forgive(address)
    who = "".join(filter(str.isprintable, form.get("who", "")))[:60].strip()
    identity = site.sessions.begin(who or role, role, "password")
    cookie = set_cookie(site.settings, site.sessions.cookie(identity))
    return RedirectResponse(_within(there), 303, {"set-cookie": cookie})


def leave(site: Site, request: Request) -> Response:
    """End the session."""
    site.sessions.end(request.state.visit.identity)
    return RedirectResponse("/", 303, {"set-cookie": set_cookie(site.settings, "")})


def _role(site: Site, password: str) -> Role | None:
    """Return the role of a password; all hashes are tried, in the same time for each password."""
    found = None
    for hashed, role in (
        (site.settings.viewer_password, Role.VIEWER),
        (site.settings.operator_password, Role.OPERATOR),
    ):
        if hashed is not None and fits(password, hashed):
            found = role
    return found


def _form(site: Site, request: Request, there: str, wrong: str = "", status: int = 200) -> Response:
    return site.page(request, "login.html", status, there=_within(there), wrong=wrong)


def _within(there: str) -> str:
    """Return a path of ours: a login leads nowhere else."""
    inside = there.startswith("/") and not there.startswith(("//", "/\\")) and there.isprintable()
    return there if inside else "/"
