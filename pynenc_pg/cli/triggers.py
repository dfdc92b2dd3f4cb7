"""``pynenc-pg triggers``: what starts tasks by itself, what it has started, and events."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from pynenc_pg import Pynenc
from pynenc_pg.cli.options import limit
from pynenc_pg.cli.reach import reached
from pynenc_pg.cli.safe import say, show
from pynenc_pg.cli.tables import as_json as _as_json
from pynenc_pg.domain.causes import Fired, ScheduleState, TriggerInfo

if TYPE_CHECKING:
    from pynenc_pg.cli.reach import Context


@click.group(invoke_without_command=True)
@click.pass_context
def triggers(context: click.Context) -> None:
    """The triggers of an app: those that runners have told of, unless told otherwise."""
    if context.invoked_subcommand is None:
        context.invoke(list_)


@triggers.command(name="list")
@click.option("--task", "task_id", help="Of this task alone, by its id.")
@click.option("--paused", is_flag=True, help="Those that rest.")
@click.option("--parked", is_flag=True, help="Those with causes that could not be looked at.")
@_as_json
@click.pass_obj
def list_(
    context: Context, task_id: str | None, *, paused: bool, parked: bool, as_json: bool
) -> None:
    """Show each trigger: what it waits for, and how often it has fired within a week."""
    with _shared(context) as app:
        found = [
            one
            for one in app.trigger.all()
            if task_id in (None, one.task_id)
            and (one.paused or not paused)
            and (one.parked or not parked)
        ]
    show(found, "no triggers: a runner tells of them at its start", _of_triggers, as_json=as_json)


@triggers.command()
@click.argument("trigger_id", required=False)
@limit
@_as_json
@click.pass_obj
def fired(context: Context, trigger_id: str | None, how_many: int, *, as_json: bool) -> None:
    """Show what was fired, the latest first: by which causes, and what it has started."""
    with _shared(context) as app:
        found = app.trigger.fired(trigger_id, how_many)
    show(found, "nothing has fired within a week", _of_fired, as_json=as_json)


@triggers.command()
@click.argument("trigger_id")
@click.pass_obj
def pause(context: Context, trigger_id: str) -> None:
    """Let a trigger rest; what happens meanwhile is noted and fires later."""
    with _shared(context) as app:
        app.trigger.pause(trigger_id)
    say(f"trigger {trigger_id} is paused")


@triggers.command()
@click.argument("trigger_id")
@click.pass_obj
def resume(context: Context, trigger_id: str) -> None:
    """Let a trigger go on."""
    with _shared(context) as app:
        app.trigger.resume(trigger_id)
    say(f"trigger {trigger_id} goes on")


@triggers.command()
@click.argument("trigger_id", required=False)
@_as_json
@click.pass_obj
def schedules(context: Context, trigger_id: str | None, *, as_json: bool) -> None:
    """Show the times of each schedule, and when it is next; not of triggers that are paused."""
    with _shared(context) as app:
        found = [one for one in app.trigger.schedules() if trigger_id in (None, one.trigger_id)]
    show(found, "no schedules", _of_schedules, as_json=as_json)


@triggers.command()
@click.argument("trigger_id")
@click.argument("expression", required=False)
@click.option("--timezone", help="As Europe/Berlin; what it was, if left out.")
@click.option("--condition", help="Which schedule, of a trigger that has several.")
@click.pass_obj
def reschedule(
    context: Context,
    trigger_id: str,
    expression: str | None,
    timezone: str | None,
    condition: str | None,
) -> None:
    """Let a trigger have other times; without EXPRESSION, those of its code again."""
    with _shared(context) as app:
        app.trigger.reschedule(trigger_id, expression, timezone, condition_id=condition)
    say(f"trigger {trigger_id}: {expression or 'as its code has it'}")


@triggers.command()
@click.argument("trigger_id")
@click.pass_obj
def retry(context: Context, trigger_id: str) -> None:
    """Look again at causes that were parked, as functions of yours had failed."""
    with _shared(context) as app:
        count = app.trigger.retry(trigger_id)
    say(f"{count} causes of {trigger_id} are looked at again")


@triggers.command()
@click.argument("code")
@click.argument("payload", default="{}")
@click.pass_obj
def emit(context: Context, code: str, payload: str) -> None:
    """Emit an event; PAYLOAD is JSON."""
    try:
        read = json.loads(payload)
    except ValueError as error:
        message = f"PAYLOAD is no JSON: {error}"
        raise click.UsageError(message) from None
    with _shared(context) as app:
        event_id = app.trigger.emit_event(code, read)
    say(event_id)


@contextmanager
def _shared(context: Context) -> Iterator[Pynenc]:
    with reached(context, "triggers", "the methods of app.trigger") as (app, _):
        yield app


def _of_triggers(found: Sequence[TriggerInfo]) -> tuple[list[str], list[list[object]]]:
    header = ["trigger", "paused", "due", "waiting", "parked", "fired", "last fired", "next"]
    return header, [
        [t.trigger_id, t.paused, t.due, t.waiting, t.parked, t.fired, t.last_fired, t.next_at]
        for t in found
    ]


def _of_schedules(found: Sequence[ScheduleState]) -> tuple[list[str], list[list[object]]]:
    header = ["trigger", "expression", "timezone", "edited", "next", "condition"]
    return header, [
        [s.trigger_id, *map(s.condition.get, header[1:3]), s.edited, s.next_at, s.condition_id]
        for s in found
    ]


def _of_fired(found: Sequence[Fired]) -> tuple[list[str], list[list[object]]]:
    header = ["trigger", "at", "causes", "invocation"]
    return header, [
        [f.trigger_id, f.fired_at, _causes(f), f.invocation_id or f"dropped: {f.reason}"]
        for f in found
    ]


def _causes(fired: Fired) -> str:
    said = []
    for cause in fired.causes:
        kind = str(cause["condition_id"]).partition("_")[0]
        what = cause["source_id"] or cause["at"]
        said.append(f"{kind} {what}" + (f" {cause['status']}" if cause["status"] else ""))
    return ", ".join(said)
