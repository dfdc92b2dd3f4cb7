"""Functions of the user in the definition of a trigger: filters and providers, by address.

A definition stands in the database and is evaluated by any runner, so a function in it is
``module:name``. A row must not cause an import, nor the call of just anything that is imported:
found is only what this process's own triggers name, and what the modules define that were named
with ``trust_modules``.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from types import FunctionType
from typing import Any, Final

from pynenc_pg.domain.arguments import short_repr
from pynenc_pg.exceptions import TriggerCallableError, TriggerDefinitionError

_WAY_OUT: Final = "define a function at the top of a module and give that one"
_known: dict[str, Callable[..., Any]] = {}
_trusted: set[str] = set()


def trust_modules(names: Iterable[str]) -> None:
    """Let definitions that others have written name functions of these modules, once imported.

    Meant for those that define the app's tasks, and for ``trigger_task_modules``.
    """
    _trusted.update(names)


@dataclass(frozen=True, slots=True)
class CallableRef:
    """The address of a function, ``module:name``; the function itself when it is called."""

    address: str

    @classmethod
    def of(cls, function: Callable[..., Any], role: str) -> CallableRef:
        """Return the address of a function. ``role`` names what it is for in an error.

        Raises:
            TriggerDefinitionError: other processes could not find it, or it is no plain function.
        """
        why = _objection(function)
        if why is not None:
            message = f"{role} {_name(function)} {why}: {_WAY_OUT}"
            raise TriggerDefinitionError(message)
        address = f"{function.__module__}:{function.__qualname__}"
        _known[address] = function
        return cls(address)

    def __call__(self, *args: Any) -> Any:
        """Call the function.

        Raises:
            TriggerCallableError: it is not known in this process.
        """
        return self.resolve()(*args)

    def resolve(self) -> Callable[..., Any]:
        """Return the function.

        Raises:
            TriggerCallableError: it is not known in this process; says why.
        """
        found = _known.get(self.address)
        if found is not None:
            return found
        module, _, name = self.address.partition(":")
        if module not in _trusted:
            why = (
                f"no trigger of this process names it, and module {module!r} has none of its tasks"
            )
        elif module not in sys.modules:
            why = f"module {module!r} is not imported: name it in trigger_task_modules"
        else:
            here = _look_up(module, name)
            # Not what the module has imported from elsewhere.
            own = isinstance(here, FunctionType) and here.__module__ == module
            if own and here.__qualname__ == name:
                return here  # type: ignore[no-any-return]
            why = f"module {module!r} does not define it (any more)"
        message = f"function {self.address!r} of a trigger is not known here: {why}"
        raise TriggerCallableError(message)


def _objection(function: Any) -> str | None:  # noqa: PLR0911 - a list of what is none
    if hasattr(function, "task_id") or hasattr(function, "task"):
        return "is a task, whose call would only register an invocation"
    name, module = (getattr(function, key, None) for key in ("__qualname__", "__module__"))
    if not callable(function) or not isinstance(name, str) or not isinstance(module, str):
        return "has no address by which another process could find it"
    if "<lambda>" in name:
        return "is a lambda, which another process could not find (only module-level functions)"
    if "<" in name:
        return "is defined inside a function, where another process could not find it"
    if module == "__main__":
        return "is defined in a script that is run directly, where a runner would not find it"
    if inspect.iscoroutinefunction(function) or inspect.isgeneratorfunction(function):
        return "does not return its value when it is called (async def, or a generator)"
    if not isinstance(getattr(function, "__self__", None), type | None | type(sys)):
        return "is a method of an object, which is not there in another process"
    if not _takes_one(function):
        return "does not take one argument, by position"
    found = _look_up(module, name)
    # Nothing is found as long as the module, or the class around it, is being defined.
    if found is not None and found != function and inspect.unwrap(found) is not function:
        return f"is not what {module}.{name} is"
    return None


def _takes_one(function: Callable[..., Any]) -> bool:
    try:
        inspect.signature(function).bind(None)
    except TypeError:
        return False
    except ValueError:  # one of C without a signature
        return True
    return True


def _look_up(module: str, name: str) -> Any:
    found: Any = sys.modules.get(module)
    for part in name.split("."):
        found = getattr(found, part, None)
    return found


def _name(function: Any) -> str:
    name = getattr(function, "__qualname__", None)
    return name if isinstance(name, str) else short_repr(function)
