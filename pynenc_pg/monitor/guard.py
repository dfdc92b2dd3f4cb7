"""Stands before every page: the host, who it is, and whether a form is of ours.

No page is reached around it, so none can forget it.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from urllib.parse import parse_qsl, quote

from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response

from pynenc_pg.monitor.identity import Identity, Role, Sessions

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from pynenc_pg.monitor.settings import Settings

logger = logging.getLogger(__name__)

#: Bytes of a form: a log that was pasted, or arguments; of one that anybody may send; and fields.
_LARGEST: Final = 4_000_000
_LARGEST_LOGIN: Final = 10_000
_FIELDS: Final = 20
_OPEN: Final = ("/static/",)
_HEADERS: Final = {
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
        "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    # Not no-referrer: then a browser says "Origin: null" of our own forms.
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
}


class _RefusedError(Exception):
    """The request goes no further."""

    def __init__(self, status: int, why: str) -> None:
        super().__init__(why)
        self.response = PlainTextResponse(f"{why}\n", status)


@dataclass(frozen=True, slots=True)
class Visit:
    """One request that was let in: whose it is, and the form that came with it."""

    identity: Identity
    token: str
    form: dict[str, str]


class Guard:
    """An ASGI middleware; what it lets in finds its ``Visit`` in ``request.state.visit``."""

    def __init__(self, inside: ASGIApp, *, settings: Settings, sessions: Sessions) -> None:
        """Surround ``inside``."""
        self._inside = inside
        self._settings = settings
        self._sessions = sessions

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request in, or answer it."""
        if scope["type"] != "http":
            await self._inside(scope, receive, send)
            return
        request = Request(scope, receive)
        safely = _with_headers(send, cached=scope["path"].startswith(_OPEN))
        try:
            self._check_host(request)
            if request.method not in {"GET", "HEAD", "POST"}:
                raise _RefusedError(405, "only GET, HEAD and POST are answered")  # noqa: TRY301
            await self._let_in(request, scope, receive, safely)
        except _RefusedError as refused:
            await refused.response(scope, receive, safely)
        except Exception:
            logger.exception("monitor.failed: %s %s", request.method, scope["path"])
            sorry = PlainTextResponse("this is a mistake of the monitor: see its log\n", 500)
            await sorry(scope, receive, safely)

    async def _let_in(self, request: Request, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope["path"]
        if path.startswith(_OPEN) and request.method != "POST":
            await self._inside(scope, receive, send)
            return
        if request.method == "POST":
            self._check_origin(request)
        if path == "/login" and self._settings.by_password:
            posted = request.method == "POST"
            request.state.form = await _form(request, _LARGEST_LOGIN) if posted else {}
            await self._inside(scope, receive, send)
            return
        known = self._known(request)
        identity = known or self._newcomer(request)
        if identity is None:
            await _to_login(request)(scope, receive, send)
            return
        form = {}
        if request.method == "POST":
            if known is None:
                raise _RefusedError(403, "no session: load the page again, then send the form")
            form = await _form(request, _LARGEST)
            if not self._sessions.accepts(known, form.pop("token", "")):
                raise _RefusedError(403, "the form is not of this session: load the page again")
        request.state.visit = Visit(identity, self._sessions.token(identity), form)
        if known is None:
            send = _with_cookie(send, set_cookie(self._settings, self._sessions.cookie(identity)))
        await self._inside(scope, receive, send)

    def _check_host(self, request: Request) -> None:
        """Refuse other names than ours: a page elsewhere may have its name lead here."""
        said = [host.lower() for host in request.headers.getlist("host")]
        names = [one if one.endswith("]") else one.rpartition(":")[0] or one for one in said]
        if len(names) != 1 or names[0] not in self._settings.hosts:
            raise _RefusedError(400, "this host name is not served here: see monitor.allowed_hosts")

    def _check_origin(self, request: Request) -> None:
        origin = request.headers.get("origin")
        if origin is None:
            ours = request.headers.get("sec-fetch-site") == "same-origin"
        else:
            schemes = ("https",) if self._settings.conf.https else ("http", "https")
            host = request.headers["host"].lower()
            ours = origin.lower() in {f"{scheme}://{host}" for scheme in schemes}
        if not ours:
            raise _RefusedError(403, "the form comes from another site")

    def _known(self, request: Request) -> Identity | None:
        """Return whose session it is, if it may go on."""
        identity = self._sessions.read(request.cookies.get(cookie_name(self._settings)))
        said = self._said_by_proxy(request)
        if said is not None:
            same = identity is not None and identity.by == "proxy" and identity.who == said
            return identity if same else None
        if identity is not None and identity.by == "proxy":
            return None
        return identity

    def _newcomer(self, request: Request) -> Identity | None:
        """Begin a session for whom we know without asking; None if they have to log in."""
        settings = self._settings
        said = self._said_by_proxy(request)
        if said is not None:
            operates = said in settings.conf.operators
            return self._sessions.begin(said, Role.OPERATOR if operates else Role.VIEWER, "proxy")
        if settings.by_password:
            return None
        if settings.by_proxy:
            raise _RefusedError(401, "the proxy has not said who you are")
        return self._sessions.begin("local", Role(settings.conf.local_role), "local")

    def _said_by_proxy(self, request: Request) -> str | None:
        name = self._settings.conf.proxy_user_header
        said = request.headers.getlist(name) if name else []
        if not any(said):
            return None
        address = request.client.host if request.client else ""
        if not self._settings.trusts(address):
            raise _RefusedError(403, "the header of the proxy comes from an address not trusted")
        if len(said) > 1:
            raise _RefusedError(403, "the header of the proxy came twice: it has to replace it")
        return said[0]


def cookie_name(settings: Settings) -> str:
    """Return the cookie's name: browsers do not tell the ports of a host apart.

    With the prefix they take it from this host alone, not from a neighbour in its domain.
    """
    return f"{'__Host-' if settings.conf.https else ''}pynenc_monitor_{settings.conf.port}"


def set_cookie(settings: Settings, value: str) -> str:
    """Return the header that sets the cookie of a session, or takes it away."""
    more = ("; Secure" if settings.conf.https else "") + ("" if value else "; Max-Age=0")
    return f"{cookie_name(settings)}={value}; Path=/; HttpOnly; SameSite=Strict{more}"


async def _form(request: Request, largest: int) -> dict[str, str]:
    if request.headers.get("content-type", "").partition(";")[0].strip() != (
        "application/x-www-form-urlencoded"
    ):
        raise _RefusedError(415, "only forms are taken")
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > largest:
            raise _RefusedError(413, f"a form may have {largest:,} bytes")
    try:
        pairs = parse_qsl(
            body.decode(), keep_blank_values=True, errors="strict", max_num_fields=_FIELDS
        )
    except ValueError:  # also what is no UTF-8
        raise _RefusedError(400, "the form is none that a page of the monitor has") from None
    return dict(pairs)


def _to_login(request: Request) -> Response:
    path = request.scope["path"]
    if request.method != "GET" or path == "/live" or "hx-request" in request.headers:
        return PlainTextResponse("log in first\n", 401)
    return RedirectResponse(f"/login?next={quote(address(request), safe='')}", 303)


def address(request: Request) -> str:
    """Return the address of a page within the monitor, as a link has it."""
    asked = request.scope["query_string"].decode("ascii", "replace")
    return quote(request.scope["path"]) + (f"?{asked}" if asked else "")


def _with_headers(send: Send, *, cached: bool) -> Send:
    async def safely(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name, value in _HEADERS.items():
                headers[name] = value
            headers["cache-control"] = "no-cache" if cached else "no-store"
        await send(message)

    return safely


def _with_cookie(send: Send, cookie: str) -> Send:
    async def also(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            if "set-cookie" not in headers:
                headers.append("set-cookie", cookie)
        await send(message)

    return also
