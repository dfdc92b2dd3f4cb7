"""Log records as text for people and as JSON for machines. Each begins a line, and only they do."""

from __future__ import annotations

import json
import logging
import re
from datetime import UTC, datetime
from functools import partial
from typing import Any, Final

from pythonjsonlogger.json import JsonFormatter as _LibraryFormatter

from pynenc_pg.domain.arguments import one_line, short_repr

#: How every message of ours begins.
_EVENT: Final = re.compile(r"([a-z_]+(?:\.[a-z_]+)+)(?=[:,\s]|$)")
_RESET, _BOLD, _DIM = "\x1b[0m", "\x1b[1m", "\x1b[2m"
_LEVELS: Final = {
    logging.DEBUG: _DIM,
    logging.INFO: "\x1b[32m",
    logging.WARNING: "\x1b[33m",
    logging.ERROR: "\x1b[31m",
    logging.CRITICAL: "\x1b[1;31m",
}
#: Characters of a field in JSON whose value JSON cannot carry.
_FIELD_LENGTH: Final = 1_000


def event_of(record: logging.LogRecord) -> str | None:
    """Return the event's name: given as ``extra``, or how a message of this library begins."""
    given = getattr(record, "event", None)
    if given is not None:
        return str(given)
    ours = record.name == "pynenc_pg" or record.name.startswith("pynenc_pg.")
    if not ours or record.name == getattr(record, "task_id", None):  # the demo's tasks
        return None
    found = _EVENT.match(record.getMessage())
    return found[1] if found else None


class TextFormatter(logging.Formatter):
    r"""A line a record: time, level, ``task[end of id#retries]``, event, message.

    Line breaks and other control characters inside a message are shown escaped, and the lines of a
    traceback are indented: whatever a value contains, it cannot look like a record of its own.
    """

    default_msec_format = "%s.%03d"

    def __init__(self, *, colors: bool) -> None:
        """``colors``: with ANSI escape sequences."""
        super().__init__()
        self._colors = colors

    def format(self, record: logging.LogRecord) -> str:
        """Return the line, with the lines of an exception below it."""
        parts = [
            self._painted(self.formatTime(record), _DIM),
            self._painted(f"{one_line(record.levelname):<8}", _LEVELS.get(record.levelno, "")),
            self._painted(_short_ids(record), _DIM),
            self._message(record),
        ]
        lines = [" ".join(part for part in parts if part)]
        for block in (self._exception(record), record.stack_info):
            lines += [f"    {one_line(line)}" for line in (block or "").split("\n") if line]
        return "\n".join(lines)

    def _message(self, record: logging.LogRecord) -> str:
        message, event = one_line(record.getMessage()), event_of(record)
        if event is not None:
            event = one_line(event)
            rest = message.removeprefix(event)
            told = rest != message
            return self._painted(event, _BOLD) + (rest if told else f": {message}")
        if record.name in {"root", getattr(record, "task_id", None)}:
            return message
        return f"{one_line(record.name)}: {message}"

    def _exception(self, record: logging.LogRecord) -> str | None:
        return self.formatException(record.exc_info) if record.exc_info else record.exc_text

    def _painted(self, text: str, code: str) -> str:
        return f"{code}{text}{_RESET}" if self._colors and code and text else text


def _short_ids(record: logging.LogRecord) -> str:
    """``add[9d0c6a1f]``, at its second retry ``add[9d0c6a1f#2]``: the end of an id is its own."""
    invocation_id = getattr(record, "invocation_id", None)
    if not invocation_id:
        return ""
    task = str(getattr(record, "task_id", None) or "").rpartition(".")[2]
    retries = getattr(record, "retries", None)
    return one_line(f"{task}[{str(invocation_id)[-8:]}{f'#{retries}' if retries else ''}]")


class JsonFormatter(_LibraryFormatter):
    """An object a line. The fields of ours are always there; those of ``extra`` follow."""

    def __init__(self) -> None:
        """NaN and infinity, which JSON does not have, count as what cannot be carried."""
        super().__init__(json_serializer=partial(json.dumps, allow_nan=False))

    def add_fields(
        self, log_data: dict[str, Any], record: logging.LogRecord, message_dict: dict[str, Any]
    ) -> None:
        """Fill the object; an extra field that is called like one of ours gets a prefix."""
        extra: dict[str, Any] = {}
        super().add_fields(extra, record, message_dict)
        exception = extra.pop("exc_info", None)
        log_data |= {
            "timestamp": datetime.fromtimestamp(record.created, UTC).isoformat(
                timespec="milliseconds"
            ),
            "level": record.levelname.lower(),
            "logger": record.name,
            "event": event_of(record),
            "message": _encodable(str(extra.pop("message", ""))),
            "invocation_id": extra.pop("invocation_id", None),
            "task_id": extra.pop("task_id", None),
            "retries": extra.pop("retries", None),
            "exception": _encodable(exception) if isinstance(exception, str) else exception,
        }
        extra.pop("event", None)
        for name, value in extra.items():
            log_data[f"extra_{name}" if name in log_data else name] = value

    def jsonify_log_record(self, log_data: dict[str, Any]) -> str:
        """Encode the object; where a value is none for JSON, each such is shown by its repr."""
        try:
            return super().jsonify_log_record(log_data)
        except Exception:  # noqa: BLE001 - a user's object may raise anything
            shown = {
                name: value if _is_plain(value) else short_repr(value, _FIELD_LENGTH)
                for name, value in log_data.items()
            }
            return super().jsonify_log_record(shown)


def _is_plain(value: object) -> bool:
    if isinstance(value, int):
        return value.bit_length() < 64  # noqa: PLR2004 - what every reader of JSON can hold
    return value is None or isinstance(value, str)


def _encodable(text: str) -> str:
    """Half a surrogate pair is no text for most who read JSON."""
    return text.encode("utf-8", "backslashreplace").decode()
