"""A task whose calls have options of their own: what ``Task.options`` returns."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Generic, ParamSpec, TypeVar, overload

from pynenc_pg.calls import Calls
from pynenc_pg.engine.binding import Params
from pynenc_pg.engine.threads import in_thread
from pynenc_pg.invocation.group import InvocationGroup
from pynenc_pg.invocation.handle import Invocation
from pynenc_pg.transaction import InAsyncTransaction, InTransaction, within

if TYPE_CHECKING:
    from pynenc_pg.transaction import AsyncSession, Session

P = ParamSpec("P")
R_co = TypeVar("R_co", covariant=True)


class TunedTask(Generic[P, R_co]):
    """Is called as the task is. May be kept, and called more than once."""

    def __init__(self, calls: Calls[R_co]) -> None:
        """Made by ``Task.options``."""
        self._calls = calls

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> Invocation[R_co]:
        """Register a call: see ``Task``."""
        return self._calls.call(args, kwargs)

    async def acall(self, *args: P.args, **kwargs: P.kwargs) -> Invocation[R_co]:
        """Register a call from a coroutine: see ``Task.acall``."""
        return await in_thread(self._calls.call, args, kwargs)

    def parallelize(
        self, params: Iterable[Params], common_args: Mapping[str, Any] | None = None
    ) -> InvocationGroup[R_co]:
        """Register a call for each of ``params``: see ``Task.parallelize``."""
        return self._calls.parallelize(params, common_args)

    async def aparallelize(
        self, params: Iterable[Params], common_args: Mapping[str, Any] | None = None
    ) -> InvocationGroup[R_co]:
        """Like ``parallelize``, from a coroutine: the event loop goes on meanwhile."""
        return await asyncio.to_thread(self._calls.parallelize, params, common_args)

    @overload
    def using(self, session: Session) -> InTransaction[P, R_co]: ...
    @overload
    def using(self, session: AsyncSession) -> InAsyncTransaction[P, R_co]: ...
    def using(self, session: Any) -> Any:
        """Make calls part of the caller's own transaction: see ``Task.using``."""
        return within(self._calls, session)
