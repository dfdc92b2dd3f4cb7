"""Asking an attempt to stop while it runs: it has had its time, or was cancelled."""

from __future__ import annotations

import asyncio
import ctypes
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Self

#: Of all of them: it is held for some instructions, and few attempts are ever asked.
_LOCK = threading.Lock()


class Stop:
    """What an attempt is asked. Coroutines are cancelled, others hear of it at their next call."""

    __slots__ = ("_cancel", "error", "finished", "task")

    def __init__(self) -> None:
        """Nothing is asked."""
        self.error: BaseException | None = None
        self.finished = False  # the task's own code has ended
        self.task: asyncio.Task[object] | None = None  # that runs it, if it is a coroutine
        self._cancel: Callable[[], None] | None = None

    def ask(self, error: BaseException, *, at_once: bool) -> None:
        """Have it stop with this error, ``at_once`` if that can be had. Any thread."""
        with _LOCK:
            self.error = error
            if self._cancel is not None:
                self._cancel()
            elif at_once:
                self._interrupt()

    def _interrupt(self) -> None:
        """Raise the error in code that is no coroutine."""

    def check(self) -> None:
        """Raise what it was asked to stop with. In the task's thread."""
        if self.error is not None and not self.finished:
            raise self.error

    def shield(self) -> Self:
        """Keep interrupts away from a block; at its end, what was asked meanwhile is raised."""
        return self

    def __enter__(self) -> None:
        """Nothing interrupts it."""

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        """Raise what was asked, unless the block itself has raised."""
        if kind is None:
            self.check()

    def over(self) -> None:
        """The task's own code has ended: from here on nothing is raised, and hooks may call us."""
        self.finished = True

    @property
    def shielded(self) -> bool:
        """Whether it is inside the library, and comes back by itself."""
        return False

    @contextmanager
    def in_loop(self) -> Iterator[None]:
        """Let what the running asyncio task awaits in a block be cancelled."""
        loop, task = asyncio.get_running_loop(), asyncio.current_task()

        def cancel() -> None:
            if self._cancel is not None and task is not None:  # in the loop: it cannot end now
                task.cancel()

        def have_it_cancelled() -> None:
            with suppress(RuntimeError):  # the loop has been closed
                loop.call_soon_threadsafe(cancel)

        self.task = task
        with _LOCK:
            self._cancel = have_it_cancelled
            if self.error is not None:
                have_it_cancelled()
        try:
            yield
        finally:
            self._cancel = self.task = None


class InterruptingStop(Stop, ABC):
    """Raises the error in the task's own code, wherever that is.

    Never in the library's, which has a shield around what must not be torn: a connection on its way
    back to the pool would be lost.
    """

    __slots__ = ("_shields",)

    def __init__(self) -> None:
        """Nothing is asked, and there is no shield."""
        super().__init__()
        self._shields = 0

    @property
    def shielded(self) -> bool:
        """Whether it is inside the library, and comes back by itself."""
        return self._shields > 0 and not self.finished

    def _interrupt(self) -> None:
        if self.error is not None and not self._shields:
            self._raise(self.error)

    @abstractmethod
    def _raise(self, error: BaseException | None) -> None:
        """Raise it in the task's thread; ``None`` takes back what is under way."""

    def __enter__(self) -> None:
        """What was on its way comes before this, or not at all."""
        with _LOCK:
            self._shields += 1
            if self.error is not None:
                self._raise(None)

    def __exit__(self, kind: type[BaseException] | None, *rest: object) -> None:
        """Raise what was asked, unless the block itself has raised."""
        with _LOCK:  # a coroutine may have several threads call the library at once
            self._shields -= 1
        super().__exit__(kind, *rest)

    def over(self) -> None:
        """Raise a shield that stays."""
        super().over()
        while True:
            try:
                self.__enter__()
            except BaseException as error:  # an interrupt has come first
                if self.error is None or not isinstance(error, type(self.error)):
                    raise
            else:
                return


class ThreadStop(InterruptingStop):
    """Interrupts a thread between two instructions; a call of C has its end first."""

    __slots__ = ("_thread",)

    def __init__(self) -> None:
        """``enter`` tells the thread."""
        super().__init__()
        self._thread: int | None = None

    def enter(self) -> None:
        """Execute in the calling thread."""
        with _LOCK:
            self._thread = threading.get_ident()
            self._interrupt()

    def check(self) -> None:
        """Raise it once: an interrupt that is on its way would come while the task cleans up."""
        try:
            super().check()
        except BaseException:
            if threading.get_ident() == self._thread:
                with _LOCK:  # whoever asks has it until that is under way
                    self._raise(None)
            raise

    def _raise(self, error: BaseException | None) -> None:
        if self._thread is not None:
            kind = None if error is None else ctypes.py_object(type(error))
            ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(self._thread), kind)
