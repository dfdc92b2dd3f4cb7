"""The names in a text of jsonpickle, looked at before anything is made of it."""

from __future__ import annotations

import json
import sys
from collections.abc import Collection
from typing import Any, Final

from jsonpickle import tags

from pynenc_pg.exceptions import SerializationError
from pynenc_pg.serializer.allowed import allowed_name

_NAMES: Final = (tags.OBJECT, tags.TYPE, tags.FUNCTION)
#: These run text, or import what it names; nothing is written with them.
_NEVER: Final = (tags.REPR, tags.MODULE)


def names_in(data: Any, allowed: Collection[str]) -> dict[str, Any]:
    """Return the classes and functions that a text names.

    Raises:
        SerializationError: one of them is not allowed, or it has a tag that runs code.
    """
    found: dict[str, Any] = {}
    left = [data]
    while left:
        part = left.pop()
        if type(part) is list:
            left += part
        elif type(part) is dict:
            _note(part, found, allowed)
            left += part.values()
            left += [
                json.loads(key.removeprefix(tags.JSON_KEY))
                for key in part
                if key.startswith(tags.JSON_KEY)
            ]
    return found


def _note(part: dict[str, Any], found: dict[str, Any], allowed: Collection[str]) -> None:
    for tag in _NEVER:
        if tag in part:
            message = f"the row has {tag}, which serializer_allowed_modules does not allow"
            raise SerializationError(message)
    for tag in _NAMES:
        if tag in part and str(part[tag]) not in found:
            found[str(part[tag])] = _resolved(part[tag], allowed)


def _resolved(name: Any, allowed: Collection[str]) -> Any:
    if name == "builtins.NoneType":
        return type(None)
    parts = name.split(".") if isinstance(name, str) else []
    for length in range(len(parts) - 1, 0, -1):
        module = ".".join(parts[:length])
        if module in sys.modules:
            return allowed_name(module, ".".join(parts[length:]), allowed)
    message = f"{name!r:.80} is not known here: its module is not imported"
    raise SerializationError(message)
