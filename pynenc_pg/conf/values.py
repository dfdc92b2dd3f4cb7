"""Types of settings, and how text from a file or the environment becomes one."""

from __future__ import annotations

import builtins
import importlib.util
import json
import pkgutil
import re
from collections.abc import Iterable
from datetime import timedelta
from difflib import get_close_matches
from typing import Annotated, Any, Final, Literal

from pydantic import AfterValidator, BeforeValidator, Field, TypeAdapter, ValidationError

from pynenc_pg import exceptions
from pynenc_pg.conf.wording import allowed, shown
from pynenc_pg.domain.concurrency import ConcurrencyControlType, RateLimit
from pynenc_pg.exceptions import DataRejectedError


def _lower(value: Any) -> Any:
    return value.lower() if isinstance(value, str) else value


LogLevel = Annotated[
    Literal["debug", "info", "warning", "error", "critical"], BeforeValidator(_lower)
]
LogFormat = Annotated[Literal["text", "json"], BeforeValidator(_lower)]
PrintMode = Annotated[Literal["hidden", "keys", "truncated", "full"], BeforeValidator(_lower)]


def _queue_name(value: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9_.-]+", value):
        message = "the name of a queue has letters, digits, '_', '.' and '-' only"
        raise ValueError(message)
    return value


#: A hundred years: what is longer is a mistake in the unit.
_LONGEST: Final = 100 * 365.25 * 86_400.0


def _seconds(value: Any) -> Any:
    return value.total_seconds() if isinstance(value, timedelta) else value


def _limit(value: Any) -> Any:
    unlimited = isinstance(value, str) and value.strip().lower() in {"", "none"}
    return None if unlimited else _seconds(value)


#: A number, or a timedelta.
Seconds = Annotated[float, BeforeValidator(_seconds), Field(le=_LONGEST)]
#: The same above 0; ``none`` is how a file or a variable says that there is no limit.
Limit = Annotated[Annotated[float, Field(gt=0, le=_LONGEST)] | None, BeforeValidator(_limit)]

QueueName = Annotated[str, AfterValidator(_queue_name)]
_QUEUE_NAME: Final[TypeAdapter[str]] = TypeAdapter(QueueName)


def queue_name(name: str) -> str:
    """Return the name, if a queue can have it.

    Raises:
        DataRejectedError: none can.
    """
    try:
        return _QUEUE_NAME.validate_python(name)
    except ValidationError as error:
        message = f"queue = {shown(name)}: {allowed(error)}"
        raise DataRejectedError(message) from None


#: Which invocations count as the same: a member, its name or its value.
Scope = Annotated[ConcurrencyControlType, BeforeValidator(_lower)]


#: Characters a key must have: fewer can be guessed.
SHORTEST: Final = 32


def _long_enough(keys: tuple[str, ...]) -> tuple[str, ...]:
    if any(len(key) < SHORTEST for key in keys):
        message = (
            f"a key for signatures has {SHORTEST} characters or more "
            '(python -c "import secrets; print(secrets.token_hex(32))" makes one)'
        )
        raise ValueError(message)
    return keys


def _keys(value: Any) -> Any:
    found = split(value)
    return tuple(found) if isinstance(found, list | tuple) else found


#: One, or several between commas: the first is the newest.
SigningKeys = Annotated[tuple[str, ...], BeforeValidator(_keys), AfterValidator(_long_enough)]


def _rate(value: Any) -> Any:
    if isinstance(value, str):
        return None if value.strip().lower() in {"", "none"} else RateLimit.parse(value)
    return value


#: As ``100/m``; ``none`` is how a file or a variable says that there is no limit.
Rate = Annotated[RateLimit | None, BeforeValidator(_rate)]

#: A name, a dotted path, or the class itself.
ClassOrPath = Annotated[str, Field(min_length=1)] | type[Any]


def split(value: Any) -> Any:
    """Make a list of text: JSON if it begins like a list, else what stands between commas."""
    if not isinstance(value, str):
        return value
    if value.lstrip().startswith("["):
        try:
            return json.loads(value)
        except ValueError as error:
            message = f"looks like a JSON list but is none: {error}"
            raise ValueError(message) from None
    return [part.strip() for part in value.split(",") if part.strip()]


