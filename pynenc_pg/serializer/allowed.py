"""The names that decoding may touch, where ``serializer_allowed_modules`` limits them.

What only holds data may always be named: dates, numbers, containers, and the exceptions of Python
and of this library. Nothing is imported for a name.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Collection
from enum import Enum, Flag
from types import ModuleType
from typing import Any, Final

from pynenc_pg.exceptions import SerializationError
from pynenc_pg.serializer.classes import find_class, name_of

_HOLD_DATA: Final = {
    "builtins": "object bool int float complex str bytes bytearray list tuple dict set frozenset "
    "range slice",
    "datetime": "date datetime time timedelta timezone",
    "decimal": "Decimal",
    "fractions": "Fraction",
    "uuid": "UUID SafeUUID",
    "zoneinfo": "ZoneInfo",
    "collections": "OrderedDict deque defaultdict Counter",
    "pathlib": "Path PurePath PosixPath PurePosixPath WindowsPath PureWindowsPath",
}
_CLASSES: Final = frozenset(
    f"{m}:{name}" for m, names in _HOLD_DATA.items() for name in names.split()
)
#: How pickle makes an object of a class that it has found: the class was looked at before.
_MAKERS: Final = frozenset(
    {"copyreg:__newobj__", "copyreg:__newobj_ex__", "copyreg:_reconstructor"}
)
_BUILT_IN: Final = "builtins"
_OUR_ERRORS: Final = frozenset({_BUILT_IN, "pynenc_pg.exceptions"})


def allowed_class(module: str, name: str, allowed: Collection[str] | None) -> type:
    """Return the class of that name; where it is defined counts, not where a row finds it.

    Raises:
        SerializationError: it is not known here, or outside of ``allowed`` (None: anything goes).
    """
    found = find_class(module, name)
    if allowed is not None and not _is_within(found, allowed):
        raise _refusal(module, name, allowed)
    return found


def allowed_name(module: str, name: str, allowed: Collection[str]) -> Any:
    """Return a class, or a function that is allowed by its own name, ``module:function``.

    Raises:
        SerializationError: as ``allowed_class``.
    """
    if f"{module}:{name}" == "builtins:getattr":
        return _attribute(allowed)
    if f"{module}:{name}" == "_operator:or_":
        return _united
    if f"{module}:{name}" in {*_MAKERS, *allowed}:
        return _function(module, name)
    return allowed_class(module, name, allowed)


def _is_within(kind: type, allowed: Collection[str]) -> bool:
    module, name = name_of(kind)
    if issubclass(kind, BaseException) and module in _OUR_ERRORS:
        return True
    parents = (module == one or module.startswith(f"{one}.") for one in allowed)
    return f"{module}:{name}" in {*_CLASSES, *allowed} or any(parents)


def _united(one: object, other: object) -> Flag:
    """Join flags, as pickle does before Python 3.11.4; nothing else.

    Raises:
        SerializationError: they are no flags of one kind.
    """
    if not isinstance(one, Flag) or type(one) is not type(other):
        message = "operator.or_ may join flags of one kind alone"
        raise SerializationError(message)
    return one | other


def _function(module: str, name: str) -> Any:
    found: Any = sys.modules.get(module)
    inside = vars(found) if isinstance(found, ModuleType) else {}
    if name not in inside:
        message = f"{module}:{name} is not known here: nothing of that name is imported"
        raise SerializationError(message)
    return inside[name]


def _attribute(allowed: Collection[str]) -> Callable[[Any, str], Any]:
    """Return what stands for ``getattr``, by which members of enums are pickled, and zones."""

    def member(kind: Any, name: str) -> Any:
        if isinstance(kind, type) and issubclass(kind, Enum) and name in kind.__members__:
            return kind.__members__[name]
        of_zones = isinstance(kind, type) and name_of(kind) == ("zoneinfo", "ZoneInfo")
        if of_zones and name == "_unpickle":
            return getattr(kind, name)
        refused = f"getattr with {name!r:.80}"
        raise _refusal(_BUILT_IN, refused, allowed)

    return member


def _refusal(module: str, name: str, allowed: Collection[str]) -> SerializationError:
    return SerializationError(
        f"{module}:{name} is outside of serializer_allowed_modules ({', '.join(sorted(allowed))}): "
        "add its module, or a single function as module:name, if it is yours"
    )
