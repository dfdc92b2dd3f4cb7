"""``pynenc-pg invocations``: what was called, where it stands, and what can be done about it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, TypeVar

import click

from pynenc_pg import Pynenc
from pynenc_pg.cli.invocation_text import (
    brief_error,
    details,
    of_branches,
    of_history,
    report,
    shown_arguments,
    steps_of,
)
from pynenc_pg.cli.options import STATUSES, Id, Moment, Pair, after, limit, statuses
from pynenc_pg.cli.reach import Place, reached
from pynenc_pg.cli.safe import say, say_json, show, tell_more
from pynenc_pg.cli.tables import Table
from pynenc_pg.cli.tables import as_json as _as_json
from pynenc_pg.exceptions import InvocationNotFoundError, PynencError
from pynenc_pg.postgres.listing import Filter, Listed, find, tree

if TYPE_CHECKING:
    from pynenc_pg.cli.reach import Context

F = TypeVar("F", bound=Callable[..., Any])


@click.group(invoke_without_command=True)
@click.pass_context
def invocations(context: click.Context) -> None:
    """Calls of tasks, live and ended; the latest, unless told otherwise."""
    if context.invoked_subcommand is None:
        context.invoke(list_)


_FILTERS = (
    click.option("--task", help="Of this task, by its id."),
    click.option("--queue", help="Of this queue."),
    click.option("--status", "words", multiple=True, type=STATUSES, help="One of these."),
    click.option(
        "--since", type=Moment(), help="Called then or later: ISO 8601, or 15m, 2h, 3d ago."
    ),
    click.option("--until", type=Moment(), help="Called before that."),
    click.option(
        "--argument",
        "arguments",
        multiple=True,
        type=Pair(),
        help="NAME=VALUE: with this argument; text as it is, anything else as JSON. All of them.",
    ),
    click.option("--runner", help="Held by this runner, or ended by it."),
    click.option("--parent", type=Id(), help="Called by this invocation."),
    click.option("--workflow", type=Id(), help="Of this workflow."),
    click.option("--error", help="Failed with this in the text of its exception."),
)


def _filters(command: F) -> F:
    for option in reversed(_FILTERS):
        command = option(command)
    return command


@invocations.command(name="list")
@_filters
@limit
@after
@_as_json
@click.pass_obj
def list_(
    context: Context,
    /,
    words: tuple[str, ...],
    arguments: tuple[tuple[str, str], ...],
    how_many: int,
    older_than: str | None,
    *,
    as_json: bool,
    **wanted: Any,
) -> None:
    """Show those that fit all filters, the latest first."""
    kept = Filter(statuses=statuses(words), arguments=dict(arguments), **wanted)
    with _shared(context) as (app, database):
        found = find(database, kept, older_than, how_many)
        if as_json:
            say_json([_plain(app, one) for one in found])
            return
        show(found, "no such invocations", lambda rows: _of_listed(app, rows), as_json=False)
    tell_more(found, how_many)


@invocations.command(name="show")
@click.argument("invocation_id")
@_as_json
@click.pass_obj
def show_(context: Context, invocation_id: str, *, as_json: bool) -> None:
    """Show all about one: its arguments, its result or exception, its attempts, why it rests."""
    with _shared(context) as (app, _):
        said = details(app, invocation_id)
    if as_json:
        say_json(said)
    else:
        say(report(said))


@invocations.command()
@click.argument("invocation_id")
@_as_json
@click.pass_obj
def history(context: Context, invocation_id: str, *, as_json: bool) -> None:
    """Show every change of its status, oldest first."""
    with _shared(context) as (app, _):
        found = steps_of(app, invocation_id)
    show(found, "no history", of_history, as_json=as_json)


@invocations.command(name="tree")
@click.argument("invocation_id")
@click.option("--root", is_flag=True, help="From whoever began it all.")
@_as_json
@click.pass_obj
def tree_(context: Context, invocation_id: str, *, root: bool, as_json: bool) -> None:
    """Show what it has called, and what these have called."""
    with _shared(context) as (app, database):
        top = app.state_backend.get_invocation(app.get_invocation(invocation_id).invocation_id)
        while root and top.parent_id is not None:
            try:
                top = app.state_backend.get_invocation(top.parent_id)
            except InvocationNotFoundError:  # past its retention
                break
        found = tree(database, top.invocation_id)
    show(found, "nothing", of_branches, as_json=as_json)


@invocations.command()
@click.argument("ids", metavar="ID...", nargs=-1, required=True)
@_as_json
@click.pass_context
def cancel(context: click.Context, ids: tuple[str, ...], *, as_json: bool) -> None:
    """End those that nobody executes, ask the runners of the others to stop.

    Exit code 0: each was ended or asked to; 3: one had ended before, or is unknown.
    """
    with _shared(context.obj) as (app, _):
        answers = [
            _attempt(which, lambda w: (str(app.get_invocation(w).cancel()), None)) for which in ids
        ]
    _tell(context, answers, {"cancelled", "requested"}, as_json=as_json)


@invocations.command()
@click.argument("ids", metavar="ID...", nargs=-1, required=True)
@_as_json
@click.pass_context
def retry(context: click.Context, ids: tuple[str, ...], *, as_json: bool) -> None:
    """Run again what has ended, each as a new invocation; print their ids.

    Exit code 0: all; 3: one has not ended, is unknown, or its task takes other arguments now.
    """
    with _shared(context.obj) as (app, _):
        answers = [
            _attempt(which, lambda w: ("retried", app.get_invocation(w).retry().invocation_id))
            for which in ids
        ]
    _tell(context, answers, {"retried"}, as_json=as_json)


def _attempt(which: str, act: Callable[[str], tuple[str, str | None]]) -> dict[str, str | None]:
    """Do it to one; what cannot be done to it does not keep the others from it."""
    error = new_id = None
    try:
        answer, new_id = act(which)
    except InvocationNotFoundError as unknown:
        answer, error = "unknown", str(unknown)
    except PynencError as refused:
        answer, error = "refused", str(refused)
    return {"invocation_id": which, "answer": answer, "new_id": new_id, "error": error}


def _tell(
    context: click.Context,
    answers: Sequence[dict[str, str | None]],
    fine: set[str],
    *,
    as_json: bool,
) -> None:
    if as_json:
        say_json(answers)
    for one in () if as_json else answers:
        after = one["new_id"] and f", as {one['new_id']}"
        say(f"{one['invocation_id']}: {one['answer']}{after or ''}")
        if one["error"]:
            say(f"  {one['error']}", err=True)
    context.exit(0 if all(one["answer"] in fine for one in answers) else 3)


@contextmanager
def _shared(context: Context) -> Iterator[Place]:
    with reached(context, "invocations", "app.get_invocation(id)") as place:
        yield place


def _plain(app: Pynenc, one: Listed) -> dict[str, Any]:
    return {
        **asdict(one),
        "arguments": shown_arguments(app, one.arguments),
        "error": brief_error(app, one.error),
    }


def _of_listed(app: Pynenc, found: Sequence[Listed]) -> Table:
    header = ["invocation", "task", "status", "queue", "called", "retries", "arguments", "error"]
    return header, [
        [
            one.invocation_id,
            one.task_id,
            f"{one.status} ({one.reason})" if one.reason else one.status,
            one.queue,
            one.registered_at,
            one.retries,
            str(shown_arguments(app, one.arguments, text=True)),
            brief_error(app, one.error),
        ]
        for one in found
    ]
