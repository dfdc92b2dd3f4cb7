"""``/live`` and ``/ready`` over HTTP for probes, and ``/metrics`` for whoever measures."""

from __future__ import annotations

import json
import logging
import socket
import socketserver
import sys
import threading
from collections.abc import Callable
from dataclasses import asdict
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, Final

from pynenc_pg.exceptions import ConfigError

if TYPE_CHECKING:
    from pynenc_pg.runner.exposition import Page
    from pynenc_pg.runner.health import Health

logger = logging.getLogger(__name__)

#: By path, what must be true of the health for a 200.
_QUESTIONS: Final[dict[str, Callable[[Health], bool]]] = {
    "/live": lambda health: health.alive,
    "/ready": lambda health: health.ready,
}


class HealthEndpoint:
    """Answers probes from threads of its own, as long as the process lives or until ``close``."""

    def __init__(self, host: str, port: int) -> None:
        """Take the port; 0 is any that is free. Nobody is answered before ``start``.

        Raises:
            ConfigError: the port is in use, or is not to be had.
        """
        try:
            self._server = _Server(host, port)
        except (OSError, OverflowError) as error:
            message = f"no health endpoint on {host} port {port}: {error}; see --health-port"
            raise ConfigError(message) from error
        self.port: int = self._server.server_address[1]

    def start(
        self, health: Callable[[], Health], metrics: Callable[[], Page] | None = None
    ) -> None:
        """Answer what ``health`` says at that moment, and ``metrics``: type and text."""
        self._server.health, self._server.metrics = health, metrics
        thread = threading.Thread(target=self._server.serve_forever, args=(0.1,), daemon=True)
        thread.name = "pynenc-health"
        thread.start()
        host = self._server.server_address[0]
        fields = {"host": host, "port": self.port}
        paths = "/live and /ready" if metrics is None else "/live, /ready and /metrics"
        logger.info("health.listening: %s port %d, %s", host, self.port, paths, extra=fields)

    def close(self) -> None:
        """Answer no more."""
        if self._server.health is not None:
            self._server.shutdown()
        self._server.server_close()


class _Server(ThreadingHTTPServer):
    """A server that serves IPv6 as well, shares its port with nobody and asks no name server."""

    allow_reuse_port = False
    health: Callable[[], Health] | None = None
    metrics: Callable[[], Page] | None = None

    def __init__(self, host: str, port: int) -> None:
        self.address_family, *_, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        super().__init__(address, _Handler)  # type: ignore[arg-type]

    def server_bind(self) -> None:
        socketserver.TCPServer.server_bind(self)  # HTTPServer's looks for the name of the host

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ARG002 - http's
        """Say nothing of those who hang up."""
        error = sys.exception()
        if not isinstance(error, OSError):
            logger.error("health.failed: a probe got no answer", exc_info=error)


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    timeout = 5  # seconds for a client that says nothing
    error_content_type = "application/json"
    error_message_format = (
        '{"error": "%(code)d %(message)s: there are GET /live and /ready, '
        'and /metrics with runner.metrics"}\n'
    )

    def do_GET(self) -> None:
        """Answer a probe."""
        path = self.path.partition("?")[0]
        if path == "/metrics" and self.server.metrics is not None:
            self._answer(HTTPStatus.OK, *self.server.metrics())
            return
        question = _QUESTIONS.get(path)
        if question is None or self.server.health is None:
            self.send_error(HTTPStatus.NOT_FOUND)
            return
        health = self.server.health()
        body = json.dumps(asdict(health)).encode() + b"\n"
        status = HTTPStatus.OK if question(health) else HTTPStatus.SERVICE_UNAVAILABLE
        self._answer(status, "application/json", body)

    def _answer(self, status: HTTPStatus, content_type: str, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Cache-Control", "no-store")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    do_HEAD = do_GET  # noqa: N815 - http's names

    def send_response(self, code: int, message: str | None = None) -> None:
        """Say nothing of who answers, and log nothing."""
        self.send_response_only(code, message)
        self.send_header("Date", self.date_time_string())

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """A probe every second is no event."""
