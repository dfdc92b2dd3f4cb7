"""What a workflow may call: a task, or a task with options of its own."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, ParamSpec, Protocol, TypeVar

if TYPE_CHECKING:
    from pynenc_pg.conf.config_call import CallOptions
    from pynenc_pg.engine.binding import Binding
    from pynenc_pg.engine.core import Engine
    from pynenc_pg.engine.registry import TaskDefinition

P = ParamSpec("P")
I_co = TypeVar("I_co", covariant=True)


class CalleeCalls(Protocol[I_co]):
    """How its calls are bound, and the handles of them made."""

    options: CallOptions
    definition: TaskDefinition
    binding: Binding

    def engine_now(self) -> Callable[[], Engine]:
        """Who gets its calls."""
        ...

    def handle(self, invocation_id: str, engine: Callable[[], Engine]) -> I_co:
        """Make the handle of an invocation."""
        ...


class Callee(Protocol[P, I_co]):
    """A task; ``I_co`` is the handle that its call returns."""

    @property
    def _calls(self) -> CalleeCalls[I_co]: ...

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> I_co:
        """Register a call."""
        ...


def calls_of(callee: Callee[..., I_co]) -> CalleeCalls[I_co]:
    """Return what makes its calls.

    Raises:
        TypeError: it is no task.
    """
    if hasattr(callee, "_session"):
        message = (
            "a call in a transaction of one's own cannot be a step: that is registered in one "
            "transaction with the call. Give execute_task the task itself"
        )
        raise TypeError(message)
    if not is_task(callee):
        message = f"{callee!r} is no task: a workflow calls a function with step(func, ...)"
        raise TypeError(message)
    return callee._calls  # noqa: SLF001 - of tasks, which cannot import us


def is_task(func: object) -> bool:
    """Whether its call would register an invocation."""
    return hasattr(func, "_calls")


#: Arguments by name.
Call = Mapping[str, Any]
