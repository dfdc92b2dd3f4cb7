"""Conditions on what a task raised."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, ClassVar, Final, Self

from pynenc_pg.domain.arguments import short_repr
from pynenc_pg.exceptions import TriggerDefinitionError
from pynenc_pg.invocation.status import InvocationStatus
from pynenc_pg.serializer.classes import name_of
from pynenc_pg.trigger.conditions.base import Condition, Context, Watch
from pynenc_pg.trigger.conditions.status import StatusContext
from pynenc_pg.trigger.filters import Filter, read, stored

#: What is known of the bases of a class that is not imported.
_BASES_OF_ALL: Final = frozenset({"builtins:Exception", "builtins:BaseException"})


@dataclass(frozen=True, slots=True, kw_only=True)
class ExceptionContext(StatusContext):
    """An invocation that has failed, with what it raised."""

    exception_type: str  #: the qualified name of the class, as "ValueError"
    exception_message: str  #: its text
    exception_module: str = "builtins"  #: where the class is defined
    exception: BaseException | None = None  #: itself, or what stands for it; None if not looked at


@dataclass(frozen=True, slots=True)
class ExceptionCondition(Condition):
    """Met by each invocation of the task that fails with one of the exceptions.

    An attempt after which the task is tried again does not count.
    """

    kind: ClassVar[str] = "exception"
    context_type: ClassVar[type[Context]] = ExceptionContext

    task_id: str
    #: ``module:Name`` is a class with all its subclasses, any other text the name of one class,
    #: with or without its module. Empty: whatever it raised.
    exception_types: tuple[str, ...] = ()
    arguments: Filter | None = None

    @property
    def watches(self) -> Watch:
        """The task's failures; by their names as far as these tell all."""
        by_name = () if self._has_classes else self.exception_types
        return Watch(
            task_id=self.task_id, statuses=(InvocationStatus.FAILED,), exception_types=by_name
        )

    @property
    def is_exact(self) -> bool:
        """Whether Python need not be asked. Only Python knows the bases of a class."""
        # Not super(): the class that slots=True makes anew is another one.
        return not self._has_classes and Condition.is_exact.__get__(self)

    @property
    def _has_classes(self) -> bool:
        return any(":" in name for name in self.exception_types)

    @property
    def _filters(self) -> dict[str, Filter | None]:
        return {"arguments": self.arguments}

    def _met_by(self, context: ExceptionContext) -> bool:
        return (
            context.task_id == self.task_id
            and context.status is InvocationStatus.FAILED
            and (not self.exception_types or not _names(context).isdisjoint(self.exception_types))
            and (self.arguments is None or self.arguments.accepts(dict(context.arguments.kwargs)))
        )

    def _content(self) -> dict[str, Any]:
        return {
            "task_id": self.task_id,
            "exception_types": list(self.exception_types),
            "arguments": stored(self.arguments),
        }

    @classmethod
    def from_json(cls, stored: dict[str, Any]) -> Self:
        """Read what ``to_json`` returned."""
        types = tuple(stored["exception_types"])
        return cls(stored["task_id"], types, read(stored["arguments"]))


def parse_exception_types(
    given: type[BaseException] | str | Iterable[type[BaseException] | str] | None,
) -> tuple[str, ...]:
    """Return the names of exceptions given as classes or names; of none and None, none: all match.

    >>> parse_exception_types([ConnectionError, "shop.errors.Refused"])
    ('builtins:ConnectionError', 'shop.errors.Refused')

    Raises:
        TriggerDefinitionError: something is neither a class of exceptions nor a name.
    """
    if given is None:
        return ()
    single = isinstance(given, str | type) or not isinstance(given, Iterable)
    return tuple(sorted({_type(one) for one in ([given] if single else given)}))  # type: ignore[union-attr]


def _type(given: object) -> str:
    if isinstance(given, type) and issubclass(given, BaseException):
        return ":".join(name_of(given))
    if isinstance(given, str) and all(part.isidentifier() for part in given.split(".")):
        return given
    message = (
        f"exception_types: {short_repr(given)} is no exception: write a class as ValueError, or "
        "its name as 'ValueError' or 'shop.errors.Refused'"
    )
    raise TriggerDefinitionError(message)


def _names(context: ExceptionContext) -> set[str]:
    """Return all names that match what was raised."""
    module, name = context.exception_module, context.exception_type
    names = {name, f"{module}.{name}", f"{module}:{name}"}
    kind = type(context.exception)
    if context.exception is None or name_of(kind) != (module, name):
        return names | _BASES_OF_ALL
    return names | {":".join(name_of(base)) for base in kind.__mro__}
