"""Exceptions on the wire: they come back as themselves, with the remote traceback as a note."""

from __future__ import annotations

import asyncio
import json
import os
import traceback
from pathlib import Path
from typing import Any, Final

from pynenc_pg.exceptions import TaskFailedError
from pynenc_pg.serializer.base import BaseSerializer
from pynenc_pg.serializer.classes import name_of
from pynenc_pg.serializer.node_reader import from_nodes
from pynenc_pg.serializer.nodes import message_of, to_nodes
from pynenc_pg.serializer.plain import dumps, plain
from pynenc_pg.serializer.rebuild import ATTRIBUTES, add_note
from pynenc_pg.serializer.wire import (
    QUOTED_REF,
    Follow,
    check_version,
    from_wire,
    references,
    to_wire,
)

#: Characters of a traceback that are kept: its beginning and its end.
TRACEBACK_LENGTH: Final = 100_000
REMOTE: Final = "Remote traceback:\n"
AGAIN: Final = "\nRaised again by the task that waited for it:\n\n"
#: Where a traceback begins before it comes to the task's function.
_ON_THE_WAY: Final = (
    f"{Path(__file__).parents[1] / 'engine'}{os.sep}",
    f"{Path(asyncio.__file__).parent}{os.sep}",
)


def encode_exception(error: BaseException, serializer: BaseSerializer) -> str:
    """Return JSON that says what was raised, and what that is linked to.

    Nothing is raised, whatever the exception does. What cannot be carried is left out; without
    one of its arguments the exception itself cannot be made again, but what it said is known.
    """
    module, name = name_of(type(error))
    said = {"module": plain(module), "type": plain(name)}
    for careful in (False, True):
        try:
            return dumps(said | _content(error, serializer, careful=careful))
        except BaseException:  # noqa: BLE001, S112 - the user's own objects may raise anything
            continue
    return dumps(said | {"message": None, "traceback": None, "args": None})


def decode_exception(
    text: str, serializer: BaseSerializer, follow: Follow | None = None
) -> BaseException:
    """Make the exception again, or a ``TaskFailedError`` where its class is not known here.

    No code of its class is run. Only modules that are imported already are searched: a row never
    causes an import. ``follow`` finds what of it is stored elsewhere.

    Raises:
        SerializationError: a newer version wrote it.
        PayloadError: what is stored elsewhere is not there, or not as it was.
    """
    wire = json.loads(text)
    check_version(wire)
    if follow is not None and QUOTED_REF in text:
        large = references(wire)
        found = map(json.loads, follow.texts(list(large.values())))
        wire |= dict(zip(large, found, strict=True))

    def read(content: Any) -> Any:
        return from_wire(content, serializer)

    module, name, message, remote = (
        _text(wire.get(key), read) for key in ("module", "type", "message", "traceback")
    )
    full_name = name if module in {"builtins", name} else f"{module}.{name}"  # name: not known
    unknown = TaskFailedError(full_name, message, remote)
    allowed = serializer.allowed_modules
    error = from_nodes(wire, read, named_as=(module, name), instead=unknown, allowed=allowed)
    add_note(error, f"\n{REMOTE}{remote}")
    return error


def _content(error: BaseException, serializer: BaseSerializer, *, careful: bool) -> dict[str, Any]:
    def carry(value: Any) -> Any:
        wire = to_wire(value, serializer)
        if careful:  # one value of them has no JSON text, a number of 5,000 digits say
            dumps(wire)
        return wire

    node = to_nodes(error, carry, lenient=True)
    if "notes" in node:
        kept = [n for n in _notes(error) if not is_remote(n)]
        node["notes"] = [carry(note) for note in kept]
    return {"message": carry(message_of(error)), "traceback": carry(_remote_text(error))} | node


def is_remote(note: object) -> bool:
    """Whether a note of an exception is the traceback it had in another process."""
    return isinstance(note, str) and note.lstrip().startswith(REMOTE)


def _notes(error: BaseException) -> list[str]:
    notes = ATTRIBUTES.__get__(error).get("__notes__")
    return [str.__str__(n) for n in notes if isinstance(n, str)] if isinstance(notes, list) else []


def _remote_text(error: BaseException) -> str:
    """Return the traceback; one that it had in other processes before comes first, once."""
    before = [note.lstrip().removeprefix(REMOTE) for note in _notes(error) if is_remote(note)]
    try:
        text = _formatted(error)
    except BaseException:  # noqa: BLE001 - it looks at the user's own objects
        text = "<a traceback that cannot be printed>\n"
    text = AGAIN.join([*before, text])
    if len(text) > TRACEBACK_LENGTH:
        half = TRACEBACK_LENGTH // 2
        text = f"{text[:half]}\n[… {len(text) - 2 * half} characters …]\n{text[-half:]}"
    return text


def _formatted(error: BaseException) -> str:
    shown = traceback.TracebackException.from_exception(error)
    theirs = next((n for n, frame in enumerate(shown.stack) if not _is_ours(frame)), 0)
    del shown.stack[:theirs]
    parts, seen = [shown], set()
    while parts:  # the notes of others are kept with them, not repeated here
        part = parts.pop()
        if id(part) in seen:
            continue
        seen.add(id(part))
        if isinstance(part.__notes__, list):
            part.__notes__ = [note for note in part.__notes__ if not is_remote(note)]
        parts += [p for p in (part.__cause__, part.__context__, *(part.exceptions or ())) if p]
    return "".join(shown.format())


def _is_ours(frame: traceback.FrameSummary) -> bool:
    """Whether it is on the way to the task's function, which says nothing of the task."""
    return frame.filename.startswith(_ON_THE_WAY)


def _text(wire: Any, read: Any) -> str:
    if wire is None:
        return "<not known>"
    try:
        return str(read(wire))
    except Exception as error:  # noqa: BLE001 - must not hide the failure itself
        return f"<it cannot be read here: {error}>"
