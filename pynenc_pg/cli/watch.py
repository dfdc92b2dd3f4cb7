"""``runner start --reload``: a worker that is restarted when its code changes."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import subprocess
import threading
from collections.abc import Iterator
from importlib import import_module
from typing import Any, Final

from pynenc_pg.cli import again
from pynenc_pg.exceptions import ConfigError
from pynenc_pg.runner.orphan import Lifeline

logger = logging.getLogger(__name__)

#: Seconds that running tasks get before the worker is told a second time and gives them back, and
#: how long that may take.
_PATIENCE: Final = 3.0
_AT_ONCE: Final = 15.0
#: How often the end of the worker is looked for, in milliseconds.
_LOOK: Final = 200


def watch() -> int:
    """Keep a worker with today's code until a signal comes; return its exit code.

    Raises:
        ConfigError: the library that watches files is not installed.
    """
    try:
        library = import_module("watchfiles")
    except ImportError as error:
        message = '--reload needs the package watchfiles: pip install "pynenc_pg[reload]"'
        raise ConfigError(message) from error
    logging.getLogger("watchfiles").setLevel(logging.WARNING)
    return _Watcher(library).run()


class _Watcher:
    """Started with the same arguments, the child knows by its environment that it is the worker."""

    def __init__(self, library: Any) -> None:
        self._library = library
        self._lifeline = Lifeline()
        self._worker: subprocess.Popen[bytes] | None = None
        self._ended = False
        self._stopping = threading.Event()
        self._code = 0

    def run(self) -> int:
        # A closed terminal ends it, too. The worker leaves SIGINT and SIGHUP to us: those of a
        # terminal go to both.
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, self._stop)
        logger.info("reload.watching: Python files below %s", again.FOLDER)
        self._start()
        for changed in self._changes():
            self._notice_end()
            if changed:
                logger.info("reload.changed: %s", ", ".join(changed))
                self._end()
                self._start()
        self._wait()
        return self._code

    def _changes(self) -> Iterator[list[str]]:
        """Yield the names of files that have changed, or none now and then, until it stops."""
        for changes in self._library.watch(
            again.FOLDER,
            watch_filter=self._library.PythonFilter(),
            stop_event=self._stopping,
            rust_timeout=_LOOK,
            yield_on_timeout=True,
            raise_interrupt=False,
        ):
            yield sorted({os.path.relpath(path, again.FOLDER) for _, path in changes})

    def _start(self) -> None:
        if self._stopping.is_set():
            return
        self._ended = False
        self._worker = subprocess.Popen(
            again.command(),
            cwd=again.FOLDER,
            env={**os.environ, **self._lifeline.environment},
            pass_fds=self._lifeline.pass_fds,
        )
        if self._stopping.is_set():  # meanwhile: nobody has told this one
            self._tell()

    def _notice_end(self) -> None:
        if self._worker is None or self._ended or self._worker.poll() is None:
            return
        self._wait()
        logger.warning("reload.ended: exit code %d; a change starts it again", self._code)

    def _end(self) -> None:
        """Let the worker end, and what it executes if that is soon."""
        if self._worker is None:
            return
        for patience in (_PATIENCE, _AT_ONCE):
            self._tell()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._worker.wait(patience)
                break
        else:
            self._worker.kill()
        self._wait()

    def _wait(self) -> None:
        if self._worker is not None:
            code = self._worker.wait()
            self._code = code if code >= 0 else 128 - code
            self._ended = True

    def _stop(self, _number: int, _frame: object) -> None:
        self._stopping.set()
        self._tell()

    def _tell(self) -> None:
        if self._worker is not None:
            self._worker.send_signal(signal.SIGTERM)
