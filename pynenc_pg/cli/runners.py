"""``pynenc-pg runners``: who works, and on what."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from pynenc_pg.cli.reach import reached
from pynenc_pg.cli.safe import say, say_json, show
from pynenc_pg.cli.tables import Table, table
from pynenc_pg.cli.tables import as_json as _as_json
from pynenc_pg.exceptions import StoreError
from pynenc_pg.invocation.status import OWNED
from pynenc_pg.postgres.database import PgDatabase
from pynenc_pg.postgres.listing import Filter, Listed, RunnerInfo, find
from pynenc_pg.postgres.listing import runners as read

if TYPE_CHECKING:
    from pynenc_pg.cli.reach import Context

_HEALTHS = ("alive", "lock gone", "lease over", "dead")
#: So many of what a runner holds are shown.
_MOST = 1_000


@click.group(invoke_without_command=True)
@click.pass_context
def runners(context: click.Context) -> None:
    """The runners of an app: those that are registered, unless told otherwise."""
    if context.invoked_subcommand is None:
        context.invoke(list_)


@runners.command(name="list")
@click.option("--health", type=click.Choice(_HEALTHS), multiple=True, help="One of these.")
@click.option("--queue", help="Those that take of this queue.")
@click.option("--host", help="Those of this host.")
@_as_json
@click.pass_obj
def list_(
    context: Context, health: tuple[str, ...], queue: str | None, host: str | None, *, as_json: bool
) -> None:
    """Show each runner: where it is, whether it is believed alive, how much it holds."""
    with _shared(context) as database:
        found = [
            one
            for one in read(database)
            if (not health or one.health in health)
            and (not queue or not one.queues or {queue, "*"} & set(one.queues))
            and host in (None, one.hostname)
        ]
    show(found, "no runners", _of_runners, as_json=as_json)


@runners.command(name="show")
@click.argument("runner_id")
@_as_json
@click.pass_obj
def show_(context: Context, runner_id: str, *, as_json: bool) -> None:
    """Show a runner, and what it holds."""
    with _shared(context) as database:
        found = [one for one in read(database) if one.runner_id == runner_id]
        if not found:
            message = f"no runner {runner_id}: it has left, or its work was given to others"
            raise StoreError(message)
        wanted = Filter(runner=runner_id, statuses=sorted(map(str, OWNED)))
        held = find(database, wanted, limit=_MOST)
    if as_json:
        say_json({**asdict(found[0]), "invocations": [asdict(one) for one in held]})
        return
    say(table(*_of_runners(found)))
    say(table(*_of_held(held)) if held else "holds nothing")


@contextmanager
def _shared(context: Context) -> Iterator[PgDatabase]:
    with reached(context, "runners", "app.runner") as (_, database):
        yield database


def _of_runners(found: Sequence[RunnerInfo]) -> Table:
    header = ["runner", "kind", "host", "pid", "queues", "health", "holds", "places", "heartbeat"]
    return header, [
        [
            one.runner_id,
            one.runner_cls,
            one.hostname,
            one.pid,
            one.queues or "all",
            one.health,
            one.holds,
            one.concurrency,
            one.heartbeat_at,
        ]
        for one in found
    ]


def _of_held(held: Sequence[Listed]) -> Table:
    return ["invocation", "task", "status", "since"], [
        [one.invocation_id, one.task_id, one.status, one.status_at] for one in held
    ]
