"""Why a value cannot be carried: the argument, the place in it, and what would carry it."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from types import ModuleType
from typing import Any, Final

from pynenc_pg.exceptions import SerializationError
from pynenc_pg.serializer.base import BaseSerializer
from pynenc_pg.serializer.built_in import by_codec
from pynenc_pg.serializer.plain import dumps
from pynenc_pg.serializer.wire import to_wire

#: Seconds for which the place is looked for.
_PATIENCE: Final = 0.5
_BUILT_IN: Final = ("json", "jsonpickle", "pickle")
_SIMPLE: Final = frozenset({str, bool, float, type(None)})


def argument_refusal(
    arguments: Mapping[str, Any], serializer: BaseSerializer, why: Exception
) -> SerializationError:
    """Return the error that names the first argument that cannot be carried."""
    for name, value in arguments.items():
        failed = _failure(value, serializer)
        if failed is not None:
            return _refusal(f"argument {name!r}", value, serializer, failed, name)
    return SerializationError(f"the arguments cannot be carried: {why}")


def value_refusal(value: Any, serializer: BaseSerializer, why: Exception) -> SerializationError:
    """Return the error for a value that is no argument: a result, say."""
    return _refusal("a value", value, serializer, why, "value")


def reason(value: Any, serializer: BaseSerializer, why: Exception, name: str) -> tuple[str, Any]:
    """Return why a value cannot be carried, with the place in it, and what stands there.

    ``name`` is what the value itself is called in the place.
    """
    place, culprit = "", value
    if serializer.codec in _BUILT_IN and not isinstance(why, RecursionError):
        place, culprit, why = _innermost(value, serializer, why)
    if isinstance(why, RecursionError):
        said = "it is nested too deep, or contains itself"
    elif isinstance(why, SerializationError):
        said = str(why)
    else:
        said = f"{type(why).__qualname__}: {why}"
    at = f"at {name}{place} of type {type(culprit).__qualname__}, " if place else ""
    return at + said, culprit


def _refusal(
    which: str, value: Any, serializer: BaseSerializer, why: Exception, name: str
) -> SerializationError:
    said, culprit = reason(value, serializer, why, name)
    message = f"{which} of type {type(value).__qualname__} cannot be carried: {said}"
    if serializer.codec in _BUILT_IN:
        message = f"{message}; {_way_out(culprit, serializer)}"
    return SerializationError(message)


def _way_out(culprit: Any, serializer: BaseSerializer) -> str:
    others = [by_codec(codec) for codec in _BUILT_IN if codec != serializer.codec]
    takers = [type(other).__name__ for other in others if _failure(culprit, other) is None]
    if takers:
        return f"{' and '.join(takers)} would carry it"
    return "no built-in serializer carries it: pass what it can be made from instead"


def _innermost(
    value: Any, serializer: BaseSerializer, why: Exception
) -> tuple[str, Any, Exception]:
    """Follow what fails inward, to the smallest part that fails by itself."""
    place = ""
    deadline = time.monotonic() + _PATIENCE
    while True:
        for step, part in _parts(value, strict=serializer.codec == "json"):
            if type(part) in _SIMPLE:
                continue
            if time.monotonic() > deadline:
                return place, value, why
            failed = _failure(part, serializer)
            if failed is not None:
                place, value, why = f"{place}{step}", part, failed
                break
        else:
            return place, value, why


def _parts(value: Any, *, strict: bool) -> Iterator[tuple[str, Any]]:
    """Yield what a value consists of and how it is written in Python, without running its code."""
    kind = type(value)
    if kind is dict:
        yield from ((f"[{_quoted(key)}]", item) for key, item in value.items())
    elif kind is list or (kind is tuple and not strict):
        yield from ((f"[{number}]", item) for number, item in enumerate(value))
    elif strict:
        return
    elif kind in (set, frozenset):
        yield from ((f"{{{item!r:.80}}}", item) for item in value)
    else:
        try:
            attributes = object.__getattribute__(value, "__dict__")
        except AttributeError:
            return
        if type(attributes) is dict and not isinstance(value, (type, ModuleType)):
            yield from ((f".{name}", item) for name, item in attributes.items())


def _quoted(key: Any) -> str:
    return dumps(key) if type(key) is str else f"{key!r:.80}"


def _failure(value: Any, serializer: BaseSerializer) -> Exception | None:
    try:
        dumps(to_wire(value, serializer))
    except Exception as error:  # noqa: BLE001 - whatever it is, it cannot be carried
        return error
    return None
