"""The picture of ``pynenc-pg top``: a moment as what the library ``rich`` can draw."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from pynenc_pg.cli.tables import ago
from pynenc_pg.domain.arguments import one_line
from pynenc_pg.postgres.watching import Snapshot, rates

#: Characters of the id of an invocation.
_ID = 36
_HEALTH = {"alive": "green", "lock gone": "yellow"}


def picture(
    app_id: str, now: Snapshot, before: Snapshot | None = None, *, paused: bool = False
) -> RenderableType:
    """Draw a moment, with the rates since another one."""
    return Group(
        _head(app_id, now, before, paused=paused),
        _table("queues", (
            "queue", "ready", "oldest", "scheduled", "parked", "running", "waiting"
        ), (
            (
                Text(one_line(q.name) + (" (paused)" if q.paused else ""),
                     style="yellow" if q.paused else ""),
                f"{'' if q.exact else '~'}{q.ready}", ago(q.oldest_ready),
                q.scheduled, q.parked, q.pending + q.running, q.waiting,
            )
            for q in now.queues
        )),
        _table("runners", ("runner", "health", "holds", "places", "heartbeat"), (
            (
                r.runner_id,
                Text(r.health, style=_HEALTH.get(r.health, "red")),
                r.holds, r.concurrency, f"{_seconds(now.at, r.heartbeat_at)} ago",
            )
            for r in now.runners
        )),
        _table("held longest", ("invocation", "task", "status", "for", "runner"), (
            (w.invocation_id, w.task_id, w.status, _seconds(now.at, w.since), w.runner_id)
            for w in now.longest
        )),
        _table("failed lately", ("invocation", "task", "why", "ended", "error"), (
            (f.invocation_id, f.task_id, f.reason or "error",
             f"{_seconds(now.at, f.status_at)} ago", _kind(f.error))
            for f in now.failed
        )),
    )  # fmt: skip


def _head(app_id: str, now: Snapshot, before: Snapshot | None, *, paused: bool) -> Text:
    passing = rates(before, now)
    said = f"{app_id}  {now.at:%Y-%m-%d %H:%M:%S}"
    if passing is not None:
        said += f"  calls {passing[0]:,.1f}/s  ends {passing[1]:,.1f}/s (all apps)"
    alive = sum(one.health == "alive" for one in now.runners)
    said += f"  runners {alive}/{len(now.runners)}"
    said += "  [stopped: p goes on, q ends]" if paused else "  [p stops, q ends]"
    return Text(one_line(said), style="bold")


def _table(title: str, header: Sequence[str], rows: Iterable[Sequence[Any]]) -> Table:
    table = Table(title=title, title_justify="left", expand=True, box=None, pad_edge=False)
    for number, name in enumerate(header):
        # An id is of use only as a whole, in a narrow terminal too: the others share the rest.
        whole, share = (_ID, None) if name == "invocation" else (None, 1 if number else 2)
        table.add_column(name, no_wrap=True, overflow="ellipsis", width=whole, ratio=share)
    for row in rows:
        table.add_row(*(one if isinstance(one, Text) else Text(one_line(str(one))) for one in row))
    return table


def _seconds(now: datetime, then: datetime) -> str:
    """Say how long ago it was."""
    return ago((now - then).total_seconds())


def _kind(error: str | None) -> str:
    """Return the type of an exception: what it says may be somebody's secret."""
    read = json.loads(error) if error else None
    return str(read.get("type", "")) if isinstance(read, dict) else ""
