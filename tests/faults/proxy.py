"""A proxy in front of PostgreSQL, on loopback, that cuts connections where a test wants it."""

from __future__ import annotations

import contextlib
import re
import socket
import threading
from collections.abc import Callable
from typing import Final, Self

from psycopg.conninfo import conninfo_to_dict, make_conninfo

#: The messages Parse and Bind: a statement gets its name, and is run under that name.
_PARSE: Final = re.compile(rb"P....(_pg3_[0-9a-f_]+)\0([^\0]*)\0", re.DOTALL)
_BIND: Final = re.compile(rb"B....[^\0]*\0(_pg3_[0-9a-f_]+)\0", re.DOTALL)


class _Line:
    """One connection: two sockets, and two threads that copy between them."""

    def __init__(self, client: socket.socket, server: socket.socket) -> None:
        self.client = client
        self.server = server
        self.muted = False
        self.severed = False
        self.prepared: dict[bytes, bytes] = {}

    def cut(self) -> None:
        """End both halves."""
        for end in (self.client, self.server):
            hang_up(end)


class Proxy:
    """Listens on a port of its own and passes on to the server of a DSN."""

    def __init__(self, dsn: str) -> None:
        self._target = conninfo_to_dict(dsn)
        self._listening = socket.create_server(("127.0.0.1", 0))
        port = self._listening.getsockname()[1]
        self.dsn = make_conninfo(dsn, host="127.0.0.1", port=port, hostaddr="")
        self.lines: list[_Line] = []
        self.cuts = 0
        self._verb = b""
        self._left = 0
        self._lock = threading.Lock()
        self._threads: list[threading.Thread] = []
        self._run(self._accept)

    def __enter__(self) -> Self:
        """Use it for a test."""
        return self

    def __exit__(self, *exc: object) -> None:
        """End all connections."""
        hang_up(self._listening)
        self._threads[0].join()
        for line in self.lines:
            line.cut()
        for thread in self._threads:
            thread.join()
        for line in self.lines:
            line.client.close()
            line.server.close()
        self._listening.close()

    def cut_after(self, verb: str, times: int = 1) -> None:
        """Have the next calls of a verb done, and their connections cut instead of an answer."""
        self._verb, self._left = f".{verb}(".encode(), times

    def half_cut(self, number: int) -> None:
        """End the client's half of a line; the server does not notice."""
        line = self.lines[number]
        line.severed = True
        hang_up(line.client)

    def _run(self, work: Callable[..., None], *arguments: _Line) -> None:
        self._threads.append(threading.Thread(target=work, args=arguments, daemon=True))
        self._threads[-1].start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listening.accept()
                client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                line = _Line(client, self._connect())
                self.lines.append(line)
                self._run(self._up, line)
                self._run(self._down, line)

    def _connect(self) -> socket.socket:
        host, port = str(self._target.get("host", "")), int(self._target.get("port") or 5432)
        if host.startswith("/"):
            server = socket.socket(socket.AF_UNIX)
            server.connect(f"{host}/.s.PGSQL.{port}")
            return server
        return socket.create_connection((host or "127.0.0.1", port))

    def _up(self, line: _Line) -> None:
        """From client to server."""
        with contextlib.suppress(OSError):
            while said := line.client.recv(65536):
                self._judge(line, said)
                line.server.sendall(said)
        if not line.severed:
            hang_up(line.server)

    def _judge(self, line: _Line, said: bytes) -> None:
        line.prepared |= dict(_PARSE.findall(said))
        run = [line.prepared.get(name, b"") for name in _BIND.findall(said)]
        with self._lock:
            if self._left and any(self._verb in query for query in run):
                self._left -= 1
                self.cuts += 1
                line.muted = True

    def _down(self, line: _Line) -> None:
        """From server to client; the reply to what was condemned cuts the line instead."""
        with contextlib.suppress(OSError):
            while said := line.server.recv(65536):
                if line.muted:
                    break
                line.client.sendall(said)
        hang_up(line.client)
        if line.muted:
            hang_up(line.server)


def hang_up(end: socket.socket) -> None:
    """Shut a socket down, whoever reads from it."""
    with contextlib.suppress(OSError):
        end.shutdown(socket.SHUT_RDWR)
