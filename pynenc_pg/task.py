"""A decorated function: calling it registers an invocation."""

from __future__ import annotations

import asyncio
import functools
import importlib
import inspect
from collections.abc import Callable
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Generic, ParamSpec, TypeVar

from pynenc_pg.engine.context import running
from pynenc_pg.engine.logs import TaskLogger
from pynenc_pg.engine.registry import TaskDefinition
from pynenc_pg.exceptions import TaskNotFoundError
from pynenc_pg.invocation.handle import Invocation, ReusedInvocation

if TYPE_CHECKING:
    from pynenc_pg.conf.config_task import TaskConf
    from pynenc_pg.engine.core import Engine

P = ParamSpec("P")
R_co = TypeVar("R_co", covariant=True)


class Task(Generic[P, R_co]):
    """Calls become invocations; ``func`` is the function itself.

    A task pickles by its id: module and name.
    """

    def __init__(
        self,
        func: Callable[P, R_co],
        *,
        conf: TaskConf,
        engine: Callable[[], Engine],
        sync_engine: Callable[[], Engine | None],
    ) -> None:
        """Made by ``app.task``. ``sync_engine`` returns one while calls execute at once.

        Raises:
            RuntimeError: the function is of ``__main__``, so no worker could import it.
            ValueError: it is a lambda or defined inside a function, so it has no address.
        """
        self.func = func
        self.conf = conf
        self.task_id = task_id_of(func)
        self.logger = TaskLogger(self.task_id)
        self.definition = TaskDefinition(self.task_id, func, inspect.signature(func), conf)
        self._engine = engine
        self._sync_engine = sync_engine
        functools.update_wrapper(self, func)

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> Invocation[R_co]:
        """Register a call and return its invocation.

        Raises:
            TypeError: the arguments do not fit the function, or one cannot be carried; nothing
                is written.
        """
        call = self._bind(*args, **kwargs)
        engine = self._engine_now()
        registered = engine().submit(self.definition, [call])[0]
        return self._handle(registered.invocation_id, engine, reused=registered.reused)

    async def acall(self, *args: P.args, **kwargs: P.kwargs) -> Invocation[R_co]:
        """Register a call from a coroutine: the event loop goes on meanwhile.

        >>> invocation = await add.acall(1, 2)  # doctest: +SKIP
        >>> await invocation.async_result()  # doctest: +SKIP
        3

        Raises:
            TypeError: as at a plain call.
        """
        return await asyncio.to_thread(self, *args, **kwargs)

    @property
    def invocation(self) -> Invocation[R_co]:
        """Inside the task: the invocation that runs.

        Raises:
            RuntimeError: no invocation of this task runs here.
        """
        now = running.get()
        if now is None or now.task_id != self.task_id:
            message = (
                f"{self.task_id}.invocation is there only while the task runs: elsewhere keep what "
                "the call returned, or use app.get_invocation(id)"
            )
            raise RuntimeError(message)
        return self._handle(now.invocation_id, self._engine_now())

    def get_invocation(self, invocation_id: str, *, reused: bool = False) -> Invocation[R_co]:
        """Return the handle of an invocation of this task, without asking the store."""
        return self._handle(invocation_id, self._engine_now(), reused=reused)

    def __repr__(self) -> str:
        """Name the task."""
        return f"<Task {self.task_id}>"

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle by module and name."""
        return _find, (self.func.__module__, self.func.__qualname__)

    def _engine_now(self) -> Callable[[], Engine]:
        """Who gets this call. A handle of a synchronous one stays with the engine that has it."""
        sync = self._sync_engine()
        return self._engine if sync is None else lambda: sync

    def _handle(
        self, invocation_id: str, engine: Callable[[], Engine], *, reused: bool = False
    ) -> Invocation[R_co]:
        kind = ReusedInvocation if reused else Invocation
        return kind(
            invocation_id, task_id=self.task_id, engine=engine, task=lambda: self, reused=reused
        )

    def _bind(self, *args: Any, **kwargs: Any) -> dict[str, Any]:
        try:
            bound = dict(self.definition.signature.bind(*args, **kwargs).arguments)
        except TypeError as error:
            message = f"{self.task_id}{self.definition.signature}: {error}"
            raise TypeError(message) from None
        for name, parameter in self.definition.signature.parameters.items():
            if parameter.kind is parameter.VAR_POSITIONAL and name in bound:
                bound[name] = list(bound[name])
        return bound


def _find(module: str, name: str) -> Task[..., Any]:
    found = attrgetter(name)(importlib.import_module(module))
    if not isinstance(found, Task):
        message = (
            f"{module}.{name} was pickled as a task, and is {type(found).__qualname__} in this "
            "process: decorate it with @app.task here as well"
        )
        raise TaskNotFoundError(message)
    return found


def task_id_of(func: Callable[..., Any]) -> str:
    """Return the address by which a worker finds the function: module and name.

    Raises:
        RuntimeError: the function is of ``__main__``.
        ValueError: it is a lambda or defined inside a function.
    """
    module, name = func.__module__, func.__qualname__
    if module == "__main__":
        message = (
            f"{name} is defined in a script that is run directly, so a worker would look for it "
            "in its own __main__: move it to a module and import it"
        )
        raise RuntimeError(message)
    if "<" in name:
        message = (
            f"{module}.{name} is a lambda or is defined inside a function, so a worker cannot "
            "find it: define it at the top of a module"
        )
        raise ValueError(message)
    return f"{module}.{name}"
