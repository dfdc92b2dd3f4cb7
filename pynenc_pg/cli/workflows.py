"""``pynenc-pg workflows``: runs, what they have done, and what they are told."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from pynenc_pg import Pynenc
from pynenc_pg.cli.options import after, limit
from pynenc_pg.cli.reach import reached
from pynenc_pg.cli.safe import say, say_json, show, tell_more
from pynenc_pg.cli.tables import Table, table
from pynenc_pg.cli.tables import as_json as _as_json
from pynenc_pg.domain.arguments import short_repr
from pynenc_pg.domain.workflows import RunInfo
from pynenc_pg.exceptions import InvocationStatusError

if TYPE_CHECKING:
    from pynenc_pg.cli.reach import Context
    from pynenc_pg.invocation.workflow_run import RunStep, WorkflowRunHandle


@click.group(invoke_without_command=True)
@click.pass_context
def workflows(context: click.Context) -> None:
    """Runs of workflows: those that have taken a step; the latest, unless told otherwise."""
    if context.invoked_subcommand is None:
        context.invoke(list_)


@workflows.command(name="list")
@click.option("--task", "task_id", help="Of this task alone, by its id.")
@click.option("--live", is_flag=True, help="Those that have not ended.")
@limit
@after
@_as_json
@click.pass_obj
def list_(
    context: Context,
    task_id: str | None,
    how_many: int,
    older_than: str | None,
    *,
    live: bool,
    as_json: bool,
) -> None:
    """Show each run: where it stands, and what it waits for."""
    with _shared(context) as app:
        found = app.workflow_runs(task_id, live=live, limit=how_many, after=older_than)
    show(found, "no runs of workflows", _of_runs, as_json=as_json)
    if not as_json:
        tell_more(found, how_many)


@workflows.command(name="show")
@click.argument("invocation_id")
@_as_json
@click.pass_obj
def show_(context: Context, invocation_id: str, *, as_json: bool) -> None:
    """Show what a run has done, step by step, and the data of its workflow."""
    with _run(context, invocation_id) as run:
        info, steps, data = run.info, run.steps(), run.data()
    if as_json:
        said = {**asdict(info), "steps": [asdict(step) for step in steps], "data": data}
        say_json(said)
        return
    paused = f", paused: {info.pause_reason or 'no reason given'}" if info.paused_at else ""
    say(f"{info.task_id}, workflow {info.workflow_id}{paused}")
    show(steps, "no steps", _of_steps, as_json=False)
    if data:
        say(table(["data", "value"], [[key, short_repr(data[key])] for key in sorted(data)]))


@workflows.command()
@click.argument("invocation_id")
@click.argument("code")
@click.argument("payload", default="{}")
@click.pass_obj
def signal(context: Context, invocation_id: str, code: str, payload: str) -> None:
    """Emit an event that this run alone hears; PAYLOAD is JSON."""
    try:
        read = json.loads(payload)
    except ValueError as error:
        message = f"PAYLOAD is no JSON: {error}"
        raise click.UsageError(message) from None
    with _run(context, invocation_id) as run:
        event_id = run.signal(code, read)
    say(event_id)


@workflows.command()
@click.argument("invocation_id")
@click.option("--reason", default="", help="For those who see it.")
@click.pass_obj
def pause(context: Context, invocation_id: str, reason: str) -> None:
    """Let a run stop at its next step; what it has called goes on."""
    with _run(context, invocation_id) as run:
        _check_live(run, done=run.pause(reason))
    say(f"run {invocation_id} stops at its next step")


@workflows.command()
@click.argument("invocation_id")
@click.pass_obj
def resume(context: Context, invocation_id: str) -> None:
    """Let a run go on that was paused."""
    with _run(context, invocation_id) as run:
        _check_live(run, done=run.resume())
    say(f"run {invocation_id} goes on")


@workflows.command()
@click.argument("invocation_id")
@click.pass_obj
def cancel(context: Context, invocation_id: str) -> None:
    """End a run, and the tasks that it has called."""
    with _run(context, invocation_id) as run:
        answer = run.cancel()
    say(f"run {invocation_id}: {answer}")


@workflows.command()
@click.argument("invocation_id")
@click.option("--before", required=True, metavar="PATH", help="The first step that is taken anew.")
@click.pass_obj
def fork(context: Context, invocation_id: str, before: str) -> None:
    """Call the task of a run again, to go on before a step; print the new invocation."""
    with _run(context, invocation_id) as run:
        made = run.fork(before)
    say(made.invocation_id)


@contextmanager
def _shared(context: Context) -> Iterator[Pynenc]:
    with reached(context, "workflows", "app.get_workflow") as (app, _):
        yield app


@contextmanager
def _run(context: Context, invocation_id: str) -> Iterator[WorkflowRunHandle]:
    with _shared(context) as app:
        run = app.get_workflow(invocation_id)
        _ = run.info  # whoever was never there is told of as such
        yield run


def _check_live(run: WorkflowRunHandle, *, done: bool) -> None:
    if not done:
        message = f"invocation {run.invocation_id} has ended"
        raise InvocationStatusError(message)


def _of_runs(found: Sequence[RunInfo]) -> Table:
    header = ["run", "task", "status", "steps", "began", "waits for"]
    return header, [
        [r.invocation_id, r.task_id, r.status, r.steps, r.began_at, _waits_for(r)] for r in found
    ]


def _waits_for(run: RunInfo) -> str:
    if run.paused_at is not None:
        return f"resume ({run.pause_reason})" if run.pause_reason else "resume"
    if run.awaits_event is not None:
        return f"event {run.awaits_event}"
    return "" if run.wakes_at is None else f"{run.wakes_at:%Y-%m-%d %H:%M:%S}"


def _of_steps(found: Sequence[RunStep]) -> Table:
    header = ["step", "kind", "about", "at", "value"]
    return header, [[s.path, s.kind, s.about, s.at, _value(s)] for s in found]


def _value(step: RunStep) -> str:
    if step.child_id is None:
        return short_repr(step.value)
    return f"{step.child_id}{' failed' if step.failed else ''}"
