"""``pynenc-pg queues``: what stands in the queues, and who may not take from them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from pynenc_pg import Pynenc
from pynenc_pg.cli.reach import reached
from pynenc_pg.cli.safe import say, show
from pynenc_pg.cli.tables import Table, ago
from pynenc_pg.cli.tables import as_json as _as_json
from pynenc_pg.domain.records import QueueInfo

if TYPE_CHECKING:
    from pynenc_pg.cli.reach import Context


@click.group(invoke_without_command=True)
@click.pass_context
def queues(context: click.Context) -> None:
    """The queues of an app: what stands in them, unless told otherwise."""
    if context.invoked_subcommand is None:
        context.invoke(list_)


@queues.command(name="list")
@click.argument("names", nargs=-1)
@click.option("--paused", is_flag=True, help="Those that are paused.")
@click.option("--unserved", is_flag=True, help="Those that no live runner serves.")
@_as_json
@click.pass_obj
def list_(
    context: Context, names: tuple[str, ...], *, paused: bool, unserved: bool, as_json: bool
) -> None:
    """Show each queue: whether it is paused, and how much stands in it, by status."""
    with _shared(context) as app:
        found = [
            one
            for one in app.queues()
            if (not names or one.name in names)
            and (one.paused or not paused)
            and not (unserved and app.state_backend.is_served(one.name))
        ]
    none = (
        "no such queues"
        if names or paused or unserved
        else "no queues yet: the first call makes one"
    )
    show(found, none, _table, as_json=as_json)


@queues.command()
@click.argument("name")
@click.pass_obj
def pause(context: Context, name: str) -> None:
    """Let no runner take work of a queue; calls are accepted, and what runs goes on."""
    with _shared(context) as app:
        known = [one.name for one in app.queues()]
        app.pause_queue(name)
        if known and name not in known:  # as after a slip of the finger
            say(f"no call has named queue {name} yet: there are {', '.join(known)}")
        _tell(app, name)


@queues.command()
@click.argument("name")
@click.pass_obj
def resume(context: Context, name: str) -> None:
    """Let runners take work of a queue again."""
    with _shared(context) as app:
        app.resume_queue(name)
        _tell(app, name)


@contextmanager
def _shared(context: Context) -> Iterator[Pynenc]:
    instead = "app.queues(), app.pause_queue(name) and app.resume_queue(name)"
    with reached(context, "queues", instead) as (app, _):
        yield app


def _tell(app: Pynenc, name: str) -> None:
    [found] = [one for one in app.queues() if one.name == name]
    state = "paused" if found.paused else "open"
    ready, running = _count(found, "ready"), _count(found, "running")
    say(f"queue {name} is {state}: {ready} ready, {running} running")


def _table(queues: Sequence[QueueInfo]) -> Table:
    counts = ("ready", "scheduled", "parked", "pending", "running", "waiting")
    return ["name", "paused", *counts, "oldest"], [
        [one.name, one.paused, *(_count(one, name) for name in counts), ago(one.oldest_ready)]
        for one in queues
    ]


def _count(queue: QueueInfo, name: str) -> object:
    """Return a count; an estimate is marked as one."""
    found: int = getattr(queue, name)
    return found if queue.exact or not found else f"~{found}"
