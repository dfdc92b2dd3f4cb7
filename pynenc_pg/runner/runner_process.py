"""A whole runner in a process of its own; a ``MultiThreadRunner`` is its parent."""

from __future__ import annotations

import os
import signal
import threading
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from pynenc_pg.exceptions import PynencError
from pynenc_pg.runner.base import BaseRunner
from pynenc_pg.runner.child import Link, Scene, leave
from pynenc_pg.runner.health import Health

#: Seconds between two reports.
REPORT_EVERY: Final = 0.25


@dataclass(frozen=True, slots=True)
class Stop:
    """To the child: let what runs finish in its time, or give it back at once."""

    at_once: bool = False


@dataclass(frozen=True, slots=True)
class Stopped:
    """To the parent: all is over."""

    gave_back: int


@dataclass(frozen=True, slots=True)
class Failed:
    """To the parent: it cannot work, for a reason that is no mishap."""

    error: PynencError


def _tell_counts(runner: BaseRunner, link: Link) -> None:
    """Send what was counted since the last time."""
    if runner.tally is not None and (counts := runner.tally.take()):
        with suppress(OSError):
            link.send(counts)


@dataclass(frozen=True, slots=True)
class RunnerProcess:
    """The role: a ``ThreadRunner`` that its parent stops.

    It sends ``Health`` now and then, and ``Counts`` if it counts.
    """

    scene: Scene

    def run(self, link: Link) -> None:
        """Import the app and work until told to stop, or until the parent is gone."""
        app = self.scene.load()
        app.conf.runner_cls = "ThreadRunner"
        runner = app.runner
        over = threading.Event()

        def listen() -> None:
            try:
                while True:
                    stop: Stop = link.recv()
                    (runner.stop_at_once if stop.at_once else runner.stop_runner_loop)()
            except (EOFError, OSError):
                os.kill(os.getpid(), signal.SIGKILL)  # no orphan goes on

        def report() -> None:
            told: Health | None = None
            while not over.wait(REPORT_EVERY):
                health: Health = runner.health()
                if health != told:
                    with suppress(OSError):
                        link.send(health)
                    told = health
                _tell_counts(runner, link)

        threads = [threading.Thread(target=each, daemon=True) for each in (listen, report)]
        for thread in threads:
            thread.start()
        try:
            runner.run()
            last: Stopped | Failed = Stopped(runner.gave_back)
        except PynencError as error:
            last = Failed(error)
        over.set()
        threads[1].join()
        _tell_counts(runner, link)
        link.send(last)
        app.close()
        leave()
