"""The demo's worker: ``pynenc-pg runner start`` in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from pynenc_pg.exceptions import PynencError

APP = "pynenc_pg.demo.tasks:app"
#: Seconds for a stop by SIGTERM; what the worker runs takes a fraction of one.
STOP_WAIT = 15.0
_TAIL = 4_000


class Worker:
    """One worker process and its log. It is of our process group: Ctrl-C reaches it too."""

    def __init__(self, dsn: str) -> None:
        """Start it on a database."""
        descriptor, name = tempfile.mkstemp(prefix="pynenc-demo-", suffix=".log")
        self.log = Path(name)
        with os.fdopen(descriptor, "wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "pynenc_pg", "--app", APP, "runner", "start"],
                env={**os.environ, "PYNENC__POSTGRES__DSN": dsn},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    def check(self) -> None:
        """Do nothing while it lives.

        Raises:
            PynencError: it has ended; carries the end of its log.
        """
        code = self._process.poll()
        if code is not None:
            how = f"exit code {code}" if code >= 0 else f"signal {-code}"
            raise PynencError(self.complaint(f"the worker has ended by itself ({how})"))

    def complaint(self, what: str) -> str:
        """Say what is wrong, with the end of the log and where to read all of it."""
        tail = self.log.read_bytes()[-_TAIL:].decode(errors="replace").strip()
        return f"{what}. The end of its log {self.log}:\n{tail or '(it is empty)'}"

    def stop(self, *, keep_log: bool) -> None:
        """End it by SIGTERM, which lets it finish what it runs; harmless after its end."""
        self._process.terminate()
        try:
            self._process.wait(STOP_WAIT)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        if not keep_log:
            self.log.unlink(missing_ok=True)
