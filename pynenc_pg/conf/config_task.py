"""Task options: what a decorator may say, and what the configuration may say of tasks."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Annotated, Any, ClassVar

from pydantic import ConfigDict, Field, ValidationError

from pynenc_pg.conf.section import Section
from pynenc_pg.conf.values import ClassOrPath, Exceptions, NamedExceptions, QueueName
from pynenc_pg.conf.wording import allowed, shown
from pynenc_pg.exceptions import InvalidTaskOptionsError, RetryError

#: Seconds before the next attempt, from the number of the attempt that failed and its exception.
Delay = Callable[[int, BaseException], float]


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
    #: Carries arguments and results of this task; none: the app's serializer.
    serializer_cls: ClassOrPath | None = None
    queue: QueueName = "default"
    #: -100 to 100, higher first.
    priority: float = Field(default=0.0, ge=-100, le=100)


class TaskConf(TaskSection):
    """Options of one task, settled when it is defined."""

    retry_for: Exceptions = (RetryError,)


@dataclass(frozen=True, slots=True)
class TaskSetting:
    """One option that the configuration sets for one task."""

    task_id: str
    field: str
    value: Any
    source: str
    #: The environment does not tell upper from lower case.
    any_case: bool = False

    def is_for(self, task_id: str) -> bool:
        """Whether it is about that task."""
        if self.any_case:
            return self.task_id.casefold() == task_id.casefold()
        return self.task_id == task_id

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
    for name, value in options.items():
        if name not in TaskConf.model_fields:
            near = get_close_matches(name, TaskConf.model_fields, n=1)
            known = f"there are {', '.join(TaskConf.model_fields)}"
            way_out = f"did you mean {near[0]!r}?" if near else known
            message = f"{name!r} is no task option: {way_out}"
            raise InvalidTaskOptionsError(message)
        try:
            TaskConf.model_validate({name: value})
        except ValidationError as error:
            message = f"{name} = {shown(value)}: {allowed(error)}"
            raise InvalidTaskOptionsError(message) from None
    return TaskConf.model_validate(dict(options))
