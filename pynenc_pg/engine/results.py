"""Waiting for invocations to end, from any number of threads, over one subscription."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Mapping, Sequence

from pynenc_pg.domain.ids import InvocationId
from pynenc_pg.domain.records import Outcome
from pynenc_pg.exceptions import PynencError, StoreUnavailableError
from pynenc_pg.ports import Store, Subscription

logger = logging.getLogger(__name__)

#: Seconds between looks at everything that is waited for: hints may be lost.
POLL = 5.0
POLL_UNHEALTHY = 1.0


class _Awaited:
    """One invocation that threads wait for."""

    __slots__ = ("ended", "outcome", "waiters")

    def __init__(self) -> None:
        self.ended = threading.Event()
        self.outcome: Outcome | None = None
        self.waiters = 0


class ResultWaiter:
    """Hands outcomes to the threads that wait for them. The listening thread starts at need."""

    def __init__(self, store: Store) -> None:
        """Nothing is opened before the first wait."""
        self._store = store
        self._begin()

    def _begin(self) -> None:
        self._pid = os.getpid()
        self._lock = threading.Lock()
        self._awaited: dict[InvocationId, _Awaited] = {}
        self._unwatched: set[InvocationId] = set()
        self._subscription: Subscription | None = None
        self._thread: threading.Thread | None = None
        self._closed = False

    def wait(self, invocation_id: InvocationId, timeout: float | None = None) -> Outcome | None:
        """Block until it has ended; ``None`` after ``timeout`` seconds.

        Raises:
            StoreUnavailableError: the app was closed meanwhile, so nobody would wake us.
        """
        deadline = None if timeout is None else time.monotonic() + timeout
        subscription = self._listening()
        with self._lock:
            awaited = self._awaited.setdefault(invocation_id, _Awaited())
            awaited.waiters += 1
        try:
            self._watch([invocation_id], subscription)
            left = None if deadline is None else max(0.0, deadline - time.monotonic())
            if awaited.ended.wait(left) and awaited.outcome is None:
                message = f"the app was closed while invocation {invocation_id} was waited for"
                raise StoreUnavailableError(message)
            return awaited.outcome
        finally:
            with self._lock:
                awaited.waiters -= 1
                if not awaited.waiters:
                    self._awaited.pop(invocation_id, None)
                    self._unwatched.discard(invocation_id)

    def awaited(self) -> frozenset[InvocationId]:
        """What is waited for now."""
        with self._lock:
            return frozenset(self._awaited)

    def close(self) -> None:
        """End the listening thread, and the waits. The next wait starts another one."""
        with self._lock:
            for awaited in self._awaited.values():
                awaited.ended.set()
            subscription, self._subscription = self._subscription, None
            thread, self._thread = self._thread, None
            self._closed = True
        if subscription is not None and thread is not None:
            subscription.interrupt()
            thread.join(timeout=5)

    def _listening(self) -> Subscription:
        if self._pid != os.getpid():
            # After a fork the thread is not here, and the session is the parent's.
            self._inherited = self._subscription
            self._begin()
        with self._lock:
            if self._subscription is None:
                self._closed = False
                self._subscription = self._store.broker.subscribe(work=False)
                self._thread = threading.Thread(
                    target=self._listen,
                    args=(self._subscription,),
                    name="pynenc-results",
                    daemon=True,
                )
                self._thread.start()
            return self._subscription

    def _listen(self, subscription: Subscription) -> None:
        next_look = time.monotonic() + POLL
        while not self._closed and subscription is self._subscription:
            try:
                hints = subscription.wait(max(0.0, next_look - time.monotonic()))
                ids = [i for hint in hints if hint.kind == "result" for i in hint.ids]
                everything = any(hint.kind == "result" and not hint.ids for hint in hints)
                if everything or time.monotonic() >= next_look:
                    pause = POLL if subscription.healthy else POLL_UNHEALTHY
                    next_look = time.monotonic() + pause
                    with self._lock:
                        ids = list(self._awaited)
                if ids:
                    self._look(ids, subscription)
            except Exception:
                # Whatever it is: without this thread nobody here would ever be woken again.
                logger.exception("results.listener failed; it goes on")
                time.sleep(POLL_UNHEALTHY)
        subscription.close()

    def _watch(self, ids: Sequence[InvocationId], subscription: Subscription) -> None:
        """Ask to be told of these. Where the store is away, the listening thread asks again."""
        try:
            if subscription.healthy:
                self._deliver(self._store.orchestrator.watch(ids, subscription.listener))
                return
        except StoreUnavailableError as error:
            logger.warning("results.unreachable: %s", error)
        with self._lock:
            self._unwatched.update(ids)

    def _look(self, ids: Sequence[InvocationId], subscription: Subscription) -> None:
        with self._lock:
            unwatched = [i for i in ids if i in self._unwatched]
            self._unwatched.difference_update(ids)
        try:
            if unwatched:
                self._watch(unwatched, subscription)
            self._deliver(self._store.state_backend.get_outcomes(ids))
        except PynencError as error:
            logger.warning("results.unreachable: %s", error)

    def _deliver(self, outcomes: Mapping[InvocationId, Outcome]) -> None:
        with self._lock:
            for invocation_id, outcome in outcomes.items():
                awaited = self._awaited.get(invocation_id)
                if awaited is not None:
                    awaited.outcome = outcome
                    awaited.ended.set()
