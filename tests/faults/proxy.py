"""A proxy in front of PostgreSQL, on loopback, that does harm where a test wants it."""

from __future__ import annotations

import contextlib
import re
import socket
import struct
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Literal, Self

from psycopg.conninfo import conninfo_to_dict, make_conninfo

from tests.faults.wire import Answers, Statements, is_whole_answer

When = Literal["before", "after"]
#: With it, closing a socket tells the other side that the connection is no more (RST).
_NO_GOODBYE: Final = struct.pack("ii", 1, 0)


class Line:
    """One connection: two sockets, and two threads that copy between them."""

    def __init__(self, client: socket.socket, server: socket.socket) -> None:
        self.client = client
        self.server = server
        self.statements = Statements()
        self.answers = Answers()
        self.severed = False
        self.still = False  # it carries nothing
        self.awaited: _Failpoint | None = None  # it strikes when the answer is there

    @property
    def name(self) -> str:
        """The application name of who speaks."""
        return self.statements.name

    def cut(self) -> None:
        """End both halves."""
        for end in (self.client, self.server):
            hang_up(end)

    def reset(self) -> None:
        """End both halves rudely: each side is told that there is no connection."""
        for end in (self.client, self.server):
            with contextlib.suppress(OSError):
                end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_GOODBYE)
                end.shutdown(socket.SHUT_RD)  # whoever reads from it wakes up, and closes it


#: Does harm to a line; whether what it carries goes on its way all the same.
Harm = Callable[[Line], bool]


def cut(line: Line) -> bool:
    """Cut the line."""
    line.cut()
    return False


def stand_still(line: Line) -> bool:
    """Have the line carry nothing any more."""
    line.still = True
    return True


@dataclass(slots=True)
class _Failpoint:
    """Strikes at the next calls of a verb: before the server hears of them, or after its answer."""

    verb: re.Pattern[bytes]
    when: When
    harm: Harm
    left: int
    skip: int


class Proxy:
    """Listens on a port of its own and passes on to the server of a DSN."""

    def __init__(self, dsn: str) -> None:
        self._target = conninfo_to_dict(dsn)
        self._listening = socket.create_server(("127.0.0.1", 0))
        port = self._listening.getsockname()[1]
        self.dsn = make_conninfo(dsn, host="127.0.0.1", port=port, hostaddr="")
        self.lines: list[Line] = []
        self.cuts = 0
        self.refuses = False  # whoever connects is sent away
        self.refused: list[float] = []  # when, by the monotonic clock
        self.piece = 65536  # bytes that are passed on at once
        self.still: set[str] = set()  # application names whose lines carry nothing
        self.deaf = False  # notifications are lost
        self._failpoints: list[_Failpoint] = []
        self._lock = threading.Lock()
        self._closing = threading.Event()
        self._threads: list[threading.Thread] = []
        self._run(self._accept)

    def __enter__(self) -> Self:
        """Use it for a test."""
        return self

    def __exit__(self, *exc: object) -> None:
        """End all connections."""
        self._closing.set()
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

    def arm(self, verb: str, when: When, harm: Harm, times: int = 1, skip: int = 0) -> None:
        """Have harm done at the next calls of a verb, or later ones; ``cuts`` counts them."""
        with self._lock:
            self._failpoints.append(_Failpoint(_called(verb), when, harm, times, skip))

    def disarm(self) -> None:
        """Let all calls pass from here on."""
        with self._lock:
            self._failpoints.clear()

    def cut_after(self, verb: str, times: int = 1) -> None:
        """Have the next calls of a verb done, and their connections cut instead of an answer.

        Nothing else is done any more.
        """
        self.disarm()
        self.arm(verb, "after", cut, times)

    def stall(self, seconds: float) -> Harm:
        """Make a harm of holding a line up for a while."""

        def wait(_: Line) -> bool:
            return not self._closing.wait(seconds)

        return wait

    def half_cut(self, number: int) -> None:
        """End the client's half of a line; the server does not notice."""
        line = self.lines[number]
        line.severed = True
        hang_up(line.client)

    def freeze(self, name: str) -> int:
        """Have the present lines of an application carry nothing any more; return how many."""
        found = [line for line in self.lines if line.name == name]
        for line in found:
            line.still = True
        return len(found)

    def reset_all(self) -> None:
        """Reset all lines at once."""
        for line in list(self.lines):
            line.reset()

    def _run(self, work: Callable[..., None], *arguments: Line) -> None:
        self._threads.append(threading.Thread(target=work, args=arguments, daemon=True))
        self._threads[-1].start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listening.accept()
                if self.refuses:
                    self.refused.append(time.monotonic())
                    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_GOODBYE)
                    client.close()
                    continue
                client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                line = Line(client, self._connect())
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

    def _up(self, line: Line) -> None:
        """From client to server."""
        with contextlib.suppress(OSError):
            while said := line.client.recv(65536):
                struck = self._struck(line, line.statements.feed(said))
                if struck is not None and struck.when == "after":
                    line.awaited = struck
                elif struck is not None and not struck.harm(line):
                    break
                self._pass_on(line, line.server, said)
        if not line.severed:
            hang_up(line.server)
            line.client.close()

    def _struck(self, line: Line, asked: list[bytes]) -> _Failpoint | None:
        with self._lock:
            for point in self._failpoints:
                if not point.left or not any(map(point.verb.search, asked)):
                    continue
                if point.skip:
                    point.skip -= 1
                else:
                    point.left -= 1
                    self.cuts += 1
                    return point
        return None

    def _down(self, line: Line) -> None:
        """From server to client; a whole answer is waited for where something is to strike."""
        held = b""
        with contextlib.suppress(OSError):
            while said := line.server.recv(65536):
                held += line.answers.feed(said, deaf=self.deaf)
                if line.awaited is not None:
                    if not is_whole_answer(held):
                        continue
                    harm, line.awaited = line.awaited.harm, None
                    if not harm(line):
                        break
                self._pass_on(line, line.client, held)
                held = b""
        hang_up(line.client)
        if not line.severed:
            line.server.close()

    def _pass_on(self, line: Line, end: socket.socket, said: bytes) -> None:
        while (line.still or line.name in self.still) and not self._closing.wait(0.02):
            pass
        for at in range(0, len(said), self.piece):
            end.sendall(said[at : at + self.piece])


#: What is no call of a function.
_STATEMENTS: Final = {"begin", "commit", "rollback", "reset role"}


def _called(verb: str) -> re.Pattern[bytes]:
    """Find the call of a verb, whichever version of its function it is, or a statement."""
    if verb in _STATEMENTS:
        return re.compile(rb"^" + verb.encode())
    return re.compile(rf"\b{verb}(_\d+)?\(".encode())


def hang_up(end: socket.socket) -> None:
    """Shut a socket down, whoever reads from it."""
    with contextlib.suppress(OSError):
        end.shutdown(socket.SHUT_RDWR)
