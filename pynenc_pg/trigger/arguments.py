"""The arguments of a task that a trigger starts: where they come from, and what wins.

A trigger has any number of sources. Each gives some arguments; they are merged in the order in
which the sources were written, and of two with one name the later one counts. A source for events,
statuses, results or exceptions gives nothing where no such cause has fired, and is asked once for
each where several have. Without any source the task is called without arguments.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from pynenc_pg.domain.arguments import short_repr
from pynenc_pg.exceptions import TriggerCallableError, TriggerDefinitionError
from pynenc_pg.trigger.callables import CallableRef
from pynenc_pg.trigger.conditions.base import Context
from pynenc_pg.trigger.conditions.event import EventContext
from pynenc_pg.trigger.conditions.exception import ExceptionContext
from pynenc_pg.trigger.conditions.result import ResultContext
from pynenc_pg.trigger.conditions.status import StatusContext
from pynenc_pg.trigger.json_values import as_json
from pynenc_pg.trigger.trigger_context import TriggerContext

_CONTEXTS: Final[dict[str, type[Context]]] = {
    "event": EventContext,
    "status": StatusContext,
    "result": ResultContext,
    "exception": ExceptionContext,
}


def _of_exception(context: ExceptionContext) -> dict[str, Any]:
    return {
        "exception_type": context.exception_type,
        "exception_message": context.exception_message,
    }


#: What a source gives that has no function.
_DEFAULTS: Final[dict[str, Callable[[Any], Any]]] = {
    "event": lambda context: context.payload,
    "status": lambda context: dict(context.arguments.kwargs),
    "result": lambda context: {"result": context.result},
    "exception": _of_exception,
}


@dataclass(frozen=True, slots=True)
class StaticArguments:
    """The same arguments each time."""

    values: Mapping[str, Any]

    @classmethod
    def of(cls, given: object) -> StaticArguments:
        """Check and copy what a user wrote.

        Raises:
            TriggerDefinitionError: it is no dict with the names of parameters, or not JSON.
        """
        if not isinstance(given, Mapping):
            message = f"with_args_static({short_repr(given)}): give a dict, as {{'x': 1}}"
            raise TriggerDefinitionError(message)
        return cls(as_json(dict(given), "with_args_static", exactly=True))

    def give(self, _context: TriggerContext) -> dict[str, Any]:
        """Return them."""
        # The task's own, whatever it does with a list among them.
        return as_json(self.values, "with_args_static")  # type: ignore[no-any-return]

    def to_json(self) -> dict[str, Any]:
        """Return it as it is stored."""
        return {"kind": "static", "values": dict(self.values)}


@dataclass(frozen=True, slots=True)
class ContextArguments:
    """What a function makes of the contexts of one kind; without one, what suggests itself.

    That is the payload of an event, the arguments of the call whose status it is, ``result``, and
    ``exception_type`` with ``exception_message``.
    """

    kind: str
    function: CallableRef | None = None

    def give(self, context: TriggerContext) -> dict[str, Any]:
        """Return what it gives for each of the contexts of its kind, merged."""
        give = self.function or _DEFAULTS[self.kind]
        made: dict[str, Any] = {}
        for one in context.of(_CONTEXTS[self.kind]):
            made |= _checked(give(one), self.function or f"the {self.kind} itself")
        return made

    def to_json(self) -> dict[str, Any]:
        """Return it as it is stored."""
        address = None if self.function is None else self.function.address
        return {"kind": self.kind, "function": address}


@dataclass(frozen=True, slots=True)
class ProvidedArguments:
    """What a function makes of all that has fired."""

    function: CallableRef

    def give(self, context: TriggerContext) -> dict[str, Any]:
        """Return what it gives."""
        return _checked(self.function(context), self.function)

    def to_json(self) -> dict[str, Any]:
        """Return it as it is stored."""
        return {"kind": "trigger_context", "function": self.function.address}


ArgumentSource = StaticArguments | ContextArguments | ProvidedArguments


def build_arguments(sources: Iterable[ArgumentSource], context: TriggerContext) -> dict[str, Any]:
    """Return the arguments of the call that a firing makes.

    Raises:
        TriggerCallableError: a function is not known in this process, or returned no dict of
            arguments. What it raises by itself arrives as itself.
    """
    made: dict[str, Any] = {}
    for source in sources:
        made |= source.give(context)
    return made


def source_from_json(stored: Mapping[str, Any]) -> ArgumentSource:
    """Read what a source's ``to_json`` returned.

    Raises:
        TriggerDefinitionError: it is of a kind that this version does not know.
    """
    kind, address = stored.get("kind"), stored.get("function")
    ref = None if address is None else CallableRef(address)
    if kind == "static":
        return StaticArguments(dict(stored["values"]))
    if kind == "trigger_context" and ref is not None:
        return ProvidedArguments(ref)
    if kind in _DEFAULTS:
        return ContextArguments(str(kind), ref)
    message = f"arguments of kind {kind!r} are not known to this version: upgrade pynenc_pg"
    raise TriggerDefinitionError(message)


def _checked(given: Any, source: CallableRef | str) -> dict[str, Any]:
    if isinstance(given, Mapping) and all(isinstance(name, str) for name in given):
        return dict(given)
    name = source.address if isinstance(source, CallableRef) else source
    message = (
        f"{name} gave {short_repr(given)} as arguments of a triggered task: it must be a dict "
        "with the names of the parameters as keys"
    )
    raise TriggerCallableError(message)
