"""The thread that keeps a runner alive: heartbeat, hints, and the duties of the eldest runners."""

from __future__ import annotations

import logging
import random
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from pynenc_pg.domain.records import Heartbeat, RecoveryPolicy, RunnerSpec, Wakeup
from pynenc_pg.exceptions import PynencError

if TYPE_CHECKING:
    from pynenc_pg.conf.config_runner import RunnerConf
    from pynenc_pg.ports import Store, Subscription

logger = logging.getLogger(__name__)

#: The two eldest runners of an app sweep, promote and expire, so that the death of one is noticed.
SWEEPERS = 2
EXPIRE_EVERY = 10.0
MAINTAIN_EVERY = 3600.0
#: Hints may come in thousands; what they ask for is done this often at most.
PROMOTE_PAUSE = 0.05


class Home:
    """Registers the runner and reports for it until it is stopped or fenced."""

    def __init__(
        self,
        *,
        store: Store,
        conf: RunnerConf,
        spec: RunnerSpec,
        wake: Callable[[], None],
        fenced: threading.Event,
    ) -> None:
        """``wake`` is called when there may be work; ``fenced`` is set when it must stop."""
        self._store = store
        self._conf = conf
        self._spec = spec
        self._wake = wake
        self._fenced = fenced
        self._stopping = threading.Event()
        self._beat = Heartbeat(alive=True)
        self._renewed = 0.0
        self._next: dict[str, float] = {}
        self.subscription: Subscription = store.broker.subscribe(work=True)
        self._thread = threading.Thread(target=self._run, name="pynenc-home", daemon=True)

    @property
    def poll(self) -> float:
        """How long an idle runner sleeps between looks."""
        healthy = self.subscription.healthy
        return self._conf.poll if healthy else self._conf.poll_without_listen

    def start(self) -> None:
        """Register, then report from a thread of its own."""
        self._store.orchestrator.register_runner(self._spec)
        now = self._renewed = time.monotonic()
        # The first beat comes at once: it tells the runner its place and whether it has company.
        self._next = {"beat": now, "promote": now, "expire": now, "maintain": now, "sweep": now}
        self._thread.start()

    def stop(self) -> None:
        """Say goodbye (what is still held is released) and close the home connection."""
        self._stopping.set()
        self.subscription.interrupt()
        self._thread.join()
        if not self._fenced.is_set():
            try:
                self._store.orchestrator.unregister_runner(self._spec.runner_id)
            except PynencError as error:
                logger.warning("runner.no_goodbye: %s; its work is recovered instead", error)
        self.subscription.close()

    def _run(self) -> None:
        while not self._stopping.is_set() and not self._fenced.is_set():
            now = time.monotonic()
            if now - self._renewed > self._conf.lease - self._conf.lease_margin:
                self._fence("it could not renew its lease in time")
                return
            try:
                self._duties(now)
                timeout = max(0.0, min(self._next.values()) - time.monotonic())
                for hint in self.subscription.wait(min(timeout, self._lease_left())):
                    self._heed(hint)
            except PynencError as error:
                logger.warning("runner.unsettled: %s", error)
                self.subscription.wait(0.2)
            except Exception:
                logger.exception("runner.home failed; it goes on")
                time.sleep(0.5)

    def _heed(self, hint: Wakeup) -> None:
        now = time.monotonic()
        if hint.kind == "work":
            self._wake()
        elif hint.kind == "due" and hint.due_in is not None:
            due = now + max(hint.due_in, PROMOTE_PAUSE)
            self._next["promote"] = min(self._next["promote"], due)
        elif hint.kind == "runner":
            # Not all of them in the same moment, and once for many that come or go together.
            soon = now + random.uniform(0, self._conf.sweep)  # noqa: S311 - jitter
            self._next["beat"] = min(self._next["beat"], soon)

    def _duties(self, now: float) -> None:
        if now >= self._next["beat"]:
            self._report(now)
        sweeps = self._beat.position < SWEEPERS
        if now >= self._next["sweep"]:
            self._sweep()
        if now >= self._next["promote"]:
            promoted = self._store.orchestrator.promote() if sweeps else None
            due = promoted.next_due if promoted else None
            pause = self._conf.heartbeat if due is None else max(due, PROMOTE_PAUSE)
            self._next["promote"] = time.monotonic() + min(pause, self._conf.heartbeat)
        if now >= self._next["expire"]:
            if sweeps:
                self._store.orchestrator.expire()
            self._next["expire"] = now + EXPIRE_EVERY
        if now >= self._next["maintain"]:
            if self._beat.position == 0:
                for did in self._store.orchestrator.maintain():
                    logger.info("maintain: %s", did)
            self._next["maintain"] = now + MAINTAIN_EVERY

    def _report(self, now: float) -> None:
        self._next["beat"] = now + min(1.0, self._conf.heartbeat)  # sooner, should it fail
        before = time.monotonic()
        self._beat = self._store.orchestrator.heartbeat(self._spec.runner_id)
        if not self._beat.alive:
            self._fence("it was declared dead and its work given to others")
            return
        self._renewed = before
        self._next["beat"] = now + self._conf.heartbeat
        if self._beat.others:
            self._next["sweep"] = min(self._next["sweep"], now + self._conf.sweep)

    def _sweep(self) -> None:
        conf = self._conf
        found = self._store.orchestrator.recover(
            RecoveryPolicy(
                grace=conf.grace,
                max_pending=conf.max_pending_seconds,
                max_recoveries=conf.max_recoveries,
            )
        )
        for runner_id in found.dead_runners:
            logger.warning("runner.dead %s", runner_id)
        if found.rerouted or found.quarantined:
            logger.warning(
                "recovery: %d rerouted, %d quarantined", found.rerouted, found.quarantined
            )
        # Younger runners look too, less often: the eldest ones may die together. Alone, a runner
        # looks now and then for what it holds itself without knowing: claimed by a call whose
        # answer was lost.
        pause = conf.sweep * max(1.0, (self._beat.position + 1) / SWEEPERS)
        pause = min(pause, conf.heartbeat) if self._beat.others else conf.heartbeat
        if found.next_look is not None:
            pause = min(pause, found.next_look + 0.001)
        self._next["sweep"] = time.monotonic() + max(pause, 0.001)

    def _lease_left(self) -> float:
        left = self._renewed + self._conf.lease - self._conf.lease_margin - time.monotonic()
        return max(left, 0.01)

    def _fence(self, why: str) -> None:
        logger.error("runner.fenced %s: %s; its tasks are abandoned", self._spec.runner_id, why)
        self._fenced.set()
        self._wake()
