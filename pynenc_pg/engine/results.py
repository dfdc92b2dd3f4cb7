"""Waiting for invocations to end, from any number of threads, over one subscription."""

from __future__ import annotations

import asyncio
import logging
import os
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress

from pynenc_pg.domain.ids import InvocationId
from pynenc_pg.domain.records import Outcome
from pynenc_pg.exceptions import PynencError, StoreUnavailableError
from pynenc_pg.ports import Store, Subscription

logger = logging.getLogger(__name__)

#: Seconds between looks at everything that is waited for: hints may be lost.
POLL = 5.0
POLL_UNHEALTHY = 1.0
#: Seconds after which a waiter asks whether anybody could end what it waits for.
PATIENCE = 1.0

Impatient = Callable[[InvocationId], None]


class _Awaited:
    """One invocation that threads and coroutines wait for."""

    __slots__ = ("ended", "outcome", "tell", "waiters")

    def __init__(self) -> None:
        self.ended = threading.Event()
        self.outcome: Outcome | None = None
        self.waiters = 0
        self.tell: list[Callable[[], object]] = []  # of coroutines, whose loops are to be woken

    def end(self, outcome: Outcome | None) -> None:
        """Let them go. The lock is held."""
        self.outcome = self.outcome or outcome
        self.ended.set()
        for tell in self.tell:
            tell()
        self.tell.clear()


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

    def wait(
        self,
        invocation_id: InvocationId,
        timeout: float | None = None,
        impatient: Impatient = lambda _: None,
    ) -> Outcome | None:
        """Block until it has ended; ``None`` after ``timeout`` seconds.

        ``impatient`` is called once, should it take longer than a moment.

        Raises:
            StoreUnavailableError: the app was closed meanwhile, so nobody would wake us.
        """
        awaited = self._enter(invocation_id)
        try:
            self._watch([invocation_id], self._listening())
            first, rest = _pauses(timeout)
            if awaited.ended.wait(first):
                return self._outcome(invocation_id, awaited)
            if rest == 0:
                return awaited.outcome
            impatient(invocation_id)
            ended = awaited.ended.wait(rest)
            return self._outcome(invocation_id, awaited) if ended else awaited.outcome
        finally:
            self._leave(invocation_id, awaited)

    async def wait_async(
        self,
        invocation_id: InvocationId,
        timeout: float | None = None,  # noqa: ASYNC109 - it ends in None, not in a cancellation
        impatient: Impatient = lambda _: None,
    ) -> Outcome | None:
        """Like ``wait``, for a coroutine: no thread is kept while it waits."""
        loop = asyncio.get_running_loop()
        ended = asyncio.Event()
        awaited = self._enter(invocation_id, lambda: _call_in(loop, ended.set))
        try:
            await asyncio.to_thread(lambda: self._watch([invocation_id], self._listening()))
            first, rest = _pauses(timeout)
            if not await _within(first, ended) and rest != 0:
                await asyncio.to_thread(impatient, invocation_id)
                await _within(rest, ended)
            return self._outcome(invocation_id, awaited) if ended.is_set() else awaited.outcome
        finally:
            self._leave(invocation_id, awaited)

    def _enter(
        self, invocation_id: InvocationId, tell: Callable[[], object] | None = None
    ) -> _Awaited:
        if self._pid != os.getpid():
            # After a fork the thread is not here, and the session is the parent's.
            self._inherited = self._subscription
            self._begin()
        with self._lock:
            awaited = self._awaited.setdefault(invocation_id, _Awaited())
            awaited.waiters += 1
            if tell is not None:
                awaited.tell.append(tell)
                if awaited.ended.is_set():  # between its end and the last of its waiters
                    tell()
        return awaited

    def _leave(self, invocation_id: InvocationId, awaited: _Awaited) -> None:
        with self._lock:
            awaited.waiters -= 1
            if not awaited.waiters and self._awaited.get(invocation_id) is awaited:
                del self._awaited[invocation_id]
                self._unwatched.discard(invocation_id)

    def _outcome(self, invocation_id: InvocationId, awaited: _Awaited) -> Outcome:
        if awaited.outcome is None:
            message = (
                f"the app was closed while invocation {invocation_id} was waited for: ask for its "
                "result again, unless its store was in memory"
            )
            raise StoreUnavailableError(message)
        return awaited.outcome

    def awaited(self) -> frozenset[InvocationId]:
        """What is waited for now."""
        with self._lock:
            return frozenset(self._awaited)

    def close(self) -> None:
        """End the listening thread, and the waits. The next wait starts another one."""
        with self._lock:
            for awaited in self._awaited.values():
                awaited.end(None)
            self._awaited.clear()
            subscription, self._subscription = self._subscription, None
            thread, self._thread = self._thread, None
            self._closed = True
        if subscription is not None and thread is not None:
            subscription.interrupt()
            thread.join(timeout=5)

    def _listening(self) -> Subscription:
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
                logger.exception("results.listener_failed: it goes on")
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
                    awaited.end(outcome)


def _pauses(timeout: float | None) -> tuple[float, float | None]:
    """The two waits of which ``timeout`` is made: a moment, and the rest."""
    if timeout is None:
        return PATIENCE, None
    first = min(max(0.0, timeout), PATIENCE)
    return first, max(0.0, timeout - first)


async def _within(seconds: float | None, event: asyncio.Event) -> bool:
    """Wait for the event so long; whether it came."""
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await event.wait()
    return event.is_set()


def _call_in(loop: asyncio.AbstractEventLoop, function: Callable[[], object]) -> None:
    """Call it in the loop's thread; a loop that was closed meanwhile has nobody who waits."""
    with suppress(RuntimeError):
        loop.call_soon_threadsafe(function)
