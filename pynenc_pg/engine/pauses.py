"""A task that waits for others: it is PAUSED meanwhile, and gives up its place in the runner."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractContextManager, asynccontextmanager, suppress
from typing import TYPE_CHECKING, Protocol, TypeVar

from pynenc_pg.domain.ids import InvocationId, RunnerId
from pynenc_pg.domain.records import Answer, Hold
from pynenc_pg.engine.results import Impatient, Outcomes, ResultWaiter, Wait, teller
from pynenc_pg.engine.stops import Stop
from pynenc_pg.engine.whole import to_its_end
from pynenc_pg.exceptions import (
    InvocationStatusOwnershipError,
    RunnerFencedError,
    StoreUnavailableError,
    TransactionError,
)
from pynenc_pg.ports import Orchestrator

if TYPE_CHECKING:
    from pynenc_pg.engine.transactions import Own

logger = logging.getLogger(__name__)
T = TypeVar("T")

_BEGINNING = threading.Lock()
#: Seconds between two looks of a coroutine for a lock that a thread has.
_AGAIN = 0.005


class Place(Protocol):
    """What a running invocation occupies in its runner. Others have it while the task waits."""

    @property
    def abandoned(self) -> bool:
        """Whether the runner has given the invocation back."""
        ...

    def check(self) -> None:
        """Refuse a wait that the runner has no room for.

        Raises:
            TooManyWaitingError: too many wait already.
        """
        ...

    def may_block(self) -> None:
        """Refuse a wait that would block more than the invocation.

        Raises:
            RuntimeError: it would block a loop that other tasks run in.
        """
        ...

    def leave(self) -> None:
        """Give it up. Any thread."""
        ...

    def enter(self) -> None:
        """Have one again; blocks until there is one.

        Raises:
            RunnerFencedError: the runner has given the invocation back.
        """
        ...

    async def enter_async(self) -> None:
        """Like ``enter``, for a coroutine."""
        ...


class Pauses:
    """The waits of one attempt. Several at once, of its threads and coroutines, are one pause.

    It is PAUSED from the first of them on until all are over: one that gathers two results would
    otherwise occupy a place while it waits for the second.
    """

    __slots__ = (
        "_begun", "_changing", "_closed", "_forget", "_in_turn", "_orchestrator", "_paused",
        "_place", "_stop", "_unsure", "_waits", "hold", "runner_id", "transaction",
    )  # fmt: skip

    def __init__(
        self,
        *,
        orchestrator: Orchestrator,
        runner_id: RunnerId,
        hold: Hold,
        place: Place,
        stop: Stop,
    ) -> None:
        """Take the parts; ``hold`` is the invocation that runs, ``stop`` how it learns its end."""
        self._orchestrator = orchestrator
        self.runner_id = runner_id
        self.hold = hold
        self._place = place
        self._stop = stop
        self._begun = False
        self.transaction: Own | None = None  # the task's own, which its end is written in

    def _begin(self) -> None:
        """Before the first wait: most tasks wait for nobody, and need none of this."""
        with _BEGINNING:
            if not self._begun:
                self._changing = threading.Lock()
                self._in_turn = asyncio.Lock()
                self._paused = False
                # An answer was lost: the store may have it PAUSED, and we would not know.
                self._unsure = False
                self._closed = False
                self._waits: set[Wait] = set()
                # What it needed once, and does not any more.
                self._forget: list[InvocationId] = []
                self._begun = True

    @property
    def given_away(self) -> bool:
        """Whether the runner has given the invocation back: what it still does counts no more."""
        return self._place.abandoned

    def shield(self) -> AbstractContextManager[None]:
        """Keep interrupts out of a block, which must not be torn."""
        return self._stop.shield()

    def wait(
        self,
        results: ResultWaiter,
        ids: Sequence[InvocationId],
        *,
        any_of: bool,
        timeout: float | None,
        impatient: Impatient,
    ) -> Outcomes:
        """Like ``ResultWaiter.wait``, as a pause of the invocation.

        Raises:
            TransactionError: it would wait with its transaction open.
        """
        self._refuse_in_transaction()
        self._place.may_block()
        self._begin()
        over = threading.Event()
        with self._stop.shield():
            wait = results.enter(ids, any_of=any_of, tell=over.set)
            try:
                self._pause_alone(wait)
                results.block(wait, over, timeout, impatient)
            except StoreUnavailableError:
                self._stop.check()  # that is why it was called off
                raise
            else:
                return wait.outcomes
            finally:
                results.leave(wait)
                self._resume(wait)

    async def wait_async(
        self,
        results: ResultWaiter,
        ids: Sequence[InvocationId],
        *,
        any_of: bool,
        timeout: float | None,  # noqa: ASYNC109 - it ends in nothing, not in a cancellation
        impatient: Impatient,
    ) -> Outcomes:
        """Like ``wait``, for a coroutine."""
        self._refuse_in_transaction()
        self._begin()
        over = asyncio.Event()
        wait = await results.enter_async(ids, any_of=any_of, tell=teller(over))
        try:
            async with self._alone():
                # Cancelled or not: what comes after it must not overtake it.
                await to_its_end(asyncio.to_thread(self._pause, wait))
            await results.block_async(wait, over, timeout, impatient)
        except StoreUnavailableError:
            self._stop.check()
            raise
        else:
            return wait.outcomes
        finally:
            results.leave(wait)
            # Cancelled or not: whoever goes on from here must be RESUMED.
            await asyncio.shield(self._resume_async(wait))

    def begin_transaction(self, own: Own) -> None:
        """Take the attempt's one transaction.

        Raises:
            TransactionError: there is one already.
        """
        with _BEGINNING:
            if self.transaction is not None:
                message = (
                    "this attempt has a transaction already, which is committed with the task's "
                    "result: write all of it in one block of transaction()"
                )
                raise TransactionError(message)
            self.transaction = own

    def close(self) -> None:
        """The task has returned. A wait that it left behind must not keep it PAUSED.

        A transaction that was not completed is rolled back.
        """
        if self.transaction is not None:
            own, self.transaction = self.transaction, None
            own.session.roll_back()
        if not self._begun:
            return
        self._waits.clear()
        if self._paused or self._unsure:
            with suppress(RunnerFencedError):  # its end is refused, which says the same
                self._resume(None)
        self._closed = True

    async def close_async(self) -> None:
        """Like ``close``, for a coroutine."""
        if self.transaction is not None:
            own, self.transaction = self.transaction, None
            await own.session.roll_back_async()
        if not self._begun:
            return
        self._waits.clear()
        if self._paused or self._unsure:
            with suppress(RunnerFencedError):
                await self._resume_async(None)
        self._closed = True

    def drop_transaction(self) -> None:
        """The attempt is over without its task: what that holds in a transaction is let go."""
        own, self.transaction = self.transaction, None
        if own is not None:
            own.session.roll_back()

    def call_off(self) -> None:
        """The invocation has to stop, or is somebody else's now: let its threads go."""
        if self._begun:
            for wait in list(self._waits):
                wait.call_off()

    @asynccontextmanager
    async def _alone(self) -> AsyncIterator[None]:
        """One pause or resumption of the invocation at a time."""
        async with self._in_turn:
            # No thread waits for it, or all the loop's threads might: only a thread of the same
            # invocation that waits, too, can have it.
            while not self._changing.acquire(blocking=False):  # noqa: ASYNC110 - a thread's lock
                await asyncio.sleep(_AGAIN)
            try:
                yield
            finally:
                self._changing.release()

    def _pause_alone(self, wait: Wait) -> None:
        with self._changing:
            self._pause(wait)

    def _pause(self, wait: Wait) -> None:
        if self._place.abandoned:
            raise RunnerFencedError(self._given_away())
        self._waits.add(wait)
        self._stop.check()  # after that: whoever asks for it later finds the wait, to call it off
        if not self._paused:
            self._place.check()
        outcomes = self._insist(
            lambda: self._orchestrator.pause(self.runner_id, self.hold, wait.waiting)
        )
        wait.note(outcomes)
        if not wait.waiting.enough(outcomes) and not self._paused:
            self._paused = True
            self._place.leave()

    def _resume(self, wait: Wait | None) -> None:
        with self._changing:
            if self._is_last(wait):
                if self._paused:
                    self._place.enter()
                self._go_on()

    async def _resume_async(self, wait: Wait | None) -> None:
        async with self._alone():
            if self._is_last(wait):
                if self._paused:
                    await self._place.enter_async()
                await asyncio.to_thread(self._go_on)

    def _is_last(self, wait: Wait | None) -> bool:
        """A wait is over: whether the store is to hear of it, since no other one goes on."""
        if wait is not None:
            self._waits.discard(wait)
            self._forget += [i for i in wait.waiting.needed if i not in wait.outcomes]
        told = self._paused or self._unsure or bool(self._forget)
        return told and not self._closed and not self._waits

    def _go_on(self) -> None:
        self._paused = False
        self._unsure = True  # until it is answered: whoever is cancelled meanwhile asks again
        forget, self._forget = self._forget, []
        answers = self._insist(
            lambda: self._orchestrator.resume(self.runner_id, [self.hold], forget)
        )
        self._unsure = False
        if answers[self.hold.invocation_id] is Answer.LOST:
            raise RunnerFencedError(self._given_away())

    def _insist(self, verb: Callable[[], T]) -> T:
        """Ask until it is answered: repeating is safe, and without an answer nothing is known."""
        pause = 0.05
        while True:
            try:
                return verb()
            except StoreUnavailableError as error:
                self._unsure = True
                logger.warning("pause.delayed: %s", error)
                if self._place.abandoned:
                    raise RunnerFencedError(self._given_away()) from error
                time.sleep(pause)
                pause = min(pause * 2, 2.0)
            except InvocationStatusOwnershipError as error:
                raise RunnerFencedError(self._given_away()) from error

    def _refuse_in_transaction(self) -> None:
        if self.transaction is not None:
            message = (
                "a task does not wait for others while its transaction is open, with all that it "
                "has locked: wait for results before the block of transaction()"
            )
            raise TransactionError(message)

    def _given_away(self) -> str:
        return (
            f"invocation {self.hold.invocation_id} was given to another runner while it ran "
            "here: this attempt has to stop, and what it returns is not written"
        )
