"""``task.awf``: what an ``async def`` task does as a workflow."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import Any, ParamSpec, TypeVar, overload

from pynenc_pg.workflow import values
from pynenc_pg.workflow.callee import Callee, calls_of
from pynenc_pg.workflow.gathering import gathered
from pynenc_pg.workflow.operations import Operations, calling
from pynenc_pg.workflow.place import Place
from pynenc_pg.workflow.saga import AsyncSaga, Undo
from pynenc_pg.workflow.waiting import PayloadFilter, Wanted, wait_for_event

P = ParamSpec("P")
R = TypeVar("R")
I = TypeVar("I")  # noqa: E741 - a handle of an invocation
T = TypeVar("T")
T1 = TypeVar("T1")
T2 = TypeVar("T2")
T3 = TypeVar("T3")
T4 = TypeVar("T4")

#: What is awaited. Without Any in it, or type checkers take several overloads of ``gather`` for it.
Operation = Coroutine[object, None, T]
#: What a branch is: a coroutine of one's own, or a function that returns one.
Part = Awaitable[T] | Callable[[], Awaitable[T]]


class AsyncWorkflowOperations(Operations):
    """The operations of ``WorkflowOperations``, awaited.

    The place of each is taken when it is called, and not when it is awaited. The loop goes on while
    the store is asked.
    """

    _coroutine = True

    def random(self) -> Operation[float]:
        """Return a number from 0 to 1 (without 1), the same at each attempt."""
        place = self._place()
        return _off(place, place.random)

    def uuid(self) -> Operation[str]:
        """Return the text of a UUID (version 4), the same at each attempt."""
        place = self._place()
        return _off(place, place.uuid)

    def utc_now(self) -> Operation[datetime]:
        """Return the time, aware and by the clock of the store: that of the first attempt."""
        place = self._place()
        return _off(place, place.utc_now)

    def set_data(self, key: str, value: Any) -> Operation[None]:
        """Set an item of the workflow's data, which all of its tasks share, and others can read."""
        key = values.name(key, "key")
        place = self._place()
        return _off(place, lambda: place.set_data(key, value))

    def get_data(self, key: str, default: Any = None) -> Operation[Any]:
        """Return an item of the workflow's data, at each attempt as it was at the first."""
        key = values.name(key, "key")
        place = self._place()
        return _off(place, lambda: place.get_data(key, default))

    def execute_task(self, task: Callee[P, I], *args: P.args, **kwargs: P.kwargs) -> Operation[I]:
        """Call a task and return the invocation, at each attempt the same one.

        >>> paid = await order.awf.execute_task(pay, 7)  # doctest: +SKIP
        >>> await paid.async_result()  # doctest: +SKIP
        """
        call = values.bound(task, args, kwargs, self._engine_now)
        place = self._place()
        return _off(place, lambda: place.call(calls_of(task), call))

    @overload
    def step(
        self, func: Callable[P, Awaitable[R]], *args: P.args, **kwargs: P.kwargs
    ) -> Operation[R]: ...
    @overload
    def step(self, func: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> Operation[R]: ...
    def step(self, func: Callable[..., Any], *args: Any, **kwargs: Any) -> Operation[Any]:
        """Call a function here, record what it returns, and do not call it again.

        An ``async def`` is awaited; a plain function runs in a thread, so that the loop goes on.
        """
        name = values.function_name(func, coroutine=True)
        return _step(self._place(), name, func, *args, **kwargs)

    def sleep(
        self, seconds: float | timedelta | None = None, *, until: datetime | None = None
    ) -> Operation[None]:
        """Go on later: it occupies nothing meanwhile, and what ran so far is run again then."""
        length = values.sleep_seconds(seconds, until, self._now)
        return _sleep(self._place(), length)

    def wait_for_event(
        self,
        code: str,
        filter: PayloadFilter | None = None,  # noqa: A002 - what it is called elsewhere
        timeout: float | timedelta | None = None,
    ) -> Operation[Any]:
        """Wait for an event and return its payload.

        Raises:
            EventTimeoutError: none has come in ``timeout`` seconds; at each attempt, then.
        """
        wanted = Wanted.of(code, filter, timeout)
        place = self._place()
        return _off(place, lambda: wait_for_event(place, wanted))

    def pause(self, reason: str = "") -> Operation[None]:
        """Go on when somebody says so: ``app.get_workflow(id).resume()``."""
        reason = values.name(reason, "reason")
        place = self._place()
        return _off(place, lambda: place.pause(reason))

    def patched(self, name: str) -> Operation[bool]:
        """Whether to go the newer way; to be awaited at once, since it may give back its number."""
        name = values.name(name, "name")
        place = self._place()
        return _off(place, lambda: place.patched(name))

    @overload
    def gather(self, one: Part[T1], /) -> Operation[tuple[T1]]: ...
    @overload
    def gather(self, one: Part[T1], two: Part[T2], /) -> Operation[tuple[T1, T2]]: ...
    @overload
    def gather(
        self, one: Part[T1], two: Part[T2], three: Part[T3], /
    ) -> Operation[tuple[T1, T2, T3]]: ...
    @overload
    def gather(
        self, one: Part[T1], two: Part[T2], three: Part[T3], four: Part[T4], /
    ) -> Operation[tuple[T1, T2, T3, T4]]: ...
    @overload
    def gather(self, *parts: Part[T]) -> Operation[tuple[T, ...]]: ...
    def gather(self, *parts: Part[Any]) -> Operation[tuple[Any, ...]]:
        """Run coroutines at once, each a branch with numbers of its own; return their results.

        As ``asyncio.gather``, but if one raises, the others are cancelled and awaited before that
        is raised. If branches go on later, the others have their end first, and then all do.

        >>> await order.awf.gather(ship(7), bill(7))  # doctest: +SKIP
        """
        return gathered(self._place(), parts)

    @asynccontextmanager
    async def saga(self) -> AsyncIterator[AsyncSaga]:
        """Undo what was done in a block that fails for good: see ``WorkflowOperations.saga``."""
        saga = AsyncSaga(self._branch())
        try:
            yield saga
        except BaseException as error:
            for undo in saga.due(error):
                with saga.noting(undo, error):
                    await _undone(undo, saga.next_place())
            raise
        await asyncio.to_thread(saga.check)


async def _off(place: Place, verb: Callable[[], T]) -> T:
    """Do what blocks in a thread, unless it is known that it does not."""
    return verb() if place.is_known else await asyncio.to_thread(verb)


async def _sleep(place: Place, length: Callable[[], float]) -> None:
    left = await _off(place, lambda: place.sleep(length))
    if left > 0:
        await asyncio.sleep(left)


async def _step(place: Place, name: str, func: Callable[..., Any], *args: Any, **kw: Any) -> Any:
    step = await _off(place, lambda: place.returned(name))
    if step is None:
        with calling(place, name):
            if inspect.iscoroutinefunction(func):
                result = await func(*args, **kw)
            else:
                result = await asyncio.to_thread(func, *args, **kw)
                result = await result if inspect.isawaitable(result) else result
        step = await asyncio.to_thread(place.keep, name, result)
    return place.value(step)


async def _undone(undo: Undo, place: Place) -> None:
    """Call it and wait for its end."""
    calls = undo.calls
    if calls is None:
        await _step(place, undo.name, undo.func, *undo.args, **undo.kwargs)
    else:
        await (await _off(place, lambda: place.call(calls, undo.kwargs))).async_result()
