"""The thread of a runner that looks at the causes of triggers, and at schedules.

Apart from the other duties: what the filters and providers of users do must not keep those.
"""

from __future__ import annotations

import logging
import threading
import time
from typing import TYPE_CHECKING

from pynenc_pg.domain.chance import chance
from pynenc_pg.exceptions import PynencError
from pynenc_pg.runner.duties import SWEEPERS
from pynenc_pg.runner.noise import Noise

if TYPE_CHECKING:
    from pynenc_pg.conf.config_runner import RunnerConf
    from pynenc_pg.domain.ids import RunnerId
    from pynenc_pg.domain.records import Heartbeat
    from pynenc_pg.engine.reactor import Reactor

logger = logging.getLogger(__name__)

#: So many of the eldest runners look at once when they hear of a cause, the others a little later.
AT_ONCE = 4
#: Seconds that the others let them.
LATER = 0.3
#: Seconds between two looks at least, where nothing is heard: what is due may be another code's.
LEAST = 1.0
#: Pause after a failure.
_AGAIN = 0.5


class Reactions:
    """Looks when there is something to look at."""

    def __init__(self, reactor: Reactor, conf: RunnerConf, runner_id: RunnerId) -> None:
        """Nothing is done before ``start``."""
        self._runner_id = runner_id
        self._reactor = reactor
        self._conf = conf
        self._beat: Heartbeat | None = None
        self._changed = threading.Condition()
        self._stopping = False
        self._next = 0.0
        self._noise = Noise(logger)
        self._thread = threading.Thread(target=self._run, name="pynenc-triggers", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End after what is being done; a function of the user that does not end is left."""
        with self._changed:
            self._stopping = True
            self._changed.notify()
        if self._thread.ident is not None:
            self._thread.join(timeout=5)

    def placed(self, beat: Heartbeat) -> None:
        """Hear the runner's place among the others."""
        with self._changed:
            if self._beat is None or beat.position != self._beat.position:
                self._next = 0.0
                self._changed.notify()
            self._beat = beat

    def hint(self) -> None:
        """Hear that there is a cause, or other schedules."""
        late = 0.0 if self._position < AT_ONCE else chance.uniform(LATER / 2, LATER)
        with self._changed:
            self._next = min(self._next, time.monotonic() + late)
            self._changed.notify()

    @property
    def _position(self) -> int:
        return self._beat.position if self._beat else 0

    def _run(self) -> None:
        while True:
            with self._changed:
                if self._stopping:
                    return
                left = self._next - time.monotonic()
                if left > 0:
                    self._changed.wait(min(left, self._conf.heartbeat))
                    continue
                self._next = time.monotonic() + self._conf.heartbeat  # a hint may be lost
            began = time.monotonic()  # not after it: the next tick does not wait
            pause = self._look()
            with self._changed:
                self._next = min(self._next, began + pause)

    def _look(self) -> float:
        """Look once; return the seconds from its beginning to the next look."""
        if self._reactor.idle:
            return self._conf.heartbeat
        try:
            tick = self._reactor.tick() if self._position < SWEEPERS else None
            due = self._reactor.react(self._runner_id)
        except PynencError as error:
            self._noise.warn("trigger.delayed", error)
            return _AGAIN
        except Exception:
            logger.exception("trigger.delayed: it is tried again")
            return _AGAIN
        self._noise.over()
        pauses = [self._conf.heartbeat]
        if tick is not None:
            pauses.append(tick)
        if due is not None:
            pauses.append(max(due, LEAST))
        return min(pauses)
