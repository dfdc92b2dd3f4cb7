"""Log records that say which invocation they are about, and how a worker process shows them.

A library does not configure logging: in a user's process all of this is used only where the user
asks for it. ``configure_logging`` is for processes that are ours, such as ``pynenc-pg``.
"""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import MutableMapping
from copy import copy
from typing import Any, Final, Literal, TextIO

from pynenc_pg.domain.arguments import short_repr
from pynenc_pg.engine.context import running
from pynenc_pg.exceptions import ConfigError

#: Loggers of others that say little at the levels below.
_QUIET: Final = {"psycopg": logging.ERROR, "alembic": logging.WARNING}


def ids(task_id: str | None = None) -> dict[str, Any]:
    """Return the fields of a log record that name the invocation running here.

    ``invocation_id``, ``task_id`` and ``retries``: how many attempts were made before this one.
    Outside a task all are ``None``, but for the ``task_id`` given.

    >>> logging.getLogger("shop").info("order.paid", extra=ids())
    """
    now = running.get()
    if now is None:
        return {"invocation_id": None, "task_id": task_id, "retries": None}
    return {"invocation_id": now.invocation_id, "task_id": now.task_id, "retries": now.retries}


class IdsFilter(logging.Filter):
    """Gives each record ``invocation_id``, ``task_id`` and ``retries``, whoever logs it.

    Add it to a handler: filters of a logger do not see the records of its children. What a record
    has already stays.

    >>> handler = logging.StreamHandler()
    >>> handler.addFilter(IdsFilter(missing="-"))
    >>> handler.setFormatter(logging.Formatter("%(invocation_id)s %(message)s"))
    """

    def __init__(self, missing: object = None) -> None:
        """``missing`` is the value outside a task."""
        super().__init__()
        self._missing = missing

    def filter(self, record: logging.LogRecord) -> bool:
        """Complete the record; every one passes."""
        for name, value in ids().items():
            if getattr(record, name, None) is None:
                setattr(record, name, self._missing if value is None else value)
        return True


class TaskLogger(logging.LoggerAdapter[logging.Logger]):
    """The logger of a task, named like it; its records carry the ids without any set-up.

    Inside a run these are the ids of what runs, also where one task uses the logger of another
    one; outside, ``task_id`` alone is known. What the caller gives as ``extra`` is kept.
    """

    def __init__(self, task_id: str) -> None:
        """Use the standard library's logger of that name."""
        super().__init__(logging.getLogger(task_id), {})
        self._task_id = task_id

    def process(
        self, msg: Any, kwargs: MutableMapping[str, Any]
    ) -> tuple[Any, MutableMapping[str, Any]]:
        """Add the ids of the moment."""
        kwargs["extra"] = {**ids(self._task_id), **(kwargs.get("extra") or {})}
        return msg, kwargs


def configure_logging(
    *,
    level: str,
    format: Literal["text", "json"],  # noqa: A002 - the name of the option it is set by
    colors: bool | None = None,
    stream: TextIO | None = None,
) -> None:
    """Send everything from ``level`` on to ``stream``, stderr by default. May be called again.

    ``colors`` are for text: ``None`` asks whether the stream is a terminal. A non-empty
    ``NO_COLOR`` in the environment forbids them in any case. Handlers that somebody else gave the
    root logger stay.

    Raises:
        ConfigError: there is no such level or format.
    """
    # At need: not every process that has a task writes logs in formats of ours.
    from pynenc_pg.engine.log_format import JsonFormatter, TextFormatter  # noqa: PLC0415

    number = logging.getLevelNamesMapping().get(level.upper(), 0)
    if not number:
        message = f"logging_level = {level!r}: choose debug, info, warning, error or critical"
        raise ConfigError(message)
    formatter: logging.Formatter
    if format == "json":
        formatter = JsonFormatter()
    elif format == "text":
        formatter = TextFormatter(colors=_colored(stream or sys.stderr, wanted=colors))
    else:
        message = f"logging_format = {format!r}: choose text or json"
        raise ConfigError(message)
    handler = _Handler(stream)
    handler.setFormatter(formatter)
    handler.addFilter(IdsFilter())
    root = logging.getLogger()
    for former in [h for h in root.handlers if isinstance(h, _Handler)]:
        root.removeHandler(former)
    root.addHandler(handler)
    root.setLevel(number)
    for name, quiet in _QUIET.items():
        logging.getLogger(name).setLevel(quiet)


def is_configured() -> bool:
    """Whether the root logger still has the handler of ``configure_logging``.

    Not so after a user's own set-up has put other handlers in its place: that one counts.
    """
    return any(isinstance(handler, _Handler) for handler in logging.getLogger().handlers)


def _colored(stream: TextIO | None, *, wanted: bool | None) -> bool:
    if os.environ.get("NO_COLOR"):
        return False
    if wanted is None:
        return stream is not None and stream.isatty() and os.environ.get("TERM") != "dumb"
    return wanted


class _Handler(logging.StreamHandler[TextIO]):
    """The one handler of ours; a call whose arguments do not fit its message is logged, too.

    The standard library would print a traceback instead, with all of the arguments in it.
    """

    def __init__(self, stream: TextIO | None) -> None:
        super().__init__(stream)
        self._follows_stderr = stream is None

    def emit(self, record: logging.LogRecord) -> None:
        """Write the record to the stream, or to what is stderr now: it may have been replaced."""
        if self._follows_stderr:
            self.stream = sys.stderr
        super().emit(record)

    def format(self, record: logging.LogRecord) -> str:
        """Return what is written for the record."""
        record = copy(record)  # other handlers format the same one
        if record.args or not isinstance(record.msg, dict | str):
            try:
                message = record.getMessage()
            except Exception:  # noqa: BLE001 - a user's __str__ may raise anything
                place = f"{record.filename}:{record.lineno}"
                message = f"{short_repr(record.msg, 200)} (cannot be filled in, logged at {place})"
            record.msg, record.args = message, ()
        return super().format(record)
