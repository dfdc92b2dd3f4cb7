"""A decorated function: calling it registers an invocation."""

from __future__ import annotations

import asyncio
import functools
import importlib
import inspect
from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from operator import attrgetter
from typing import (
    TYPE_CHECKING,
    Any,
    Generic,
    NoReturn,
    ParamSpec,
    Protocol,
    TypedDict,
    TypeVar,
    overload,
)

from pynenc_pg.calls import Calls
from pynenc_pg.conf.config_call import check_call_options
from pynenc_pg.domain.arguments import Arguments
from pynenc_pg.engine.binding import Params
from pynenc_pg.engine.context import entered
from pynenc_pg.engine.logs import TaskLogger
from pynenc_pg.engine.registry import TaskDefinition, task_id_of
from pynenc_pg.engine.threads import in_thread
from pynenc_pg.exceptions import RetryError, TaskNotFoundError
from pynenc_pg.invocation.group import InvocationGroup
from pynenc_pg.invocation.handle import Invocation
from pynenc_pg.transaction import InAsyncTransaction, InTransaction, within
from pynenc_pg.tuned import TunedTask
from pynenc_pg.workflow.async_operations import AsyncWorkflowOperations
from pynenc_pg.workflow.here import running_of
from pynenc_pg.workflow.operations import WorkflowOperations
from pynenc_pg.workflow.run import identity_of

if TYPE_CHECKING:
    from pynenc_pg.conf.config_task import TaskConf
    from pynenc_pg.domain.concurrency import ConcurrencyControlType, RateLimit
    from pynenc_pg.domain.workflows import WorkflowIdentity
    from pynenc_pg.engine.core import Engine
    from pynenc_pg.serializer.base import BaseSerializer
    from pynenc_pg.transaction import AsyncSession, Session
    from pynenc_pg.trigger.trigger_builder import TriggerBuilder

