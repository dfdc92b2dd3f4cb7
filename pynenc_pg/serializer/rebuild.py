"""Exceptions taken apart and put together again without running a line of their classes.

No ``__init__``, ``__new__``, ``__setattr__`` or ``__reduce__`` of a user's class is called: they
may want other arguments, raise or send mail. What is called belongs to the built-in class below.
"""

from __future__ import annotations

import builtins
from collections.abc import Iterator, Sequence
from contextlib import suppress
from types import MemberDescriptorType
from typing import Any, Final

_BUILT_IN: Final = {
    id(kind): kind
    for kind in vars(builtins).values()
    if isinstance(kind, type) and issubclass(kind, BaseException)
}
_BASE_OF: Final = type.__dict__["__base__"].__get__
_MRO_OF: Final = type.__dict__["__mro__"].__get__
_CLASS_DICT_OF: Final = type.__dict__["__dict__"].__get__

#: Not ``error.args``: a class may have a property of that name, and it may raise.
ARGS: Final[Any] = BaseException.__dict__["args"]
CAUSE: Final[Any] = BaseException.__dict__["__cause__"]
CONTEXT: Final[Any] = BaseException.__dict__["__context__"]
SUPPRESS: Final[Any] = BaseException.__dict__["__suppress_context__"]
ATTRIBUTES: Final[Any] = BaseException.__dict__["__dict__"]
MEMBERS: Final[Any] = BaseExceptionGroup.__dict__["exceptions"]
MESSAGE: Final[Any] = BaseExceptionGroup.__dict__["message"]

#: The object an attribute was missing on may be anything; it serves suggestions in tracebacks.
_LEFT_OUT: Final = ("obj",)


def make(kind: type[BaseException], args: tuple[Any, ...]) -> BaseException:
    """Make an exception with these arguments, as its built-in base class would.

    Raises:
        TypeError: the class comes from an extension module with a layout of its own.
    """
    base = _built_in_base(kind)
    error: BaseException
    try:
        error = base.__new__(kind, *args)
    except (TypeError, ValueError):
        error = base.__new__(kind)
    if type(error) is not kind:  # OSError(2) is a FileNotFoundError
        error = base.__new__(kind)
    with suppress(Exception):  # not the arguments it wants: then its fields are set one by one
        base.__init__(error, *args)
    ARGS.__set__(error, args)
    return error


def make_group(
    kind: type[BaseExceptionGroup[Any]], message: str, members: Sequence[BaseException]
) -> BaseException:
    """Make a group.

    Raises:
        TypeError: an ``ExceptionGroup`` got a member that is no ``Exception``.
    """
    error: BaseException = _built_in_base(kind).__new__(kind, message, members)
    return error


def fields(error: BaseException) -> Iterator[tuple[str, Any]]:
    """Yield slots and built-in fields that have another value than ``make`` gives them."""
    if issubclass(type(error), BaseExceptionGroup):
        made: BaseException | None = None
    else:
        made = make(type(error), ARGS.__get__(error))
    for name, slot in _slots(type(error)).items():
        try:
            value = slot.__get__(error)
        except AttributeError:
            continue
        if made is None or not _equal(value, slot.__get__(made) if _is_set(slot, made) else slot):
            yield name, value


def set_field(error: BaseException, name: str, value: Any) -> None:
    """Set a slot or a built-in field; one that this class does not have is left out."""
    slot = _slots(type(error)).get(name)
    if slot is not None:
        slot.__set__(error, value)


def add_note(error: BaseException, note: str) -> None:
    """Add a note, whatever the class thinks of being written to."""
    ATTRIBUTES.__get__(error).setdefault("__notes__", []).append(note)


def _slots(kind: type) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for base in _MRO_OF(kind):
        if base is BaseException or base is BaseExceptionGroup:
            continue
        for name, slot in _CLASS_DICT_OF(base).items():
            if type(slot) is MemberDescriptorType and name not in _LEFT_OUT:
                found.setdefault(name, slot)
    return found


def _built_in_base(kind: type) -> Any:
    base = kind
    while id(base) not in _BUILT_IN:
        base = _BASE_OF(base)
    return base


def _is_set(slot: Any, error: BaseException) -> bool:
    try:
        slot.__get__(error)
    except AttributeError:
        return False
    return True


def _equal(one: Any, other: Any) -> bool:
    if one is other:
        return True
    return type(one) is type(other) and type(one) in (int, str, bytes) and bool(one == other)
