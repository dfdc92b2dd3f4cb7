"""Waiting for invocations to end: any number of threads and coroutines, over one subscription."""

from __future__ import annotations

import asyncio
import logging
import os
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime

from pynenc_pg.domain.ids import InvocationId, RunnerId
from pynenc_pg.domain.records import Ending, Outcome, Waiting
from pynenc_pg.exceptions import PynencError, StoreUnavailableError
from pynenc_pg.ports import Store, Subscription

logger = logging.getLogger(__name__)

#: Seconds between looks at everything that is waited for: hints may be lost.
POLL = 5.0
POLL_UNHEALTHY = 1.0
#: Seconds after which a waiter asks whether anybody could end what it waits for.
PATIENCE = 1.0

Outcomes = Mapping[InvocationId, Outcome]
#: Asks the store to tell of ends; returns what has ended.
Ask = Callable[[Waiting], Outcomes]
Impatient = Callable[[InvocationId], None]


class Wait:
    """One wait: over when enough of what it waits for has ended, or when it is called off."""

    __slots__ = ("_tell", "called_off", "outcomes", "waiting")

    def __init__(self, waiting: Waiting, tell: Callable[[], object]) -> None:
        """``tell`` is called at its end, and may be called again."""
        self.waiting = waiting
        self.outcomes: dict[InvocationId, Outcome] = {}
        self.called_off = False
        self._tell = tell

    @property
    def enough(self) -> bool:
        """Whether what was waited for has ended."""
        return self.waiting.enough(self.outcomes)

    def note(self, outcomes: Outcomes) -> None:
        """Take what has ended."""
        self.outcomes.update(outcomes)
        if self.enough:
            self._tell()

    def call_off(self) -> None:
        """Let whoever waits go, with nothing."""
        self.called_off = True
        self._tell()


