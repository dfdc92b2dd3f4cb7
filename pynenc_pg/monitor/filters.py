"""What a list of invocations is narrowed to: read from the address, told to the database."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import UUID

from pynenc_pg.invocation.status import InvocationStatus
from pynenc_pg.monitor import values
from pynenc_pg.monitor.database import Reads, Row

STATUSES: Final = tuple(status.value for status in InvocationStatus)
FINAL: Final = frozenset(status.value for status in InvocationStatus if status.is_final())
FIND: Final = """
select invocation_id, task_id, queue, status, reason, arguments, retries, parent_id, registered_at,
       status_at, finished_at, looked_to, error::json->>'type' as error_type,
       left(error::json->>'message', 300) as error
from {schema}.list_invocations(%s, %s, %s, %s, %s::interval)"""
#: By how much the clock of whoever calls may be ahead of the database's, in a list that ends then.
_AHEAD: Final = timedelta(seconds=5)
_TEXTS: Final = ("task", "queue", "argument", "error")
#: How long a page looks for what fits before it shows what it has.
PATIENCE: Final = "100 ms"
#: What an argument is given by: its name and its value.
_NAMED: Final = re.compile(r"([A-Za-z_]\w*)=(.+)", re.DOTALL)
#: Years in which times are looked for: others are mistakes, and no arithmetic leaves what there is.
_YEARS: Final = range(1970, 2200)
#: Characters of what is looked for.
_LONGEST: Final = 500
_NUMBER: Final = re.compile(r"[0-9]{1,18}")
_UUID: Final = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Filter:
    """Which invocations; what is empty leaves them all."""

    statuses: tuple[str, ...] = ()
    task: str = ""
    queue: str = ""
    argument: str = ""
    error: str = ""
    since: datetime | None = None
    until: datetime | None = None
    wrong: tuple[str, ...] = field(default=(), compare=False)

    @property
    def is_empty(self) -> bool:
        """Whether all fit."""
        return self == Filter()

    @property
    def may_be_live(self) -> bool:
        """Whether something that fits may not have ended."""
        return not self.error and (not self.statuses or not FINAL.issuperset(self.statuses))

    @property
    def may_have_ended(self) -> bool:
        """Whether something that fits may have ended."""
        return not self.statuses or not FINAL.isdisjoint(self.statuses)

    def as_query(self) -> dict[str, Any]:
        """Return the parameters of the address that means it."""
        return {
            "status": list(self.statuses),
            "task": self.task,
            "queue": self.queue,
            "argument": self.argument,
            "error": self.error,
            "since": self.since and self.since.strftime("%Y-%m-%dT%H:%M:%S"),
            "until": self.until and self.until.strftime("%Y-%m-%dT%H:%M:%S"),
        }

    def as_json(self, masks: values.Masks, **more: Any) -> str:
        """Return it as ``list_invocations`` takes it.

        What is masked is not searched, or one could guess it, letter by letter.
        """
        named = _NAMED.fullmatch(self.argument)
        said = {
            "statuses": self.statuses,
            "task": self.task or None,
            "queue": self.queue or None,
            "arguments": {named[1]: named[2]} if named else None,
            "containing": [] if named else _spellings(self.argument),
            "masked": self.argument and masks.of_names,
            "masked_inside": self.argument and masks.of_values,
            "error": self.error and json.dumps(self.error.lower(), ensure_ascii=False)[1:-1],
            "since": self.since and self.since.isoformat(),
            "until": self.until and self.until.isoformat(),
            **more,
        }
        return json.dumps({name: value for name, value in said.items() if value})


@dataclass(frozen=True, slots=True)
class Found:
    """Some of what fits, newest first."""

    rows: list[Row]
    before: str | None  # where to go on; None: there is no more
    looked_to: str | None  # it stopped there for want of time


def read_filter(asked: Mapping[str, str], statuses: Sequence[str]) -> Filter:
    """Read a filter from parameters; what cannot be is left out, and named."""
    wrong = [f"there is no status {one}" for one in statuses if one and one not in STATUSES]
    times: dict[str, datetime | None] = {}
    for name in ("since", "until"):
        try:
            times[name] = read_time(asked.get(name, ""))
        except ValueError:
            times[name] = None
            wrong.append(f"{asked[name]!r} is no time: write 2026-01-31 12:00")
    texts = {name: read_text(asked.get(name, "")) for name in _TEXTS}
    return Filter(
        statuses=tuple(one for one in statuses if one in STATUSES),
        task=texts["task"],
        queue=texts["queue"],
        argument=texts["argument"],
        error=texts["error"],
        since=times["since"],
        until=times["until"],
        wrong=tuple(wrong),
    )


def read_text(text: str) -> str:
    """Read a text, without what no text in the database has."""
    return text.replace("\0", "").strip()[:_LONGEST]


def read_number(text: str) -> int | None:
    """Read the number of an entry; None if it is none."""
    return int(text) if _NUMBER.fullmatch(text) else None


def read_time(text: str) -> datetime | None:
    """Read a time; without a zone it is UTC.

    Raises:
        ValueError: it is none, or one of another age.
    """
    if not text.strip():
        return None
    found = datetime.fromisoformat(text.strip())
    if found.year not in _YEARS:
        message = f"{found.year} is no year that anything is kept of"
        raise ValueError(message)
    return found.astimezone(UTC) if found.tzinfo else found.replace(tzinfo=UTC)


def is_id(text: str) -> bool:
    """Whether a text is an id as a whole."""
    return _UUID.fullmatch(text) is not None


def find(
    reads: Reads,
    app: str,
    wanted: Filter,
    *,
    masks: values.Masks,
    before: str | None,
    limit: int,
    patience: str = PATIENCE,
    more: Mapping[str, Any] | None = None,
) -> Found:
    """Look for invocations."""
    if before is None and wanted.until is not None:
        before = first_id(wanted.until + _AHEAD)
    rows = reads.all(FIND, (app, wanted.as_json(masks, **more or {}), before, limit, patience))
    looked_to = rows[-1]["looked_to"] if rows else None
    rows = [row for row in rows if row["looked_to"] is None]
    last = rows[-1]["invocation_id"] if len(rows) == limit else None
    return Found(rows, looked_to or last, looked_to)


def first_id(at: datetime) -> str:
    """Return the smallest id of a time, as the SQL function of that name does."""
    digits = f"{max(int(at.timestamp() * 1000), 0):012x}" + "0" * 20
    return str(UUID(digits))


def _spellings(text: str) -> list[str]:
    """Return how a text may stand in JSON: as it is, and escaped."""
    if not text:
        return []
    lowered = text.lower()
    return sorted({lowered, json.dumps(text)[1:-1].lower(), json.dumps(lowered)[1:-1]})
