"""What the tables and the guard would refuse, found out before anything is changed."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from datetime import datetime
from typing import Final
from uuid import UUID

from pynenc_pg.domain.causes import NewEvent
from pynenc_pg.domain.ids import InvocationId, id_time
from pynenc_pg.domain.records import Batch
from pynenc_pg.domain.workflows import LONGEST_ABOUT, LONGEST_VALUE, NewStep, WaitSpec
from pynenc_pg.exceptions import (
    DataRejectedError,
    InvocationStatusTransitionError,
    StoreError,
)
from pynenc_pg.invocation.status import InvocationStatus, is_legal
from pynenc_pg.memory.rows import Row

_DAY: Final = 86_400.0
_CANONICAL: Final = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_CODE: Final = re.compile(r"[^\x00-\x1f\x7f-\x9f\ud800-\udfff]{1,255}")
_QUEUE: Final = re.compile(r"[A-Za-z0-9_.-]+")


def check_batch(batch: Batch, now: datetime) -> None:
    """Refuse a batch that is not to be kept.

    Raises:
        DataRejectedError: an id, a queue, slots or JSON that cannot be.
        StoreError: an id that was made more than a day from now.
    """
    for new in batch.invocations:
        _check_id(new.invocation_id, now)
    check_queue(batch.queue)
    if batch.slots < 1 and any(new.lane_key is not None for new in batch.invocations):
        msg = f"slots = {batch.slots}: must be at least 1"
        raise DataRejectedError(msg)
    for text in {batch.options, *(new.arguments for new in batch.invocations)}:
        if text not in _SEEN_EVERY_DAY and not is_json(text):
            msg = f"{text[:80]!r} is not JSON"
            raise DataRejectedError(msg)


def check_event(event: NewEvent) -> None:
    """Refuse an event that is not to be kept.

    Raises:
        DataRejectedError: a code, an id or a payload that cannot be.
    """
    code = event.code
    if not _CODE.fullmatch(code) or code.strip(" ") != code:
        msg = (
            f"event code {code!r}: it must be 1 to 255 printable characters without spaces "
            "around it. As in order.paid"
        )
        raise DataRejectedError(msg)
    if not is_json(event.payload):
        msg = f"{event.payload[:80]!r} is not JSON"
        raise DataRejectedError(msg)
    try:
        UUID(event.event_id)
        UUID(event.workflow_id or event.event_id)
    except ValueError as error:
        msg = f"the id {event.event_id!r} or {event.workflow_id!r} is no UUID"
        raise DataRejectedError(msg) from error


def check_new_step(step: NewStep) -> None:
    """Refuse a step that is not to be kept.

    Raises:
        DataRejectedError: what it is about cannot be kept, or something of it is too long.
    """
    where = f"step {step.path} ({step.about[:200]})"
    for text in (step.about, step.key or ""):
        _check_name(where, text)
    if step.value is not None and len(step.value) > LONGEST_VALUE:
        msg = (
            f"{where}: its value has {len(step.value)} characters as JSON, and {LONGEST_VALUE} are "
            "the most: each later attempt reads it. Return it from a task, or keep it elsewhere "
            "and record where"
        )
        raise DataRejectedError(msg)


def check_value(step: NewStep) -> None:
    """Refuse a value that is no JSON.

    Raises:
        DataRejectedError: it is not.
    """
    if step.value is not None and not is_json(step.value):
        msg = f"step {step.path} ({step.about[:200]}): {step.value[:80]!r} is not JSON"
        raise DataRejectedError(msg)


def check_wait(wait: WaitSpec) -> None:
    """Refuse to wait for an event that cannot be.

    Raises:
        DataRejectedError: its code.
    """
    _check_name(f"step {wait.path}", wait.code)


def _check_name(where: str, text: str) -> None:
    if len(text) > LONGEST_ABOUT:
        msg = (
            f"{where}: a name in it has {len(text)} characters, and {LONGEST_ABOUT} are the most. "
            "Give it a shorter one"
        )
        raise DataRejectedError(msg)
    if "\0" in text or not _is_unicode(text):
        msg = f"{where}: {text[:80]!r} is no Unicode text, or has a NUL"
        raise DataRejectedError(msg)


def check_queue(name: str) -> None:
    """Refuse the name of a queue.

    Raises:
        DataRejectedError: no queue can have it.
    """
    if not _QUEUE.fullmatch(name):
        msg = f"queue {name!r}: its name must be of letters, digits, '_', '.' and '-'"
        raise DataRejectedError(msg)


def check_step(row: Row, to: InvocationStatus, reason: str | None) -> None:
    """Refuse a step that the state machine does not have.

    Raises:
        InvocationStatusTransitionError: names both statuses.
    """
    if not is_legal(row.status, to, reason):
        msg = (
            f"invocation {row.invocation_id}: {row.status} -> {to} refused: the state machine has "
            f"no such step with reason {reason!r}"
        )
        raise InvocationStatusTransitionError(msg)


def check_steps(steps: Iterable[tuple[Row | None, InvocationStatus, str | None]]) -> None:
    """Refuse all of them if one is refused; those without a row are not ours."""
    for row, to, reason in steps:
        if row is not None:
            check_step(row, to, reason)


def is_json(text: str) -> bool:
    """Whether the other store could keep it: JSON, and text that can be encoded."""
    try:
        text.encode()
        _STRICT.decode(text)
    except (ValueError, RecursionError):
        return False
    return True


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _refuse(constant: str) -> None:
    raise ValueError(constant)


_STRICT: Final = json.JSONDecoder(parse_constant=_refuse)
_SEEN_EVERY_DAY: Final = frozenset({"{}", "null"})


def _check_id(which: InvocationId, now: datetime) -> None:
    if not _CANONICAL.fullmatch(which):  # the common case, and a tenth of the time
        try:
            UUID(which)
        except ValueError as error:
            msg = f"the id {which!r} is no UUID"
            raise DataRejectedError(msg) from error
    apart = now.timestamp() - id_time(which)
    if abs(apart) > _DAY:
        msg = f"the id {which} was made {apart:.0f} s from now: set this machine's clock"
        raise StoreError(msg)