class ResultWaiter:
    """Hands outcomes to those that wait for them. The listening thread starts at need."""

    def __init__(self, store: Store) -> None:
        """Nothing is opened before the first wait."""
        self._store = store
        self._begin()

    def _begin(self) -> None:
        self._pid = os.getpid()
        self._lock = threading.Lock()
        self._waits: dict[InvocationId, set[Wait]] = {}
        self._unwatched: set[InvocationId] = set()
        self._unseen: set[InvocationId] = set()
        self._subscription: Subscription | None = None
        self._thread: threading.Thread | None = None
        self._closed = False

    def wait(
        self,
        ids: Sequence[InvocationId],
        *,
        any_of: bool = False,
        timeout: float | None = None,
        impatient: Impatient = lambda _: None,
    ) -> Outcomes:
        """Block until the first of these has ended or, with ``any_of``, one of them.

        Returns what is known to have ended of all of them; nothing of what was waited for after
        ``timeout`` seconds. ``impatient`` is called once, should it take longer than a moment.

        Raises:
            StoreUnavailableError: the app was closed meanwhile, so nobody would wake us.
        """
        over = threading.Event()
        wait = self.enter(ids, any_of=any_of, tell=over.set)
        try:
            self.watch(wait)
            self.block(wait, over, timeout, impatient)
            return wait.outcomes
        finally:
            self.leave(wait)

    async def wait_async(
        self,
        ids: Sequence[InvocationId],
        *,
        any_of: bool = False,
        timeout: float | None = None,  # noqa: ASYNC109 - it ends in nothing, not in a cancellation
        impatient: Impatient = lambda _: None,
    ) -> Outcomes:
        """Like ``wait``, for a coroutine: no thread is kept while it waits."""
        over = asyncio.Event()
        wait = await self.enter_async(ids, any_of=any_of, tell=teller(over))
        try:
            await asyncio.to_thread(self.watch, wait)
            await self.block_async(wait, over, timeout, impatient)
            return wait.outcomes
        finally:
            self.leave(wait)

    # --- the parts of a wait ------------------------------------------------------------------

    def enter(
        self, ids: Sequence[InvocationId], *, any_of: bool, tell: Callable[[], object]
    ) -> Wait:
        """Begin a wait: from here on, ends that are heard of are noted. End it with ``leave``."""
        if self._pid != os.getpid():
            # After a fork the thread is not here, and the session is the parent's.
            self._inherited = self._subscription
            self._begin()
        subscription = self._listening()
        wait = Wait(Waiting(ids, subscription.listener, any_of), tell)
        with self._lock:
            for which in ids:
                self._waits.setdefault(which, set()).add(wait)
        return wait

    async def enter_async(
        self, ids: Sequence[InvocationId], *, any_of: bool, tell: Callable[[], object]
    ) -> Wait:
        """Like ``enter``; where it has to connect first, the loop goes on meanwhile."""
        if self._subscription is None or self._pid != os.getpid():
            return await asyncio.to_thread(self.enter, ids, any_of=any_of, tell=tell)
        return self.enter(ids, any_of=any_of, tell=tell)

    def leave(self, wait: Wait) -> None:
        """End a wait."""
        with self._lock:
            for which in wait.waiting.awaited:
                waits = self._waits.get(which)
                if waits is not None:
                    waits.discard(wait)
                    if not waits:
                        del self._waits[which]
                        self._unwatched.discard(which)

    def watch(self, wait: Wait) -> None:
        """Ask the store to tell of these ends; where it is away, the listening thread does."""
        subscription = self._listening()
        self._watch(wait.waiting.awaited, subscription)
        if not subscription.healthy:
            # Those that have ended already need not wait for the next look at all of them.
            with self._lock:
                self._unseen.update(wait.waiting.awaited)
            subscription.interrupt()

    def block(
        self, wait: Wait, over: threading.Event, timeout: float | None, impatient: Impatient
    ) -> None:
        """Block until a wait is over, ``timeout`` seconds at most.

        Raises:
            StoreUnavailableError: it was called off.
        """
        first, rest = _pauses(timeout)
        if not over.wait(first) and rest != 0:
            impatient(wait.waiting.awaited[0])
            over.wait(rest)
        _check(wait)

    async def block_async(
        self,
        wait: Wait,
        over: asyncio.Event,
        timeout: float | None,  # noqa: ASYNC109 - as above
        impatient: Impatient,
    ) -> None:
        """Like ``block``, for a coroutine."""
        first, rest = _pauses(timeout)
        if not await _within(first, over) and rest != 0:
            await asyncio.to_thread(impatient, wait.waiting.awaited[0])
            await _within(rest, over)
        _check(wait)

    def hear(self, runner_id: RunnerId, endings: Sequence[Ending]) -> None:
        """Take ends that this process has written itself: they need not be told by the store."""
        waits = self._waits
        if waits and (here := [e for e in endings if e.invocation_id in waits]):
            now = datetime.now(UTC)
            self._deliver(
                {
                    e.invocation_id: Outcome(
                        e.invocation_id, e.status, e.value, e.reason, runner_id, now
                    )
                    for e in here
                }
            )

    def awaited(self) -> frozenset[InvocationId]:
        """What is waited for now."""
        with self._lock:
            return frozenset(self._waits)

    def close(self) -> None:
        """End the listening thread, and the waits. The next wait starts another one."""
        with self._lock:
            for waits in self._waits.values():
                for wait in waits:
                    wait.call_off()
            self._waits.clear()
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
                with self._lock:
                    ids, self._unseen = list(self._unseen), set()
                ids += [i for hint in hints if hint.kind == "result" for i in hint.ids]
                everything = any(hint.kind == "result" and not hint.ids for hint in hints)
                if everything or time.monotonic() >= next_look:
                    pause = POLL if subscription.healthy else POLL_UNHEALTHY
                    next_look = time.monotonic() + pause
                    with self._lock:
                        ids = list(self._waits)
                # Some that a task was told of it does not ask for just now.
                if ids := [i for i in ids if i in self._waits]:
                    self._look(ids, subscription)
            except Exception:
                # Whatever it is: without this thread nobody here would ever be woken again.
                logger.exception("results.listener_failed: it goes on")
                time.sleep(POLL_UNHEALTHY)
        subscription.close()

    def _watch(self, ids: Sequence[InvocationId], subscription: Subscription) -> None:
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

    def _deliver(self, outcomes: Outcomes) -> None:
        with self._lock:
            for which, outcome in outcomes.items():
                for wait in self._waits.get(which, ()):
                    wait.note({which: outcome})


def teller(over: asyncio.Event) -> Callable[[], object]:
    """Return what sets an event of the loop that runs here, from any thread."""
    loop = asyncio.get_running_loop()

    def tell() -> None:
        with suppress(RuntimeError):  # a loop that was closed meanwhile has nobody who waits
            loop.call_soon_threadsafe(over.set)

    return tell


def _check(wait: Wait) -> None:
    if wait.called_off and not wait.enough:
        message = (
            f"the app was closed while invocation {wait.waiting.awaited[0]} was waited for: ask "
            "for its result again, unless its store was in memory"
        )
        raise StoreUnavailableError(message)


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
