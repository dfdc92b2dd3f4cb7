"""Task options: what a decorator may say, and what the configuration may say of tasks."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Annotated, Any, ClassVar, Final

from pydantic import ConfigDict, Field

from pynenc_pg.conf.options import checked
from pynenc_pg.conf.section import Section
from pynenc_pg.conf.values import (
    ArgumentNames,
    ClassOrPath,
    Exceptions,
    Limit,
    NamedExceptions,
    ParameterNames,
    QueueName,
    Rate,
    Scope,
)
from pynenc_pg.domain.concurrency import UNLIMITED, ConcurrencyControlType
from pynenc_pg.exceptions import RetryError

__all__ = [
    "ConcurrencyControlType",
    "Delay",
    "Hook",
    "TaskConf",
    "TaskSection",
    "TaskSetting",
    "check_options",
    "task_key",
]

_WILDCARDS: Final = frozenset("*?[")

#: Seconds before the next attempt, from the number of the attempt that failed and its exception.
Delay = Callable[[int, BaseException], float]
#: Gets the invocation, then what it is told of: a result, an exception, an exception and seconds.
Hook = Callable[..., Any]


class TaskSection(Section):
    """Section ``task``: options of all tasks for which nothing else is said."""

    model_config = ConfigDict(frozen=True)
    section: ClassVar[str] = "task"

    #: Exception types after which it is tried again; ``RetryError`` always is.
    retry_for: NamedExceptions = (RetryError,)
    #: Attempts after the first.
    max_retries: int = Field(default=0, ge=0)
    #: Seconds before the first retry, or a function that says how many before each.
    retry_delay: Annotated[float, Field(ge=0)] | Delay = 0.0
    #: By how much the delay grows from one retry to the next.
    retry_backoff: float = Field(default=2.0, ge=1)
    #: Seconds which no delay exceeds.
    retry_max_delay: float = Field(default=3600.0, ge=0)
    #: Vary the delay at random, so that what failed together is not tried again together.
    retry_jitter: bool = True
    #: Seconds that one attempt may take, waits for others included.
    timeout: Limit = None
    #: Seconds in which a call must be begun, from when it may be; else it ends unrun.
    expires: Limit = None
    #: Carries arguments and results of this task; none: the app's serializer.
    serializer_cls: ClassOrPath | None = None
    #: Parameters whose arguments stay in the rows of their calls, however large; ``*``: all.
    disable_cache_args: ArgumentNames = ()
    #: A call becomes an equal one that has succeeded, if there is one.
    call_result_cache: bool = False
    #: Seconds for which it may, from its end; none: as long as it is kept.
    call_result_cache_ttl: Limit = None
    #: Seconds for which a finished call is kept, from its end; none: as long as all are.
    keep: Limit = None
    #: The same of a call that has failed; none: as ``keep``.
    keep_failed: Limit = None
    #: Calls of it made in a task are workflows of their own, and not parts of the caller's.
    force_new_workflow: bool = False
    #: Calls that ``parallelize`` registers in one round trip.
    parallel_batch_size: int = Field(default=1000, ge=1)
    queue: QueueName = "default"
    #: -100 to 100, higher first.
    priority: float = Field(default=0.0, ge=-100, le=100)
    #: A call becomes an invocation that is the same in this scope and was not begun yet.
    registration_concurrency: Scope = ConcurrencyControlType.DISABLED
    #: Of those that are the same in this scope no more than ``max_running`` run at once.
    running_concurrency: Scope = ConcurrencyControlType.DISABLED
    #: The parameters that count where a scope is ``keys``.
    key_arguments: ParameterNames = ()
    #: How many may run at once.
    max_running: int = Field(default=1, ge=1, le=1_000_000)
    #: How many may begin in any period: of the same by ``running_concurrency``, else of the task.
    rate_limit: Rate = None
    #: Refuse a call that would become an invocation with other arguments.
    on_diff_non_key_args_raise: bool = False
    #: Whether what may not run yet waits; if not, it ends as CONCURRENCY_CONTROLLED_FINAL.
    reroute_on_concurrency_control: bool = True


class TaskConf(TaskSection):
    """Options of one task, settled when it is defined."""

    retry_for: Exceptions = (RetryError,)
    #: Called after an attempt that returned, with the invocation and the result.
    on_success: Hook | None = None
    #: Called after the last attempt has failed, with the invocation and the exception.
    on_failure: Hook | None = None
    #: Called after an attempt that another one follows, with the invocation, exception and seconds.
    on_retry: Hook | None = None

    @property
    def concurrency_controlled(self) -> bool:
        """Whether calls need keys."""
        off = ConcurrencyControlType.DISABLED
        return self.registration_concurrency is not off or self.limited is not off

    @property
    def refuses_different(self) -> bool:
        """Whether a call may not become an invocation with other arguments."""
        by_keys = self.registration_concurrency is ConcurrencyControlType.KEYS
        return by_keys and self.on_diff_non_key_args_raise

    @property
    def must_not_wait(self) -> bool:
        """Whether what may not run at once ends instead of waiting."""
        limited = self.limited is not ConcurrencyControlType.DISABLED
        return limited and not self.reroute_on_concurrency_control

    @property
    def limited(self) -> ConcurrencyControlType:
        """Which invocations share slots and rate limit."""
        off = ConcurrencyControlType.DISABLED
        if self.running_concurrency is off and self.rate_limit is not None:
            return ConcurrencyControlType.TASK
        return self.running_concurrency

    @property
    def slots(self) -> int:
        """How many of them may run at once."""
        off = self.running_concurrency is ConcurrencyControlType.DISABLED
        return UNLIMITED if off else self.max_running


@dataclass(frozen=True, slots=True)
class TaskSetting:
    """One option that the configuration sets for one task, or for all whose ids fit a pattern."""

    #: With ``*``, ``?`` or ``[`` in it, which no id has, it is a pattern as of ``fnmatch``.
    task_id: str
    field: str
    value: Any
    source: str
    #: The environment does not tell upper from lower case.
    any_case: bool = False

    def is_for(self, task_id: str) -> bool:
        """Whether it is about that task."""
        meant = self.task_id
        if self.any_case:
            meant, task_id = meant.casefold(), task_id.casefold()
        return fnmatchcase(task_id, meant) if self.is_pattern else task_id == meant

    @property
    def is_pattern(self) -> bool:
        """Whether it may be about several tasks."""
        return not _WILDCARDS.isdisjoint(self.task_id)

    @property
    def rank(self) -> tuple[bool, int]:
        """Higher for what beats the other, whatever their sources: names, then longer patterns."""
        return not self.is_pattern, len(self.task_id) if self.is_pattern else 0

    @property
    def key(self) -> str:
        """What it is called in errors and in ``config show``."""
        return task_key(self.task_id, self.field)


def task_key(task_id: str, field: str) -> str:
    """Name an option of one task, as files do."""
    return f'task."{task_id}".{field}'


def check_options(options: Mapping[str, Any]) -> TaskConf:
    """Return what a decorator says, with defaults for what it leaves out.

    Raises:
        InvalidTaskOptionsError: an option that does not exist, or a value it cannot have.
    """
    return checked(TaskConf, options, "task option")
