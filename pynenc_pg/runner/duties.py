"""What the eldest runners do for all: recover, promote, expire, maintain, prune, collect.

In a thread apart from the heartbeat, which must not wait for any of it.
"""

from __future__ import annotations

import logging
import math
import threading
import time
from typing import TYPE_CHECKING

from pynenc_pg.domain.records import Heartbeat, RecoveryPolicy
from pynenc_pg.exceptions import PynencError
from pynenc_pg.runner.noise import Noise

if TYPE_CHECKING:
    from pynenc_pg.conf.config_runner import RunnerConf
    from pynenc_pg.ports import ClientDataStore, Orchestrator

logger = logging.getLogger(__name__)

#: The two eldest runners of an app sweep, promote and expire, so that the death of one is noticed.
SWEEPERS = 2
EXPIRE_EVERY = 10.0
MAINTAIN_EVERY = 3600.0
#: Hints may come in thousands; what they ask for is done this often at most.
PROMOTE_PAUSE = 0.05
#: Seconds between two steps of a walk through what is kept: others come in between.
WALK_PAUSE = 0.02
_DUTIES = ("sweep", "promote", "expire", "maintain", "prune", "collect")
#: Pause after a failure.
_AGAIN = 0.5


class Duties:
    """Does what is due, as far as the runner's place among the others asks for it."""

    def __init__(
        self, *, orchestrator: Orchestrator, holds: ClientDataStore, conf: RunnerConf
    ) -> None:
        """Nothing is done before ``start``."""
        self._orchestrator = orchestrator
        self._holds = holds
        self._after = ""  # how far the walk through the large values has come
        self._removed = 0
        self._pruned_to = ""  # the same through what has ended
        self._pruned = 0
        self._conf = conf
        self._beat: Heartbeat | None = None
        self._changed = threading.Condition()
        self._stopping = False
        self._next = dict.fromkeys(_DUTIES, math.inf)
        self._pending_at = 0.0
        self._noise = Noise(logger)
        self._thread = threading.Thread(target=self._run, name="pynenc-duties", daemon=True)

    def start(self) -> None:
        """Begin; nothing is due before the runner's place is known."""
        self._thread.start()

    def stop(self) -> None:
        """End after what is being done; where the store is away, that is not waited for."""
        with self._changed:
            self._stopping = True
            self._changed.notify()
        self._thread.join(timeout=5)

    def placed(self, beat: Heartbeat) -> None:
        """Hear the runner's place: the first time, everything is due."""
        with self._changed:
            before, self._beat = self._beat, beat
            if before is None:
                for duty in self._next:
                    self._hasten(duty, 0.0)
            elif beat.others and not before.others:
                self._hasten("sweep", self._conf.sweep)

    def due(self, seconds: float) -> None:
        """Hear that something will be due."""
        with self._changed:
            self._hasten("promote", max(seconds, PROMOTE_PAUSE))

    def _hasten(self, duty: str, seconds: float) -> None:
        self._next[duty] = min(self._next[duty], time.monotonic() + seconds)
        self._changed.notify()

    def _run(self) -> None:
        while True:
            with self._changed:
                if self._stopping:
                    return
                duty = min(self._next, key=self._next.__getitem__)
                left = self._next[duty] - time.monotonic()
                if left > 0:
                    self._changed.wait(min(left, MAINTAIN_EVERY))
                    continue
                self._next[duty] = math.inf  # a hint that comes while it is done brings it forward
            pause = self._do(duty)
            with self._changed:
                self._hasten(duty, pause)

    @property
    def _position(self) -> int:
        return self._beat.position if self._beat else 0

    def _do(self, duty: str) -> float:
        """Do it; return the seconds until it is due again."""
        try:
            pause: float = getattr(self, f"_{duty}")()
        except PynencError as error:
            self._noise.warn(f"{duty}.failed", error)
            return _AGAIN
        except Exception:
            logger.exception("%s.failed: it is tried again", duty)
            return _AGAIN
        self._noise.over()
        return pause

    def _sweep(self) -> float:
        """Recover; younger runners look too, less often: the eldest ones may die together.

        Alone, a runner looks now and then for what it holds itself without knowing: claimed by a
        call whose answer was lost.
        """
        conf, now = self._conf, time.monotonic()
        # Whether runners begin what they claim is looked at less often: it costs a look at all
        # that the living hold.
        look_at_pending = now >= self._pending_at
        if look_at_pending:
            self._pending_at = now + conf.max_pending_seconds / 2
        found = self._orchestrator.recover(
            RecoveryPolicy(
                grace=conf.grace,
                max_pending=conf.max_pending_seconds if look_at_pending else None,
                max_recoveries=conf.max_recoveries,
            )
        )
        for runner_id in found.dead_runners:
            logger.warning("runner.dead: %s", runner_id, extra={"runner_id": runner_id})
        if found.rerouted or found.quarantined:
            logger.warning(
                "recovery.done: %d rerouted, %d quarantined", found.rerouted, found.quarantined
            )
        pause = 2 * conf.heartbeat
        if self._beat and self._beat.others:
            pause = min(conf.heartbeat, conf.sweep * max(1.0, (self._position + 1) / SWEEPERS))
        return pause if found.next_look is None else min(pause, found.next_look + 0.001)

    def _promote(self) -> float:
        if self._position >= SWEEPERS:
            return self._conf.heartbeat
        due = self._orchestrator.promote().next_due
        pause = self._conf.heartbeat  # also where nothing is due: the hint may be lost
        return pause if due is None else min(max(due, PROMOTE_PAUSE), pause)

    def _expire(self) -> float:
        if self._position < SWEEPERS:
            self._orchestrator.expire()
        return EXPIRE_EVERY

    def _maintain(self) -> float:
        if self._position == 0:
            for did in self._orchestrator.maintain():
                logger.info("maintain.done: %s", did)
        return MAINTAIN_EVERY

    def _prune(self) -> float:
        """Remove what its task does not keep for so long as the rest, some at a time."""
        if self._position == 0:
            step = self._orchestrator.prune(self._pruned_to)
            self._pruned += step.removed
            if step.after is not None:
                self._pruned_to = step.after
                return WALK_PAUSE
            if self._pruned:
                logger.info("prune.done: removed %d finished invocations", self._pruned)
        self._pruned_to, self._pruned = "", 0
        return MAINTAIN_EVERY

    def _collect(self) -> float:
        """Remove the large values that nobody refers to any more, some at a time."""
        if self._position == 0:
            step = self._holds.collect(self._after)
            self._removed += step.removed
            if step.after is not None:
                self._after = step.after
                return WALK_PAUSE
            if self._removed:
                logger.info("collect.done: removed %d large values", self._removed)
        self._after, self._removed = "", 0
        return MAINTAIN_EVERY
