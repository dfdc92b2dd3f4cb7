"""``task.wf``: what a task does as a workflow."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, ParamSpec, Self, TypeVar

from pynenc_pg.domain.workflows import WorkflowIdentity
from pynenc_pg.workflow import values
from pynenc_pg.workflow.callee import Callee, calls_of
from pynenc_pg.workflow.here import here
from pynenc_pg.workflow.place import Place
from pynenc_pg.workflow.run import Branch, stepping
from pynenc_pg.workflow.saga import Saga
from pynenc_pg.workflow.waiting import PayloadFilter, Wanted, wait_for_event

if TYPE_CHECKING:
    from pynenc_pg.engine.core import Engine
    from pynenc_pg.engine.registry import TaskDefinition

P = ParamSpec("P")
R = TypeVar("R")
I = TypeVar("I")  # noqa: E741 - a handle of an invocation


class Operations:
    """What ``wf`` and ``awf`` have in common. It keeps nothing: that is the invocation's."""

    _coroutine: bool

    def __init__(
        self, task: TaskDefinition, engine_now: Callable[[], Callable[[], Engine]]
    ) -> None:
        """Made by the task."""
        self._task = task
        self._engine_now = engine_now

    @property
    def identity(self) -> WorkflowIdentity:
        """Which workflow the running invocation belongs to.

        Raises:
            WorkflowError: the task does not run here.
        """
        return self._branch().run.identity

    @property
    def root(self) -> Self:
        """The same: the operations of the running task."""
        return self

    def _branch(self) -> Branch:
        return here(self._task, self._engine_now, coroutine=self._coroutine)

    def _now(self) -> datetime:
        """Return the time by the store's clock."""
        ahead = timedelta(seconds=self._engine_now()().store.state_backend.clock_offset())
        return datetime.now(UTC) + ahead

    def _place(self) -> Place:
        branch = self._branch()
        return Place(branch, branch.take())


class WorkflowOperations(Operations):
    """Each operation is recorded the first time, and read back at every later attempt.

    They are matched by their order, so that must not depend on anything but arguments and what
    they have returned. All of them are for the code of the task itself, in its own thread, and
    raise, besides what they say:

        WorkflowError: the task does not run here.
        NonDeterminismError: something else is recorded at this place.
        SuspensionSwallowedError: the workflow was to go on later, and has caught that.
        DataRejectedError: what is to be recorded is too large.
        InvocationCancelledError: it was cancelled.
    """

    _coroutine = False

    def random(self) -> float:
        """Return a number from 0 to 1 (without 1), the same at each attempt."""
        return self._place().random()

    def uuid(self) -> str:
        """Return the text of a UUID (version 4), the same at each attempt."""
        return self._place().uuid()

    def utc_now(self) -> datetime:
        """Return the time, aware and by the clock of the store; at each attempt that of the first.

        >>> order.wf.utc_now().tzinfo  # doctest: +SKIP
        datetime.timezone.utc
        """
        return self._place().utc_now()

    def set_data(self, key: str, value: Any) -> None:
        """Set an item of the workflow's data, which all of its tasks share, and others can read."""
        key = values.name(key, "key")
        self._place().set_data(key, value)

    def get_data(self, key: str, default: Any = None) -> Any:
        """Return an item of the workflow's data, at each attempt as it was at the first."""
        key = values.name(key, "key")
        return self._place().get_data(key, default)

    def execute_task(self, task: Callee[P, I], *args: P.args, **kwargs: P.kwargs) -> I:
        """Call a task and return the invocation, at each attempt the same one.

        It may be what ``task.options(...)`` returned. One that has failed is called anew once the
        workflow itself is retried, unless the workflow has gone on after its failure.

        >>> paid = order.wf.execute_task(pay, 7)  # doctest: +SKIP
        >>> paid.result  # doctest: +SKIP
        """
        call = values.bound(task, args, kwargs, self._engine_now)
        return self._place().call(calls_of(task), call)

    def step(self, func: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """Call a function here, record what it returns, and do not call it again.

        If it raises, nothing is recorded. It may run again after a crash, as a task may.
        """
        name = values.function_name(func, coroutine=False)
        return run_step(self._place(), name, func, *args, **kwargs)

    def sleep(
        self, seconds: float | timedelta | None = None, *, until: datetime | None = None
    ) -> None:
        """Go on later: it occupies nothing meanwhile, and what ran so far is run again then.

        A sleep of less than a second is slept in place; one of synchronous mode is not slept.
        """
        length = values.sleep_seconds(seconds, until, self._now)
        left = self._place().sleep(length)
        if left > 0:
            time.sleep(left)

    def wait_for_event(
        self,
        code: str,
        filter: PayloadFilter | None = None,  # noqa: A002 - what it is called elsewhere
        timeout: float | timedelta | None = None,
    ) -> Any:
        """Wait for an event and return its payload: of an app's events, or of this run's signals.

        The first one emitted since the workflow was called counts that passes the filter (a dict
        that the payload must contain, or a function of it) and that it has not had before.

        Raises:
            EventTimeoutError: none has come in ``timeout`` seconds; at each attempt, then.
        """
        wanted = Wanted.of(code, filter, timeout)
        return wait_for_event(self._place(), wanted)

    def pause(self, reason: str = "") -> None:
        """Go on when somebody says so: ``app.get_workflow(id).resume()``."""
        reason = values.name(reason, "reason")
        self._place().pause(reason)

    def patched(self, name: str) -> bool:
        """Whether to go the newer way: not in a run that went the older one here before.

        >>> if order.wf.patched("asks for a coupon"):  # doctest: +SKIP
        ...     coupon = order.wf.execute_task(find_coupon, 7).result
        """
        name = values.name(name, "name")
        return self._place().patched(name)

    @contextmanager
    def saga(self) -> Iterator[Saga]:
        """Undo what was done in a block that fails for good.

        What was added last is undone first. Nothing is undone where another attempt follows, or
        where the workflow goes on later.

        >>> with order.wf.saga() as saga:  # doctest: +SKIP
        ...     paid = order.wf.execute_task(pay, 7).result
        ...     saga.add(refund, paid)
        ...     order.wf.execute_task(ship, 7).result
        """
        saga = Saga(self._branch())
        try:
            yield saga
        except BaseException as error:
            for undo in saga.due(error):
                with saga.noting(undo, error):
                    undo.do(saga.next_place())
            raise
        saga.check()


def run_step(place: Place, name: str, func: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
    """Return what a function returned the first time; call it if there was none."""
    step = place.returned(name)
    if step is None:
        with calling(place, name):
            result = func(*args, **kwargs)
        step = place.keep(name, result)
    return place.value(step)  # type: ignore[no-any-return]


@contextmanager
def calling(place: Place, name: str) -> Iterator[None]:
    """Refuse operations in a block, which is the call of a function."""
    token = stepping.set((place.branch.run, name))
    try:
        yield
    finally:
        stepping.reset(token)
