"""Classes by name: found among what this process has imported already, and without running a line.

A row names a class; it must never cause an import, a module's ``__getattr__`` or a property.
"""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any, Final

from pynenc_pg.exceptions import SerializationError

#: Not ``kind.__dict__``: a metaclass may have its own idea of that, and it would be run.
_DICT_OF: Final = type.__dict__["__dict__"].__get__
_MODULE_DICT_OF: Final = vars(ModuleType)["__dict__"].__get__
_MRO_OF: Final = type.__dict__["__mro__"].__get__


def name_of(kind: type) -> tuple[str, str]:
    """Return module and qualified name, whatever a metaclass says about them."""
    module = _DICT_OF(kind).get("__module__")
    if type(module) is not str:  # built-in classes keep it elsewhere
        module = type.__dict__["__module__"].__get__(kind)
    return (
        module if isinstance(module, str) else "",
        str(type.__dict__["__qualname__"].__get__(kind)),
    )


def find_class(module: str, name: str) -> type:
    """Return the class of that qualified name.

    Raises:
        SerializationError: it is not known here; says why.
    """
    found: Any = sys.modules.get(module)
    if not isinstance(found, ModuleType):
        message = f"class {module}:{name} is not known here: module {module!r} is not imported"
        raise SerializationError(message)
    inside: Any = _MODULE_DICT_OF(found)
    for part in name.split("."):
        found = inside.get(part)
        if not isinstance(found, type):
            message = f"{module}:{name} is not a class that is known here (no class {part!r})"
            raise SerializationError(message)
        inside = _DICT_OF(found)
    return found  # type: ignore[no-any-return]


def attribute_of(kind: type, name: str) -> Any:
    """Return what stands under a name in a class or its bases, as it is; None if nothing does."""
    for base in _MRO_OF(kind):
        inside = _DICT_OF(base)
        if name in inside:
            found = inside[name]
            return found.__func__ if isinstance(found, (classmethod, staticmethod)) else found
    return None


def named(kind: type) -> str:
    """Return ``module:Qual.Name`` of a class that can be found again by it.

    Raises:
        SerializationError: it cannot: it was defined inside a function, or hidden by another one.
    """
    module, name = name_of(kind)
    try:
        if find_class(module, name) is kind:
            return f"{module}:{name}"
    except SerializationError:
        pass
    message = f"class {name} cannot be found by its name in module {module!r}: define it at the top"
    raise SerializationError(message)
