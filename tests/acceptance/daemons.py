"""A user's folder with one module of tasks, and worker daemons that work there."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg

from tests.acceptance.workers import wait_for

MODULE = "daemon_tasks"
#: A release; the next one has another number.
CODE = """
import time

import psycopg

from pynenc_pg import Pynenc
from pynenc_pg.runner.base import BaseRunner

app = Pynenc("daemons")
RELEASE = {release}


@app.task
def release() -> int:
    return RELEASE


@app.task
def hold(dsn: str) -> int:
    '''Begin, and end when the gate is open.'''
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute("insert into begun (number) values (1)")
        while not connection.execute("select 1 from gate").fetchone():
            time.sleep(0.02)
    return RELEASE


class Own(BaseRunner):
    '''Waits to be stopped, and takes up new code without that.'''

    def run(self) -> None:
        while not getattr(self, "stopped", False):
            time.sleep(0.01)

    def stop_runner_loop(self) -> None:
        self.stopped = True

    def reload(self) -> bool:
        return True
"""
SCRIPT = (str(Path(sys.executable).with_name("pynenc-pg")),)
PROGRAM = (sys.executable, "-m", "pynenc_pg")


class Folder:
    """Where the code is, and what is needed to run it."""

    def __init__(self, path: Path, dsn: str) -> None:
        self.path = path
        self.dsn = dsn
        self._written = 0
        self._connection: psycopg.Connection[Any] | None = None
        self.write(1)

    def write(self, release: int) -> None:
        """Deploy a release, a second younger: by that Python knows older bytecode from newer."""
        self.write_text(CODE.format(release=release))

    def write_text(self, text: str) -> None:
        """Deploy something else."""
        new = self.path / "new"
        new.write_text(text, encoding="utf-8")
        self._written += 1
        os.utime(new, times=(time.time(), time.time() + self._written))
        new.rename(self.path / f"{MODULE}.py")

    def environment(self) -> dict[str, str]:
        """What a daemon of this folder gets."""
        ours = {k: v for k, v in os.environ.items() if not k.startswith("PYNENC_")}
        return {**ours, "PYNENC__POSTGRES__DSN": self.dsn}

    def execute(self, statement: str) -> list[tuple[Any, ...]]:
        """Run a statement; return its rows, if there are any."""
        if self._connection is None:
            self._connection = psycopg.connect(self.dsn, autocommit=True)
        cursor = self._connection.execute(statement.encode())
        return cursor.fetchall() if cursor.description else []

    def close(self) -> None:
        """Close the connection with which it was looked."""
        if self._connection is not None:
            self._connection.close()


class Daemon:
    """One ``pynenc-pg runner start`` in that folder; its log is JSON."""

    def __init__(
        self,
        folder: Folder,
        *arguments: str,
        program: tuple[str, ...] = PROGRAM,
        stdin: int = subprocess.DEVNULL,
        **environment: str,
    ) -> None:
        self.folder = folder
        self._file = (folder.path / "log").open("ab")
        before = ("--app", f"{MODULE}.app", "runner", "start", "--log-format", "json")
        self.process = subprocess.Popen(
            [*program, *before, *arguments],
            cwd=folder.path,
            env=folder.environment() | environment,
            stdin=stdin,
            stdout=self._file,
            stderr=self._file,
        )

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal."""
        self.process.send_signal(number)

    def wait(self, timeout: float = 30) -> int:
        """Return its exit code, once it has ended."""
        return self.process.wait(timeout)

    def stop(self) -> int:
        """SIGTERM; return the exit code."""
        self.signal(signal.SIGTERM)
        return self.wait()

    def close(self) -> None:
        """End whatever is left."""
        self.process.kill()
        self.process.wait()
        self._file.close()

    def log(self) -> str:
        """Return what all daemons of the folder have said."""
        return (self.folder.path / "log").read_text(encoding="utf-8")

    def events(self, name: str) -> list[dict[str, Any]]:
        """Return what it has logged under that name."""
        lines = [line for line in self.log().split("\n")[:-1] if line.startswith("{")]
        return [found for line in lines if (found := json.loads(line))["event"] == name]

    def wait_for(self, name: str, times: int = 1) -> dict[str, Any]:
        """Wait until it has logged that so often; return the last."""
        wait_for(lambda: len(self.events(name)) >= times or self._has_ended(), self.log)
        assert len(self.events(name)) >= times, self.log()
        return self.events(name)[-1]

    def _has_ended(self) -> bool:
        return self.process.poll() is not None

    def ask(self, path: str, method: str = "GET") -> tuple[int, dict[str, str], bytes]:
        """Ask its health endpoint; return status, headers and body."""
        port = self.wait_for("health.listening")["port"]
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        try:
            connection.request(method, path)
            response = connection.getresponse()
            return response.status, dict(response.getheaders()), response.read()
        finally:
            connection.close()

    def status(self, path: str) -> int:
        """Return the status that its health endpoint answers with."""
        return self.ask(path)[0]


class Manager:
    """The other end of ``NOTIFY_SOCKET``: what systemd hears."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(str(path))
        self.socket.settimeout(30)
        self.heard: list[dict[str, str]] = []

    def hear(self) -> dict[str, str]:
        """Wait for the next message."""
        lines = self.socket.recv(4096).decode().splitlines()
        self.heard.append(dict(line.split("=", 1) for line in lines))
        return self.heard[-1]

    def hear_until(self, name: str, value: str = "1") -> dict[str, str]:
        """Wait for a message that says that."""
        while self.hear().get(name) != value:
            pass
        return self.heard[-1]

    def said(self, *names: str) -> list[str]:
        """Return the names among these in the order in which they were heard."""
        return [name for message in self.heard for name in names if name in message]


Start = Callable[..., Daemon]


def import_first(folder: Path) -> str:
    """An import path that begins with that folder."""
    return os.pathsep.join(filter(None, [str(folder), os.environ.get("PYTHONPATH")]))
