"""The thread that keeps a runner alive: its heartbeat, and the hints that come for it."""

from __future__ import annotations

import logging
import math
import threading
import time
from collections.abc import Callable, Collection
from typing import TYPE_CHECKING

from pynenc_pg.domain.chance import chance
from pynenc_pg.domain.known import MOST_FREED
from pynenc_pg.domain.records import RunnerSpec, Wakeup
from pynenc_pg.exceptions import PynencError
from pynenc_pg.runner.duties import Duties
from pynenc_pg.runner.noise import Noise
from pynenc_pg.runner.reactions import Reactions

if TYPE_CHECKING:
    from pynenc_pg.conf.config_runner import RunnerConf
    from pynenc_pg.domain.ids import InvocationId
    from pynenc_pg.engine.core import Engine
    from pynenc_pg.ports import Subscription

logger = logging.getLogger(__name__)

#: Seconds until a runner looks for work that others were roused for.
_LATER = 0.5, 1.0


class Home:
    """Registers the runner and reports for it until it is stopped or fenced."""

    def __init__(
        self,
        *,
        engine: Engine,
        conf: RunnerConf,
        spec: RunnerSpec,
        wake: Callable[[], None],
        doubt: Callable[[], None],
        fenced: threading.Event,
        cancel: Callable[[Collection[InvocationId]], None],
        holds: Callable[[], bool],
        abandon: Callable[[], None],
    ) -> None:
        """``wake`` is called when there may be work, ``cancel`` with what is to be stopped.

        ``doubt`` is called when the session is a new one, whose server may be another one.

        ``holds`` tells whether there is anything that could be.

        When the runner must stop, ``fenced`` is set and ``abandon`` called, by whichever thread.
        """
        self._store = engine.store
        self._conf = conf
        self._spec = spec
        self._known = engine.known
        self._told = -1  # the version of what we have told
        self._wake = wake
        self._doubt = doubt
        self._cancel = cancel
        self._holds = holds
        self._fenced = fenced
        self._abandon = abandon
        self._stopping = threading.Event()
        self._renewed = self._next_beat = 0.0
        self._look_at = math.inf  # for work that others were roused for
        self.others = False  # other runners are registered
        self._noise = Noise(logger)
        self._duties = Duties(
            orchestrator=self._store.orchestrator,
            holds=self._store.client_data_store,
            conf=conf,
        )
        self._reactor = engine.reactor
        self._told_triggers = -1
        self._reactions: Reactions | None = None
        if self._reactor is not None:
            self._reactions = Reactions(self._reactor, conf, spec.runner_id)
        self.subscription: Subscription = self._store.broker.subscribe(work=True)
        self._thread = threading.Thread(target=self._run, name="pynenc-home", daemon=True)
        self._watch = threading.Thread(target=self._watch_lease, name="pynenc-lease", daemon=True)

    @property
    def poll(self) -> float:
        """How long an idle runner sleeps between looks."""
        healthy = self.subscription.healthy
        return self._conf.poll if healthy else self._conf.poll_without_listen

    @property
    def since_heartbeat(self) -> float | None:
        """Seconds since the store last confirmed that we live; None before the registration."""
        return time.monotonic() - self._renewed if self._renewed else None

    @property
    def answered(self) -> bool:
        """Whether the store did, when it was last told so."""
        return not self._noise.troubled

    def start(self) -> None:
        """Register, then report from a thread of its own."""
        began = time.monotonic()  # not later than the store counts from
        self._store.orchestrator.register_runner(self._spec)
        self._tell_tasks()
        self._tell_triggers()
        # The first beat comes at once: it tells the runner its place and whether it has company.
        self._renewed = self._next_beat = began
        self._known.on_replaced = self._tell_soon
        self._thread.start()
        self._watch.start()
        self._duties.start()
        if self._reactions is not None:
            self._reactions.start()

    def stop(self) -> None:
        """Say goodbye (what is still held is released) and close the home connection.

        Harmless where ``start`` has failed.
        """
        self._stopping.set()
        if self._thread.ident is not None:
            self._duties.stop()
            if self._reactions is not None:
                self._reactions.stop()
            self.subscription.interrupt()
            self._thread.join()
            self._watch.join()
            self._say_goodbye()
        self.subscription.close()

    def _tell_tasks(self) -> None:
        """Tell which tasks are known here; again when a module that is imported later has more."""
        version = self._known.version
        if version == self._told:
            return
        freed = self._store.orchestrator.register_tasks(self._spec.runner_id, self._known.tasks())
        if freed < MOST_FREED:
            self._told = version
        else:  # there may be more; the heartbeat must not wait for all of them
            self._next_beat = time.monotonic()
        if freed:
            logger.info("tasks.freed: %d that had been set aside", freed)

    def _tell_soon(self) -> None:
        """Have it told with a heartbeat that comes at once. Any thread."""
        self._next_beat = time.monotonic()
        self.subscription.interrupt()

    def _tell_triggers(self) -> None:
        if self._reactor is not None and self._reactor.version != self._told_triggers:
            version = self._reactor.version
            self._reactor.tell()
            self._told_triggers = max(version, self._reactor.version)

    def _say_goodbye(self) -> None:
        if not self._fenced.is_set():
            try:
                self._store.orchestrator.unregister_runner(self._spec.runner_id)
            except PynencError as error:
                logger.warning("runner.no_goodbye: %s; its work is recovered instead", error)

    def _run(self) -> None:
        while not self._stopping.is_set() and not self._fenced.is_set():
            try:
                self._turn()
            except Exception:
                logger.exception("runner.home_failed: it goes on")
                time.sleep(0.5)

    def _watch_lease(self) -> None:
        """Fence in time, also while the thread that reports waits for an answer."""
        while not self._fenced.is_set() and not self._stopping.wait(max(0.0, self._lease_left())):
            if self._lease_left() <= 0:
                self._fence("it could not renew its lease in time")

    def _turn(self) -> None:
        now = time.monotonic()
        try:
            if now >= self._next_beat:
                self._report(now)
            if now >= self._look_at:
                self._look_at = math.inf
                self._wake()
            timeout = max(0.0, min(self._next_beat, self._look_at) - time.monotonic())
        except PynencError as error:
            self._noise.warn("heartbeat.failed", error)
            timeout = 0.2
        # After a failure, too, hints are heeded: a new session must take its lock at once.
        for hint in self.subscription.wait(min(timeout, max(self._lease_left(), 0.01))):
            self._heed(hint)

    def _heed(self, hint: Wakeup) -> None:
        now = time.monotonic()
        if hint.kind == "work":
            if not hint.roused or self._spec.runner_id in hint.roused:
                self._wake()
            else:  # those that are may be busy by now, or dead
                self._look_at = min(self._look_at, now + chance.uniform(*_LATER))
        elif hint.kind == "due" and hint.due_in is not None:
            self._duties.due(hint.due_in)
        elif hint.kind == "cancel":
            self._cancel(hint.ids)
        elif hint.kind == "cause":
            if self._reactions is not None:
                self._reactions.hint()
        elif hint.kind == "session":
            self._next_beat = now
            self._doubt()
        elif hint.kind == "runner":
            # Not all of them in the same moment, and once for many that come or go together.
            soon = now + chance.uniform(0, self._conf.sweep)
            self._next_beat = min(self._next_beat, soon)

    def _report(self, now: float) -> None:
        self._next_beat = now + min(1.0, self._conf.heartbeat)  # sooner, should it fail
        beat = self._store.orchestrator.heartbeat(self._spec.runner_id)
        self._noise.over()
        if not beat.alive:
            self._fence("it was declared dead and its work given to others")
            return
        self._renewed = now
        self._next_beat = now + self._conf.heartbeat
        self.others = beat.others
        self._duties.placed(beat)
        if self._reactions is not None:
            self._reactions.placed(beat)
        self._tell_tasks()
        self._tell_triggers()
        if self._holds():
            self._cancel(self._store.orchestrator.asked_to_stop(self._spec.runner_id))

    def _lease_left(self) -> float:
        """Seconds until it has to stop by itself."""
        return self._renewed + self._conf.lease - self._conf.lease_margin - time.monotonic()

    def _fence(self, why: str) -> None:
        if self._fenced.is_set():
            return
        runner_id = self._spec.runner_id
        logger.error(
            "runner.fenced: %s; %s; its tasks are abandoned",
            runner_id,
            why,
            extra={"runner_id": runner_id},
        )
        self._fenced.set()
        self._abandon()
