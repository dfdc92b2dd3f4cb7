"""An invocation in words, as far as the app lets its values be shown."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import Any, Final

from pynenc_pg import Pynenc
from pynenc_pg.cli.tables import Table, table
from pynenc_pg.domain.arguments import ArgumentPrintMode, Arguments, short_repr
from pynenc_pg.domain.ids import InvocationId
from pynenc_pg.domain.records import HistoryEntry
from pynenc_pg.exceptions import PayloadError
from pynenc_pg.postgres.listing import Branch
from pynenc_pg.serializer.wire import REF, references

#: Characters of the message of an exception in a list.
_LONGEST: Final = 120
#: What is shown of one, where there is anything.
_FACTS: Final = (
    "status",
    "reason",
    "queue",
    "priority",
    "parent_id",
    "retried_from",
    "runner_id",
    "retries",
    "recoveries",
    "registered_at",
    "due_at",
    "finished_at",
)


def shown_arguments(app: Pynenc, wire: str, *, text: bool = False) -> Any:
    """Return arguments as far as ``argument_print_mode`` shows them: in words, or as JSON."""
    mode = ArgumentPrintMode(app.conf.argument_print_mode)
    read = json.loads(wire)
    if text or not mode.shows_values:
        return str(Arguments(read, print_mode=mode, length=app.conf.truncate_arguments_length))
    return read


def brief_error(app: Pynenc, wire: str | None) -> str | None:
    """Return type and message of an exception; the type alone where values are hidden."""
    if wire is None:
        return None
    read = json.loads(wire)
    if not isinstance(read, dict):
        return short_repr(read)
    kind, message = _plain(read.get("type")), _plain(read.get("message"))
    if not ArgumentPrintMode(app.conf.argument_print_mode).shows_values or not message:
        return kind
    return f"{kind}: {message if len(message) <= _LONGEST else message[: _LONGEST - 1] + '…'}"


def details(app: Pynenc, invocation_id: str) -> dict[str, Any]:
    """Return all about an invocation.

    Raises:
        InvocationNotFoundError: nobody knows it.
    """
    state, which = app.state_backend, InvocationId(invocation_id)
    record, call = state.get_invocation(which), state.get_call(which)
    outcome = state.get_outcomes([which]).get(which)
    shows = ArgumentPrintMode(app.conf.argument_print_mode).shows_values
    failed = outcome is not None and outcome.status == "failed"
    wire = None if outcome is None else outcome.value
    if failed:
        wire = _whole_error(app, wire)
    value = None if wire is None else json.loads(wire)
    return {
        **asdict(record),
        "arguments": shown_arguments(app, record.arguments),
        "arguments_text": shown_arguments(app, record.arguments, text=True),
        "priority": call.priority,
        "retried_from": call.retried_from,
        "result": value if shows and not failed else None,
        "error": brief_error(app, wire) if failed else None,
        "traceback": _traceback(value) if shows and failed else None,
        "finished_at": outcome and outcome.finished_at,
        "history": [asdict(entry) for entry in steps_of(app, which)],
        "why": [asdict(reason) for reason in state.why(which)],
    }


def steps_of(app: Pynenc, invocation_id: str) -> list[HistoryEntry]:
    """Return every change of its status, with exceptions in words."""
    found = app.state_backend.get_history(InvocationId(invocation_id))
    return [replace(entry, error=brief_error(app, entry.error)) for entry in found]


def report(said: dict[str, Any]) -> str:
    """Put it in lines."""
    lines = [f"{said['task_id']}, invocation {said['invocation_id']}"]
    lines += [f"  {name}: {said[name]}" for name in _FACTS if said[name] not in (None, 0)]
    lines.append(f"  arguments: {said['arguments_text']}")
    if said["status"] == "success":
        lines.append(f"  result: {short_repr(said['result'], 1000)}")
    lines += [f"  why: {reason['message']}" for reason in said["why"]]
    if said["error"]:
        lines.append(f"  error: {said['error']}")
    if said["traceback"]:
        lines += [f"    {line}" for line in said["traceback"].splitlines()]
    steps = [HistoryEntry(**entry) for entry in said["history"]]
    return "\n".join([*lines, table(*of_history(steps))])


def of_history(found: Sequence[HistoryEntry]) -> Table:
    """Make a table of changes of status."""
    header = ["rev", "status", "reason", "at", "runner", "by", "error"]
    return header, [
        [e.rev, e.status, e.reason, e.at, e.runner_id, e.changed_by, e.error] for e in found
    ]


def of_branches(found: Sequence[Branch]) -> Table:
    """Make a table of a tree: the deeper, the further to the right."""
    header = ["task", "invocation", "status", "step", "called"]
    return header, [
        [f"{'  ' * b.level}{b.task_id}", b.invocation_id, b.status, b.step, b.registered_at]
        for b in found
    ]


def _whole_error(app: Pynenc, wire: str | None) -> str | None:
    """Return an exception with what of it is stored elsewhere; what is gone is left as it is."""
    read = None if wire is None else json.loads(wire)
    if not isinstance(read, dict) or not (large := references(read)):
        return wire
    try:
        found = app.engine.payloads.texts(list(large.values()))
    except PayloadError:
        return wire
    return json.dumps(read | dict(zip(large, map(json.loads, found), strict=True)))


def _traceback(value: Any) -> str | None:
    return _plain(value.get("traceback")) if isinstance(value, dict) else None


def _plain(wire: Any) -> str:
    """Return a text of the wire; what has a codec as it stands there."""
    if isinstance(wire, dict) and REF in wire:
        return f"(large, {wire[REF]})"
    return wire if isinstance(wire, str) else "" if wire is None else json.dumps(wire)
