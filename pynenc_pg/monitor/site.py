"""The site: one ASGI application, its routes, and what every page needs."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from pynenc_pg.exceptions import PynencError, StoreUnavailableError
from pynenc_pg.monitor.database import MonitorDatabase
from pynenc_pg.monitor.filters import read_number
from pynenc_pg.monitor.guard import Guard, address
from pynenc_pg.monitor.identity import Attempts, Sessions
from pynenc_pg.monitor.live import Hints
from pynenc_pg.monitor.render import PACKAGE, make_templates
from pynenc_pg.monitor.settings import read_settings

if TYPE_CHECKING:
    from pynenc_pg.conf.config_pynenc import PynencConf
    from pynenc_pg.monitor.database import Row
    from pynenc_pg.monitor.guard import Visit
    from pynenc_pg.monitor.settings import Settings

logger = logging.getLogger(__name__)

_DONE: Final = """
select action, subject, outcome from {schema}.audits where app_id = %s and audit_id = %s"""

Handler = Callable[["Site", Request], Response]


class Site:
    """What the pages share."""

    def __init__(self, settings: Settings) -> None:
        """Nothing is opened before the first request."""
        self.settings = settings
        self.database = MonitorDatabase(settings)
        self.sessions = Sessions(settings.conf.session_hours * 3600)
        self.attempts = Attempts()
        self.hints = Hints(self.database, self.sessions)
        self.templates = make_templates(settings)

    @property
    def app_id(self) -> str:
        """Whose work is shown."""
        return self.settings.app_id

    def page(self, request: Request, template: str, status: int = 200, **values: Any) -> Response:
        """Render a page."""
        visit: Visit | None = getattr(request.state, "visit", None)
        text = self.templates.get_template(template).render(
            done=self._done(request) if visit and status == HTTPStatus.OK else None,
            app_id=self.app_id,
            path=request.scope["path"],
            here=address(request),
            identity=visit.identity if visit else None,
            token=visit.token if visit else "",
            may_act=bool(visit and visit.identity.may_act),
            leaves=bool(visit and visit.identity.by == "password"),
            **values,
        )
        return HTMLResponse(text, status)

    def _done(self, request: Request) -> Row | None:
        """Return the entry of the audit about what was done just before."""
        number = read_number(request.query_params.get("done", ""))
        if number is None:
            return None
        with self.database.looking() as reads:
            return reads.one(_DONE, (self.app_id, number))


def make_site(conf: PynencConf) -> Starlette:
    """Build the ASGI application for an app's configuration.

    Raises:
        ConfigError: see ``read_settings``.
    """
    from pynenc_pg.monitor.pages import ROUTES  # noqa: PLC0415 - pages need the site's type

    site = Site(read_settings(conf))

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        yield
        site.hints.close()
        site.database.close()

    routes: list[Route | Mount] = [
        Route(path, partial(handler, site), methods=[method]) for method, path, handler in ROUTES
    ]
    routes.append(Route("/live", site.hints.stream, methods=["GET"]))
    routes.append(Mount("/static", StaticFiles(directory=PACKAGE / "static")))
    app = Starlette(
        routes=routes,
        middleware=[Middleware(Guard, settings=site.settings, sessions=site.sessions)],
        exception_handlers={
            HTTPException: partial(_http_error, site),
            PynencError: partial(_our_error, site),
        },
        lifespan=lifespan,
    )
    app.state.site = site
    return app


async def _http_error(site: Site, request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101 - for the type checker
    return site.page(
        request, "error.html", error.status_code, title=error.detail, number=error.status_code
    )


async def _our_error(site: Site, request: Request, error: Exception) -> Response:
    away = isinstance(error, StoreUnavailableError)
    logger.warning("monitor.refused: %s %s: %s", request.method, request.url.path, error)
    title = "The database does not answer, or not in time" if away else str(error)
    return site.page(request, "error.html", 503 if away else 422, title=title, number=None)
