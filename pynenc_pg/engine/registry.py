"""The tasks an app knows, by id. Only these are ever called, whatever a row says."""

from __future__ import annotations

from collections.abc import Callable, Collection
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass, field
from difflib import get_close_matches
from inspect import Parameter, Signature, isasyncgenfunction, iscoroutinefunction, unwrap
from typing import Any, Final

from pynenc_pg.conf.config_task import TaskConf
from pynenc_pg.domain.known import Kind, KnownParameter, Misfit, misfit
from pynenc_pg.exceptions import InvalidTaskOptionsError, TaskNotFoundError
from pynenc_pg.serializer.base import BaseSerializer
from pynenc_pg.serializer.built_in import make_serializer
from pynenc_pg.serializer.typed import TaskTypes, TypedJsonSerializer

_KINDS: Final = {
    Parameter.POSITIONAL_ONLY: Kind.POSITIONAL,
    Parameter.POSITIONAL_OR_KEYWORD: Kind.NAMED,
    Parameter.KEYWORD_ONLY: Kind.NAMED,
    Parameter.VAR_POSITIONAL: Kind.VAR_POSITIONAL,
    Parameter.VAR_KEYWORD: Kind.VAR_KEYWORD,
}


def _never_called(*_: Any) -> Any:
    message = "this task is not known here"
    raise TaskNotFoundError(message)


@dataclass(frozen=True, slots=True)
class TaskDefinition:
    """A function with what its calls need."""

    task_id: str
    function: Callable[..., Any]
    signature: Signature
    conf: TaskConf
    #: Makes the handle of one of its invocations.
    handle: Callable[[str], Any] = _never_called
    #: Every parameter can be given by its name.
    by_name: bool = field(init=False)
    #: Those that must be given, and all that may be.
    required: frozenset[str] = field(init=False)
    names: frozenset[str] = field(init=False)
    #: What a serializer that goes by annotations makes of them, at the first use.
    _types: list[TaskTypes] = field(init=False, default_factory=list, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Look at the parameters once."""
        named = {Parameter.POSITIONAL_OR_KEYWORD, Parameter.KEYWORD_ONLY}
        kinds = {parameter.kind for parameter in self.signature.parameters.values()}
        object.__setattr__(self, "by_name", kinds <= named)
        variable = {Parameter.VAR_POSITIONAL, Parameter.VAR_KEYWORD}
        required = {
            name
            for name, parameter in self.signature.parameters.items()
            if parameter.default is Parameter.empty and parameter.kind not in variable
        }
        object.__setattr__(self, "required", frozenset(required))
        object.__setattr__(self, "names", frozenset(self.signature.parameters))

    @property
    def defaults(self) -> dict[str, Any]:
        """What parameters are where nothing is given."""
        return {
            name: parameter.default
            for name, parameter in self.signature.parameters.items()
            if parameter.default is not Parameter.empty
        }

    def types(self, serializer: BaseSerializer) -> TaskTypes | None:
        """Return what carries the values by their annotations, if the serializer goes by them.

        Raises:
            InvalidTaskOptionsError: one of them cannot be carried, or names what is not known.
        """
        if not serializer.typed:
            return None
        if not self._types:
            try:
                self._types.append(TaskTypes(self.task_id, self.function, self.signature))
            except NameError as error:
                message = (
                    f"an annotation of {self.task_id} cannot be read: {error}; TypedJsonSerializer "
                    "needs it at run time: define or import it at the top of the task's module, "
                    "and not under TYPE_CHECKING"
                )
                raise InvalidTaskOptionsError(message) from error
        return self._types[0]

    def check_types(self, serializer_cls: object) -> None:
        """Look at the annotations where the task is defined, if that goes by them.

        Names that are defined further down in the module are waited for.

        Raises:
            InvalidTaskOptionsError: one of them cannot be carried.
        """
        chosen = self.conf.serializer_cls or serializer_cls
        named = chosen == TypedJsonSerializer.__name__
        if named or (isinstance(chosen, type) and getattr(chosen, "typed", False)):
            with suppress(NameError):
                self._types[:] = [TaskTypes(self.task_id, self.function, self.signature)]

    def misfit(self, names: Collection[str]) -> Misfit:
        """Compare the names of arguments with the parameters."""
        return misfit(self.described(), names)

    def described(self) -> list[KnownParameter]:
        """Describe the parameters as others are told of them."""
        return [
            KnownParameter(name, _KINDS[parameter.kind], name in self.required)
            for name, parameter in self.signature.parameters.items()
        ]


#: Surrounds the execution of an invocation, which it gets the handle of.
Middleware = Callable[[Any], AbstractContextManager[Any]]


def unknown_task(task_id: str) -> TaskDefinition:
    """Return what stands for a task that a newer deployment has."""
    return TaskDefinition(task_id, _never_called, Signature(), TaskConf())


@dataclass(slots=True)
class Registry:
    """Task definitions by id, and what surrounds their execution, outermost first."""

    middleware: list[Middleware] = field(default_factory=list)
    #: Grows when a task comes or is defined anew.
    version: int = 0
    _definitions: dict[str, TaskDefinition] = field(default_factory=dict)
    _serializers: dict[str, BaseSerializer] = field(default_factory=dict)

    def add(self, definition: TaskDefinition) -> None:
        """Add or replace: a module that is reloaded defines its tasks anew."""
        self._definitions[definition.task_id] = definition
        self.version += 1
        self._serializers.pop(definition.task_id, None)

    def modules(self) -> list[str]:
        """Return where the tasks are defined."""
        return [one.function.__module__ for one in list(self._definitions.values())]

    def surround(self, middleware: Middleware) -> None:
        """Have each execution surrounded by what this makes.

        Raises:
            TypeError: it is asynchronous.
        """
        made = unwrap(middleware)
        if iscoroutinefunction(made) or isasyncgenfunction(made):
            message = (
                f"{made.__qualname__} is asynchronous: middleware surrounds plain functions, too, "
                "so it must be a plain context manager (contextlib.contextmanager)"
            )
            raise TypeError(message)
        self.middleware.append(middleware)

    def definitions(self) -> list[TaskDefinition]:
        """Return all of them, by id."""
        return sorted(self._definitions.values(), key=lambda task: task.task_id)

    def find(self, task_id: str) -> TaskDefinition | None:
        """Return the definition, if there is one."""
        return self._definitions.get(task_id)

    def serializer(self, task: TaskDefinition | None, default: BaseSerializer) -> BaseSerializer:
        """Return the task's own serializer, or ``default``.

        Made at the first use: the module it is in may import the one that defines the task.

        Raises:
            ConfigError: the task's ``serializer_cls`` names none.
        """
        if task is None or task.conf.serializer_cls is None:
            return default
        own, allowed = self._serializers.get(task.task_id), default.allowed_modules
        if own is None or own.allowed_modules != allowed:
            own = make_serializer(task.conf.serializer_cls, allowed)
            self._serializers[task.task_id] = own
        return own

    def get(self, task_id: str) -> TaskDefinition:
        """Return the definition.

        Raises:
            TaskNotFoundError: names the task and those that are known.
        """
        found = self._definitions.get(task_id)
        if found is None:
            known = sorted(self._definitions)
            some = ", ".join(get_close_matches(task_id, known, n=3) or known[:3]) or "none"
            message = (
                f"no task {task_id!r} in this app (of the {len(known)} it knows: {some}); "
                "import the module that defines it before the runner starts"
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
