"""Options of one call: where it differs from how its task is called."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Final

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field

from pynenc_pg.conf.config_task import TaskConf
from pynenc_pg.conf.options import checked
from pynenc_pg.conf.values import QueueName, Seconds
from pynenc_pg.exceptions import InvalidTaskOptionsError


def _text(value: str) -> str:
    if "\0" in value or any("\ud800" <= character <= "\udfff" for character in value):
        message = "no database can keep NUL or lone surrogates in a text"
        raise ValueError(message)
    return value


class CallOptions(BaseModel):
    """What is left out is as the task has it."""

    model_config = ConfigDict(frozen=True, allow_inf_nan=False, hide_input_in_errors=True)

    #: Seconds, or a timedelta, before it may be begun.
    delay: Annotated[Seconds, Field(ge=0)] = 0.0
    #: When it may be begun: a time that is aware of its zone.
    at: AwareDatetime | None = None
    #: -100 to 100, higher first.
    priority: Annotated[float, Field(ge=-100, le=100)] | None = None
    queue: QueueName | None = None
    #: Seconds, or a timedelta, in which it must be begun, from when it may be.
    expires: Annotated[Seconds, Field(gt=0)] | None = None
    #: Seconds, or a timedelta, that an attempt may take.
    timeout: Annotated[Seconds, Field(gt=0)] | None = None
    #: The first call of the task with this key counts, and later ones become that one.
    key: Annotated[str, Field(min_length=1, max_length=255), AfterValidator(_text)] | None = None
    #: Whether it may become an equal call that has succeeded.
    call_result_cache: bool | None = None
    #: Seconds, or a timedelta, before it may be begun, in which that must have been; 0: it runs.
    call_result_cache_ttl: Annotated[Seconds, Field(ge=0)] | None = None
    #: Attempts after the first.
    max_retries: Annotated[int, Field(ge=0)] | None = None


#: As the task has it.
UNTUNED: Final = CallOptions()


def check_call_options(options: Mapping[str, Any], conf: TaskConf) -> CallOptions:
    """Return what ``task.options`` was given, of a task with that configuration.

    Raises:
        InvalidTaskOptionsError: an option that does not exist, a value it cannot have, or two that
            say the same, or one that says nothing without another.
    """
    if options.get("delay") and options.get("at"):
        message = "delay and at both say when it may be begun: leave one of them out"
        raise InvalidTaskOptionsError(message)
    said = checked(CallOptions, options, "option of a call")
    cached = conf.call_result_cache if said.call_result_cache is None else said.call_result_cache
    if said.call_result_cache_ttl is not None and not cached:
        message = "call_result_cache_ttl is for calls with call_result_cache: add that, or leave it"
        raise InvalidTaskOptionsError(message)
    return said
