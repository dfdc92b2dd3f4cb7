"""Exceptions on the wire: they come back as themselves, with the remote traceback as a note."""

from __future__ import annotations

import json
import sys
import traceback
from typing import Any

from pynenc_pg.exceptions import TaskFailedError
from pynenc_pg.serializer.base import BaseSerializer
from pynenc_pg.serializer.wire import encode, from_wire, to_wire


def encode_exception(error: BaseException, serializer: BaseSerializer) -> str:
    """Return JSON that says what was raised; arguments that cannot be carried are left out."""
    kind = type(error)
    try:
        args: list[Any] | None = [to_wire(arg, serializer) for arg in error.args]
    except Exception:  # noqa: BLE001 - a task's own objects may raise anything
        args = None
    said = {
        "module": kind.__module__,
        "type": kind.__qualname__,
        "message": _message(error),
        "traceback": "".join(traceback.format_exception(error)),
    }
    return encode(said, serializer)[:-1] + f',"args":{json.dumps(args)}}}'


def decode_exception(text: str, serializer: BaseSerializer) -> BaseException:
    """Build the exception again, or a ``TaskFailedError`` where its class is not known here.

    Only modules that are imported already are searched: a row never causes an import.
    """
    wire = json.loads(text)
    said = {
        key: from_wire(wire[key], serializer) for key in ("module", "type", "message", "traceback")
    }
    rebuilt = _rebuild(said["module"], said["type"], wire.get("args"), serializer)
    if rebuilt is None:
        return TaskFailedError(said["type"], said["message"], said["traceback"])
    rebuilt.add_note(f"\nRemote traceback:\n{said['traceback']}")
    return rebuilt


def _rebuild(
    module: str, name: str, args: list[Any] | None, serializer: BaseSerializer
) -> BaseException | None:
    found: Any = sys.modules.get(module)
    for part in name.split("."):
        found = getattr(found, part, None)
    if args is None or not (isinstance(found, type) and issubclass(found, BaseException)):
        return None
    try:
        error = found(*(from_wire(arg, serializer) for arg in args))
    except Exception:  # noqa: BLE001 - a constructor with other parameters, or arguments not readable
        return None
    return error if isinstance(error, BaseException) else None


def _message(error: BaseException) -> str:
    try:
        return str(error)
    except Exception:  # noqa: BLE001 - a broken __str__ must not hide the failure itself
        return f"<{type(error).__qualname__} that cannot be printed>"