def _module_name(value: str) -> str:
    if not re.fullmatch(r"[^\W\d]\w*(\.[^\W\d]\w*)*(:[^\W\d]\w*)?", value):
        message = (
            f"{value!r} is no name of a module, as shop.models, or of one thing in it, as shop:f"
        )
        raise ValueError(message)
    return value


#: Modules, by their dotted names.
TaskModules = Annotated[
    tuple[Annotated[str, Field(pattern=r"^[^\W\d]\w*(\.[^\W\d]\w*)*$")], ...],
    BeforeValidator(split),
]
#: Modules with what is below them, and single functions as ``module:name``.
ModuleNames = Annotated[
    tuple[Annotated[str, AfterValidator(_module_name)], ...],
    BeforeValidator(split),
    Field(min_length=1),
]


def _listed(value: Any) -> Any:
    value = split(value)
    return [value] if isinstance(value, type) else value


def _known_or_importable(name: str) -> str:
    """Refuse a name that cannot be an exception, without importing anything of the user's.

    The configuration is read where the app is made, in the middle of the imports of the user's
    modules: importing one of them here would go round in a circle.
    """
    if not re.fullmatch(r"[^\W\d]\w*(\.[^\W\d]\w*)*", name):
        message = "must be the name of an exception, as ValueError or package.module.Error"
        raise ValueError(message)
    top, dotted, _ = name.partition(".")
    if not dotted:
        exception_named(name)
        return name
    try:
        found = importlib.util.find_spec(top) is not None
    except ValueError:  # a module that was not imported the usual way, as __main__
        found = True
    if not found:
        message = f"must name an exception: there is no module {top}"
        raise ValueError(message)
    return name


def exception_named(name: str) -> type[BaseException]:
    """Return the exception of that name; one with dots is imported.

    Raises:
        ValueError: there is none, with the reason.
    """
    if "." not in name:
        known = dict(_exceptions(vars(builtins)) | _exceptions(vars(exceptions)))
        if name in known:
            return known[name]
        near = get_close_matches(name, known, n=1)
        way_out = f"did you mean {near[0]}?" if near else "write package.module.Error"
        message = f"{name} is no exception of Python's or of pynenc_pg's: {way_out}"
        raise ValueError(message)
    try:
        found = pkgutil.resolve_name(name)
    except (ImportError, AttributeError, ValueError) as error:
        message = f"{name} cannot be imported: {error}"
        raise ValueError(message) from error
    if not (isinstance(found, type) and issubclass(found, BaseException)):
        message = f"{name} is {found!r:.80}, no exception"
        raise ValueError(message)  # noqa: TRY004 - what pydantic turns into an error of the field
    return found


def _exceptions(names: dict[str, Any]) -> dict[str, type[BaseException]]:
    return {
        name: value
        for name, value in names.items()
        if isinstance(value, type) and issubclass(value, BaseException)
    }


def _resolved(value: Any) -> Any:
    value = _listed(value)
    if not isinstance(value, Iterable):
        return value
    return tuple(exception_named(each) if isinstance(each, str) else each for each in value)


#: Of the configuration: exceptions by name are imported when a task is defined, not before.
NamedExceptions = Annotated[
    tuple[type[BaseException] | Annotated[str, AfterValidator(_known_or_importable)], ...],
    BeforeValidator(_listed),
]
#: Of a task: the exceptions themselves.
Exceptions = Annotated[tuple[type[BaseException], ...], BeforeValidator(_resolved)]
Names = Annotated[tuple[QueueName, ...], BeforeValidator(split)]


def _parameter_name(value: str) -> str:
    if not value.isidentifier():
        message = f"{value!r} is no name of a parameter"
        raise ValueError(message)
    return value


ParameterNames = Annotated[
    tuple[Annotated[str, AfterValidator(_parameter_name)], ...], BeforeValidator(split)
]


def _argument_name(value: str) -> str:
    return value if value == "*" else _parameter_name(value)


#: As ``ParameterNames``; ``*`` means all of them.
ArgumentNames = Annotated[
    tuple[Annotated[str, AfterValidator(_argument_name)], ...], BeforeValidator(split)
]
