"""A decorated function: calling it registers an invocation."""

from __future__ import annotations

import functools
import inspect
import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Generic, ParamSpec, TypeVar

from pynenc_pg.engine.context import running
from pynenc_pg.engine.registry import TaskDefinition
from pynenc_pg.invocation.handle import Invocation

if TYPE_CHECKING:
    from pynenc_pg.conf.config_task import TaskConf
    from pynenc_pg.engine.core import Engine

P = ParamSpec("P")
R = TypeVar("R")


class Task(Generic[P, R]):
    """Calls become invocations; ``func`` is the function itself."""

    def __init__(
        self, func: Callable[P, R], *, conf: TaskConf, engine: Callable[[], Engine]
    ) -> None:
        """Made by ``app.task``.

        Raises:
            RuntimeError: the function is of ``__main__``, so no worker could import it.
            ValueError: it is a lambda or defined inside a function, so it has no address.
        """
        self.func = func
        self.conf = conf
        self.task_id = task_id_of(func)
        self.logger = logging.getLogger(self.task_id)
        self.definition = TaskDefinition(self.task_id, func, inspect.signature(func), conf)
        self._engine = engine
        functools.update_wrapper(self, func)

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> Invocation[R]:
        """Register a call and return its invocation.

        Raises:
            TypeError: the arguments do not fit the function, or one cannot be carried; nothing
                is written.
        """
        registered = self._engine().submit(self.definition, [self._bind(*args, **kwargs)])[0]
        return self._handle(registered.invocation_id, reused=registered.reused)

    @property
    def invocation(self) -> Invocation[R]:
        """Inside the task: the invocation that runs.

        Raises:
            RuntimeError: no invocation of this task runs here.
        """
        now = running.get()
        if now is None or now.task_id != self.task_id:
            message = f"{self.task_id}.invocation is there only while the task runs"
            raise RuntimeError(message)
        return self._handle(now.invocation_id)

    def __repr__(self) -> str:
        """Name the task."""
        return f"<Task {self.task_id}>"

    def _handle(self, invocation_id: str, *, reused: bool = False) -> Invocation[R]:
        return Invocation(invocation_id, task_id=self.task_id, engine=self._engine, reused=reused)

    def _bind(self, *args: Any, **kwargs: Any) -> dict[str, Any]:
        bound = dict(self.definition.signature.bind(*args, **kwargs).arguments)
        for name, parameter in self.definition.signature.parameters.items():
            if parameter.kind is parameter.VAR_POSITIONAL and name in bound:
                bound[name] = list(bound[name])
        return bound


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
