"""What the demo says at its end: results, the queue's own figures, how to look for oneself."""

from __future__ import annotations

import shlex
import shutil
import sys
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import psycopg
from psycopg.conninfo import conninfo_to_dict
from rich.table import Table

from pynenc_pg.demo.worker import APP
from pynenc_pg.postgres import embedded, psql

if TYPE_CHECKING:
    from rich.console import Console

    from pynenc_pg.demo.place import Place
    from pynenc_pg.demo.sources import Sources
    from pynenc_pg.demo.tasks import Summary
    from pynenc_pg.domain.ids import InvocationId

_RUN: Final = """
select count(*) filter (where status = 'success'), count(*) filter (where status = 'failed'),
       extract(epoch from max(finished_at) - min(registered_at))::float8
from pynenc.invocations where invocation_id = any (%s::uuid[])
"""
_FAILED: Final = """
select arguments->>'path', result->>'type', result->>'message'
from pynenc.invocations where invocation_id = any (%s::uuid[]) and status = 'failed' order by 1
"""
_VIEWS: Final = {
    "task_stats": "split_part(task_id, '.', -1) as task, finished, succeeded, failed, retries, "
    "p50_seconds as p50, max_seconds as max",
    "queue_depth": "queue, ready, scheduled, parked, pending, running, waiting",
    "runner_health": "runner_cls, pid, concurrency, health, idle, holds, registered_at",
}
_EXAMPLES: Final = (
    ("how each task did", "select * from pynenc.task_stats"),
    (
        "what failed, and why",
        """select arguments->>'path' as path, result->>'message' as error
     from pynenc.invocations where status = 'failed' order by finished_at desc limit 10""",
    ),
    (
        "the life of one invocation",
        """select rev, status, at, coalesce(changed_by, runner_id) as by
     from pynenc.invocation_history where invocation_id = '{id}' order by rev""",
    ),
)


def show_summary(console: Console, summary: Summary, sources: Sources) -> None:
    """Print the totals and the longest functions."""
    console.print(
        f"\n{summary['files']:,} files with {summary['lines']:,} lines, "
        f"{summary['functions']:,} functions, {summary['classes']:,} classes"
    )
    table = Table("lines", "function", "at", title="The longest functions (one a file at most)")
    table.columns[0].justify = "right"
    for function in summary["longest"]:
        table.add_row(str(function["lines"]), function["name"], sources.short(function["at"]))
    console.print(table)


def show_figures(
    console: Console, connection: psycopg.Connection[Any], ids: Sequence[InvocationId]
) -> None:
    """Print what became of these invocations, and what the views of the schema say."""
    succeeded, failed, seconds = connection.execute(_RUN, [list(ids)]).fetchall()[0]
    console.print(
        f"\nThis run: {len(ids):,} invocations, {succeeded:,} SUCCESS and {failed:,} FAILED\n"
        f"{len(ids) / seconds:,.0f}/s: {seconds:.1f} s from the first registration to the last end"
    )
    for path, kind, said in connection.execute(_FAILED, [list(ids)]):
        console.print(f"  FAILED {Path(path).name}: {kind}: {said}", markup=False, no_wrap=True)
    for view, columns in _VIEWS.items():
        query = f"select {columns} from pynenc.{view} where app_id = 'demo'"  # noqa: S608
        cursor = connection.execute(query.encode())
        names = [column.name for column in cursor.description or ()]
        table = Table(*names, title=f"pynenc.{view}", title_justify="left")
        for row in cursor:
            table.add_row(*map(_cell, row))
        console.print(table)
    console.print("task_stats counts every run this database has kept.")


def show_commands(console: Console, place: Place, example: InvocationId) -> None:
    """Print commands that work as they stand; ``example`` is an invocation worth a look."""

    def tell(line: str = "") -> None:
        console.print(line, markup=False, highlight=False, soft_wrap=True)

    ours = command()
    named = _in_shell(place)
    tell("\nLook for yourself; the data stay. psql on this database:")
    tell(f"  {ours} db --dsn {named} shell")
    for purpose, sql in _EXAMPLES:
        tell(f"  # {purpose}")
        query = sql.replace("{id}", example)  # nothing in it that double quotes do not hold
        tell(f'  {ours} db --dsn {named} shell -c "{query}"')
    if embedded.is_embedded(place.given):
        setting = "" if place.given == "embedded" else f"PYNENC__POSTGRES__DSN={named} "
        tell("The server stops with its last user. A worker keeps it up, in another terminal:")
        tell(f"  {setting}{ours} --app {APP} runner start")
        tell("and then any client will do:")
        tell(f"  {shlex.quote(psql.find())} {shlex.quote(place.dsn)}")
    elif shutil.which("psql"):
        tell("or directly:")
        tell(f"  psql {named}")


def command() -> str:
    """Return what to type for ``pynenc-pg`` here, to run this very installation."""
    script = Path(sys.executable).with_name("pynenc-pg")
    if not script.exists():
        return f"{shlex.quote(sys.executable)} -m pynenc_pg"
    on_path = shutil.which("pynenc-pg")
    if on_path and Path(on_path).samefile(script):
        return "pynenc-pg"
    here = Path.cwd()
    return shlex.quote(str(script.relative_to(here) if script.is_relative_to(here) else script))


def _in_shell(place: Place) -> str:
    """Quote the DSN; one with a password is named by its variable instead of being shown."""
    if not embedded.is_embedded(place.given) and conninfo_to_dict(place.given).get("password"):
        return f'"${place.variable}"'
    return shlex.quote(place.given)


def _cell(value: object) -> str:
    if value is None:
        return "-"
    if isinstance(value, float):
        return f"{value * 1000:.1f} ms"
    if isinstance(value, datetime):
        return f"{value:%H:%M:%S}"
    return str(value)