P = ParamSpec("P")
R = TypeVar("R")
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
        self.definition = TaskDefinition(
            self.task_id, func, inspect.signature(func), conf, self.get_invocation
        )
        self._calls = Calls(self, self.definition, engine=engine, sync_engine=sync_engine)
        #: What a ``def`` task does as a workflow, and what an ``async def`` task does.
        self.wf = WorkflowOperations(self.definition, self._calls.engine_now)
        self.awf = AsyncWorkflowOperations(self.definition, self._calls.engine_now)
        functools.update_wrapper(self, func)

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> Invocation[R_co]:
        """Register a call and return its invocation.

        Raises:
            TypeError: the arguments do not fit the function, or one cannot be carried; nothing
                is written.
        """
        return self._calls.call(args, kwargs)

    async def acall(self, *args: P.args, **kwargs: P.kwargs) -> Invocation[R_co]:
        """Register a call from a coroutine: the event loop goes on meanwhile.

        >>> invocation = await add.acall(1, 2)  # doctest: +SKIP
        >>> await invocation.async_result()  # doctest: +SKIP
        3

        Raises:
            TypeError: as at a plain call.
        """
        return await in_thread(self, *args, **kwargs)

    def args(self, *args: P.args, **kwargs: P.kwargs) -> Arguments:
        """Bind a call without making it: an element for ``parallelize`` that type checkers know.

        Raises:
            TypeError: the arguments do not fit the function.
        """
        return Arguments(self._calls.binding.bind(*args, **kwargs))

    def parallelize(
        self, params: Iterable[Params], common_args: Mapping[str, Any] | None = None
    ) -> InvocationGroup[R_co]:
        """Register a call for each of ``params``, and return them as a group.

        ``params`` may be a generator: it is consumed in chunks of ``parallel_batch_size``, each of
        them one round trip, written whole or not at all. An element is a tuple of positional
        arguments, a dict of named ones, or what ``args`` returned. ``common_args`` are named
        arguments of all of them (which are dicts then), and are serialised once.

        >>> add.parallelize([(1, 2), {"x": 3, "y": 4}, add.args(5, y=6)])  # doctest: +SKIP

        Raises:
            TypeError: an element does not fit the function; names its place. Nothing of its chunk
                is written. Where chunks before it are, their group is the attribute ``registered``
                of the error, whatever its type, and a note says so.
            ValueError: an argument stands in an element and in ``common_args``.
        """
        return self._calls.parallelize(params, common_args)

    async def aparallelize(
        self, params: Iterable[Params], common_args: Mapping[str, Any] | None = None
    ) -> InvocationGroup[R_co]:
        """Like ``parallelize``, from a coroutine: the event loop goes on meanwhile."""
        return await asyncio.to_thread(self.parallelize, params, common_args)

    @overload
    def using(self, session: Session) -> InTransaction[P, R_co]: ...
    @overload
    def using(self, session: AsyncSession) -> InAsyncTransaction[P, R_co]: ...
    def using(self, session: Any) -> Any:
        """Make calls part of the caller's own transaction: they are there if that commits.

        ``session`` is a connection of psycopg, or a connection or session of SQLAlchemy or Django;
        of psycopg's and SQLAlchemy's asynchronous ones, and asyncpg's, the call is awaited. It is
        neither committed nor rolled back here, and savepoints are heeded. It must be connected to
        the database of the queue, as a role that may call tasks (``pynenc_producer``).

        >>> with engine.begin() as connection:  # doctest: +SKIP
        ...     connection.execute(insert(orders).values(number=7))
        ...     send_invoice.using(connection)(order=7)
        """
        return within(self._calls, session)

    def options(
        self,
        *,
        delay: float | timedelta = 0.0,
        at: datetime | None = None,
        priority: float | None = None,
        queue: str | None = None,
        expires: float | timedelta | None = None,
        timeout: float | timedelta | None = None,
        key: str | None = None,
        max_retries: int | None = None,
        call_result_cache: bool | None = None,
        call_result_cache_ttl: float | timedelta | None = None,
    ) -> TunedTask[P, R_co]:
        """Give calls options of their own, where they differ from the task's.

        ``delay`` and ``at`` say when it may be begun: after so many seconds, or at a time, which
        is aware of its zone; by the clock of the database, and at once if that is past.
        ``expires`` is the seconds from then in which it must begin, or else it ends unrun.
        ``key`` makes it safe to call again: the first call of the task with it counts, and later
        ones return that one, whatever has become of it, as long as it is kept.
        ``call_result_cache_ttl=0`` has it run although the task keeps results, for later calls to
        get; ``call_result_cache=False`` has it run for itself alone.
        ``timeout``, ``priority``, ``queue`` and ``max_retries`` are as in ``app.task``.

        >>> remind.options(delay=3600, queue="mail")("ann")  # doctest: +SKIP
        >>> report.options(at=datetime(2027, 1, 1, tzinfo=UTC))("year")  # doctest: +SKIP

        Raises:
            InvalidTaskOptionsError: a value it cannot have, or both ``delay`` and ``at``.
        """
        given = {
            "delay": delay,
            "at": at,
            "priority": priority,
            "queue": queue,
            "expires": expires,
            "timeout": timeout,
            "key": key,
            "max_retries": max_retries,
            "call_result_cache": call_result_cache,
            "call_result_cache_ttl": call_result_cache_ttl,
        }
        said = {name: value for name, value in given.items() if value is not None}
        return TunedTask(self._calls.tuned(check_call_options(said, self.conf)))

    @property
    def invocation(self) -> Invocation[R_co]:
        """Inside the task: the invocation that runs.

        Raises:
            InvocationCancelledError: it was cancelled. A long loop may look here now and then.
            TaskTimeoutError: it has had its time.
            RuntimeError: no invocation of this task runs here.
        """
        now = entered()
        if now is None or now.task_id != self.task_id:
            message = (
                f"{self.task_id}.invocation is there only while the task runs: elsewhere keep what "
                "the call returned, or use app.get_invocation(id)"
            )
            raise RuntimeError(message)
        return self._calls.handle(now.invocation_id, self._calls.engine_now())

    @property
    def retriable_exceptions(self) -> tuple[type[BaseException], ...]:
        """Exceptions after which it is tried again: those of ``retry_for``, and ``RetryError``.

        >>> fetch.retriable_exceptions  # doctest: +SKIP
        (<class 'pynenc_pg.exceptions.RetryError'>, <class 'ConnectionError'>)
        """
        return (RetryError, *(kind for kind in self.conf.retry_for if kind is not RetryError))

    @property
    def workflow(self) -> WorkflowIdentity:
        """Inside the task: which workflow it belongs to.

        Raises:
            WorkflowError: no invocation of this task runs here.
        """
        return identity_of(running_of(self.definition), self._calls.engine_now()())

    def get_invocation(self, invocation_id: str, *, reused: bool = False) -> Invocation[R_co]:
        """Return the handle of an invocation of this task, without asking the store."""
        return self._calls.handle(invocation_id, self._calls.engine_now(), reused=reused)

    def __repr__(self) -> str:
        """Name the task."""
        return f"<Task {self.task_id}>"

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle by module and name."""
        return _find, (self.func.__module__, self.func.__qualname__)


class TaskOptions(TypedDict, total=False):
    """What a decorator may say of a task: see ``docs/reference/configuration.md``."""

    #: Exceptions after which it is tried again; ``RetryError`` always is.
    retry_for: type[BaseException] | Sequence[type[BaseException]]
    #: Attempts after the first.
    max_retries: int
    #: Seconds before the first retry, or a function of the attempt (from 1) and its exception.
    retry_delay: float | Callable[[int, BaseException], float]
    #: By how much the delay grows from retry to retry: 1 or more.
    retry_backoff: float
    #: Seconds that no delay exceeds.
    retry_max_delay: float
    #: Whether delays vary at random.
    retry_jitter: bool
    #: Seconds that one attempt may take.
    timeout: float | timedelta | None
    #: Seconds in which a call must begin, from when it may; else it ends unrun.
    expires: float | timedelta | None
    #: Called with the invocation and the result, where it was executed.
    on_success: Callable[[Invocation[Any], Any], object] | None
    #: Called with the invocation and the exception, when it has failed for good.
    on_failure: Callable[[Invocation[Any], BaseException], object] | None
    #: Called with the invocation, the exception and the seconds until the next attempt.
    on_retry: Callable[[Invocation[Any], BaseException, float], object] | None
    #: Carries arguments and results: a class, a name, a dotted path.
    serializer_cls: str | type[BaseSerializer]
    #: Arguments that stay in the row of their call, however large; ``"*"``: all of them.
    disable_cache_args: str | Sequence[str]
    #: Whether a call becomes an equal one that has succeeded.
    call_result_cache: bool
    #: For how many seconds after its end it may.
    call_result_cache_ttl: float | timedelta | None
    #: Whether it is a workflow of its own, whoever calls it.
    force_new_workflow: bool
    #: Calls that ``parallelize`` registers in one round trip.
    parallel_batch_size: int
    #: Where calls wait.
    queue: str
    #: -100 to 100; higher goes first.
    priority: float
    #: Which calls become one that was not begun yet.
    registration_concurrency: ConcurrencyControlType | str
    #: Which invocations share ``max_running``.
    running_concurrency: ConcurrencyControlType | str
    #: The parameters that count where a scope is ``KEYS``.
    key_arguments: str | Sequence[str]
    #: How many run at once in one scope.
    max_running: int
    #: How many begin in a period in one scope: ``"100/m"``.
    rate_limit: str | RateLimit | None
    #: With registration ``KEYS``: refuse a call that would become one with other arguments.
    on_diff_non_key_args_raise: bool
    #: Whether what may not run yet waits; if not, it ends unrun.
    reroute_on_concurrency_control: bool
    #: What starts it by itself.
    triggers: TriggerBuilder | Iterable[TriggerBuilder]


class TaskDecorator(Protocol):
    """What ``app.task(...)`` returns. An ``async def`` has the result that it has when awaited."""

    @overload
    def __call__(self, func: Callable[P, NoReturn], /) -> Task[P, NoReturn]: ...
    @overload
    def __call__(self, func: Callable[P, Coroutine[Any, Any, R]], /) -> Task[P, R]: ...
    @overload
    def __call__(self, func: Callable[P, R], /) -> Task[P, R]: ...


class DirectTask(Protocol[P, R_co]):
    """What ``app.direct_task`` makes of a function: it is called like the function itself."""

    @property
    def task(self) -> Task[P, Any]:
        """The task that a call runs."""
        ...

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R_co:
        """Call the task, wait, and return what it returned."""
        ...


#: Gets the arguments of a call by name; returns what ``parallelize`` takes.
Split = Callable[[dict[str, Any]], Iterable[Params] | tuple[dict[str, Any], Iterable[Params]]]


def direct(
    task: Task[..., Any],
    parallel_func: Split | None,
    aggregate_func: Callable[[list[Any]], Any] | None,
) -> DirectTask[..., Any]:
    """Return a function that calls a task, or several, and waits: see ``app.direct_task``."""

    def parts(*args: Any, **kwargs: Any) -> InvocationGroup[Any]:
        arguments = dict(task.args(*args, **kwargs).kwargs)
        made: Any = parallel_func(arguments) if parallel_func else ()
        pair = isinstance(made, tuple) and len(made) == 2  # noqa: PLR2004
        if pair and isinstance(made[0], dict) and not isinstance(made[1], dict):
            return task.parallelize(made[1], made[0])
        return task.parallelize(made)

    def call(*args: Any, **kwargs: Any) -> Any:
        if aggregate_func is None:
            return task(*args, **kwargs).result
        return aggregate_func(list(parts(*args, **kwargs).results))

    async def call_async(*args: Any, **kwargs: Any) -> Any:
        if aggregate_func is None:
            return await (await task.acall(*args, **kwargs)).async_result()
        group = await asyncio.to_thread(parts, *args, **kwargs)
        return aggregate_func([result async for result in group.async_results()])

    chosen: Any = call_async if inspect.iscoroutinefunction(task.func) else call
    functools.update_wrapper(chosen, task.func)
    chosen.task = task  # how it is found, by whoever unpickles it
    return chosen  # type: ignore[no-any-return]


def _find(module: str, name: str) -> Task[..., Any]:
    found = attrgetter(name)(importlib.import_module(module))
    found = getattr(found, "task", found) if not isinstance(found, Task) else found
    if not isinstance(found, Task):
        message = (
            f"{module}.{name} was pickled as a task, and is {type(found).__qualname__} in this "
            "process: decorate it with @app.task here as well"
        )
        raise TaskNotFoundError(message)
    return found
