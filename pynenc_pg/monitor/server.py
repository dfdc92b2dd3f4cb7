"""Runs the site until it is told to stop."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING, Any

import uvicorn

from pynenc_pg.exceptions import ConfigError
from pynenc_pg.monitor.site import make_site

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.applications import Starlette

    from pynenc_pg.conf.config_pynenc import PynencConf


def serve(conf: PynencConf, ready: Callable[[str], None]) -> None:
    """Serve the monitor of an app; ``ready`` is told the address once it listens.

    Raises:
        ConfigError: the configuration forbids it, or the address is taken.
    """
    site = make_site(conf)
    host, port = conf.monitor.host, conf.monitor.port
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((host, port))
        listening.listen(128)
    except OSError as error:
        listening.close()
        message = f"monitor.host = {host!r}, monitor.port = {port}: {error.strerror or error}"
        raise ConfigError(message) from error
    shown = f"[{host}]" if ":" in host else host
    ready(f"http://{shown}:{listening.getsockname()[1]}/")
    with listening:
        make_server(site).run(sockets=[listening])


class _Server(uvicorn.Server):
    """Ends the streams first: it would wait for them, and they for the database."""

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self.config.app.state.site.hints.end()  # type: ignore[union-attr]
        await super().shutdown(sockets)


def make_server(site: Starlette, **more: Any) -> uvicorn.Server:
    """Return what serves a site; ``more`` are settings of uvicorn's."""
    return _Server(
        uvicorn.Config(
            site,
            log_config=None,
            access_log=False,
            server_header=False,
            # Who somebody is comes from the address of the connection: the proxy's, where one is.
            proxy_headers=False,
            timeout_graceful_shutdown=3,
            **more,
        )
    )
