"""A runner as a daemon: it obeys signals, answers probes, and its end has a meaning."""

from __future__ import annotations

import logging
import signal
import threading
import time
from collections.abc import Callable, Mapping
from enum import IntEnum, StrEnum
from queue import SimpleQueue
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from types import FrameType

    from pynenc_pg.runner.base import BaseRunner
    from pynenc_pg.runner.endpoint import HealthEndpoint
    from pynenc_pg.runner.exposition import Page
    from pynenc_pg.runner.health import Health
    from pynenc_pg.runner.systemd import Systemd

logger = logging.getLogger(__name__)

#: Seconds between two looks at a runner for systemd: until it is ready, and then.
_LOOK_FIRST: Final = 0.1
_LOOK: Final = 1.0


class ExitCode(IntEnum):
    """How a worker process ends."""

    DONE = 0  # all that ran has ended
    FAILED = 1  # it could not work; the reason is one line
    USAGE = 2  # the command line is wrong; click says so
    GAVE_BACK = 3  # stopped, and running tasks were handed back


class Wish(StrEnum):
    """What a signal asks for."""

    STOP = "stop"  # in good order; a second one at once
    RELOAD = "reload"  # take up new code


SIGNALS: Final[Mapping[signal.Signals, Wish]] = {
    signal.SIGTERM: Wish.STOP,
    signal.SIGINT: Wish.STOP,
    signal.SIGHUP: Wish.RELOAD,
}


class Daemon:
    """One run of a runner, in the main thread, from which signals are taken."""

    def __init__(
        self,
        runner: BaseRunner,
        *,
        signals: Mapping[signal.Signals, Wish] = SIGNALS,
        endpoint: HealthEndpoint | None = None,
        systemd: Systemd | None = None,
        metrics: Callable[[], Page] | None = None,
    ) -> None:
        """Signals that are not named are left alone; ``metrics`` is what the endpoint answers."""
        self._runner = runner
        self._signals = signals
        self._endpoint = endpoint
        self._systemd = systemd
        self._metrics = metrics
        # A handler interrupts the main thread anywhere, also where it holds the lock of an Event
        # that a stop sets. It may do nothing but this, and a thread of its own does the rest.
        self._came: SimpleQueue[signal.Signals | None] = SimpleQueue()
        self._hearing = threading.Thread(target=self._hear, name="pynenc-signals", daemon=True)
        self._stops = 0
        self._reloading = False
        self._over = threading.Event()

    def run(self) -> ExitCode:
        """Work until a signal ends it. From here on signals are heard, until the process ends."""
        self._hearing.start()
        for number in self._signals:
            signal.signal(number, self._note)
        # Held back by what we were before we began anew, see again().
        signal.pthread_sigmask(signal.SIG_UNBLOCK, self._signals)
        if self._endpoint is not None:
            self._endpoint.start(self._runner.health, self._metrics)
        telling = threading.Thread(target=self._tell, name="pynenc-systemd", daemon=True)
        telling.start()
        try:
            self._runner.run()
        finally:
            self._over.set()
            telling.join()
            if self._endpoint is not None:
                self._endpoint.close()
        return ExitCode.GAVE_BACK if self._runner.gave_back else ExitCode.DONE

    def again(self) -> bool:
        """Whether the process shall begin anew, with new code; asked at the very end.

        If so, signals are held back for whoever is executed in our place.
        """
        self._came.put(None)
        self._hearing.join()
        if self._stops or not self._reloading:
            return False
        stops = [number for number, wish in self._signals.items() if wish is Wish.STOP]
        # What comes now is for the next one, or ends us: other threads do not hold it back. But a
        # reload asked for in this moment is what is about to happen.
        signal.pthread_sigmask(signal.SIG_BLOCK, self._signals)
        for number in stops:
            signal.signal(number, signal.SIG_DFL)
        while not self._came.empty():
            if self._came.get() in stops:
                return False
        if self._systemd is not None:
            self._systemd.alive()  # the next time after all imports
        return True

    def close(self) -> None:
        """Say goodbye to the service manager."""
        if self._systemd is not None:
            if not self._stops:  # it ends by itself
                self._systemd.stopping()
            self._systemd.close()

    def _note(self, number: int, _frame: FrameType | None) -> None:
        self._came.put(signal.Signals(number))

    # --- in the thread that hears signals -----------------------------------------------------

    def _hear(self) -> None:
        while (number := self._came.get()) is not None:
            if self._signals[number] is Wish.STOP:
                self._stop(number)
            elif not self._stops and not self._reloading:
                self._reload(number)

    def _stop(self, number: signal.Signals) -> None:
        self._stops += 1
        if self._stops > 1:
            logger.warning("runner.at_once: %s again, what runs is given back", number.name)
            self._runner.stop_at_once()
            return
        logger.info("runner.stopping: %s, what runs may end in its time", number.name)
        if self._systemd is not None:
            self._systemd.stopping()
        self._runner.stop_runner_loop()

    def _reload(self, number: signal.Signals) -> None:
        if self._systemd is not None:
            self._systemd.reloading()
        if self._runner.reload():
            logger.info("runner.reloaded: %s, new code is taken up without a stop", number.name)
            if self._systemd is not None:
                self._systemd.ready()
            return
        logger.info("runner.reloading: %s, what runs may end, then we begin anew", number.name)
        self._reloading = True
        self._runner.stop_runner_loop()

    # --- in the thread that tells systemd -----------------------------------------------------

    def _tell(self) -> None:
        systemd = self._systemd
        if systemd is None:
            return
        ready, due = False, time.monotonic()
        interval = systemd.interval or float("inf")
        while not self._over.is_set():
            health, now = self._runner.health(), time.monotonic()
            if health.ready and not ready:
                ready = True
                systemd.ready()
            if now >= due:
                due = now + interval
                if health.alive and systemd.interval:
                    systemd.alive()
            systemd.status(_sentence(health))
            self._over.wait(min(_LOOK if ready else _LOOK_FIRST, max(0.0, due - time.monotonic())))


def _sentence(health: Health) -> str:
    state = "ready" if health.ready else health.reason
    return f"{state}; {health.running} running, {health.waiting} waiting for others"
