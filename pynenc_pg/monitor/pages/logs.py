"""From lines of a log to the invocations that they name."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Final

from markupsafe import Markup, escape
from starlette.requests import Request
from starlette.responses import Response

from pynenc_pg.monitor.gantt import Timeline, by_invocation, lay_out
from pynenc_pg.monitor.pages.timeline import HISTORIES, ids, the_time
from pynenc_pg.monitor.site import Site

#: Of what was pasted.
_LINES: Final = 2000
_IDS: Final = 200
_LONGEST: Final = 2000
_ID: Final = re.compile(r"\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b", re.IGNORECASE)
_BAD: Final = re.compile(r"\b(ERROR|CRITICAL)\b|\"level\": *\"(error|critical)\"", re.IGNORECASE)
_WARN: Final = re.compile(r"\bWARNING\b|\"level\": *\"warning\"", re.IGNORECASE)
_NAMED: Final = """
select i.* from unnest(%s::uuid[]) with ordinality u (id, n) cross join lateral (
    select v.invocation_id, v.task_id, v.status::text, v.reason, v.runner_id, v.parent_id,
           v.arguments::text, v.registered_at, v.status_at, v.finished_at
    from {schema}.invocations v where v.invocation_id = u.id and v.app_id = %s offset 0) i
order by u.n"""


def ask(site: Site, request: Request) -> Response:
    """Ask for lines."""
    return site.page(request, "logs.html", text="", rows=None, lines=[], drawn=None, unknown=0)


def shown(site: Site, request: Request) -> Response:
    """Show what they name, and when that ran."""
    text = request.state.visit.form.get("lines", "")
    lines = text.splitlines()[:_LINES]
    named = list(dict.fromkeys(found[0].lower() for found in _ID.finditer("\n".join(lines))))
    with site.database.looking() as reads:
        now = the_time(reads)
        rows = reads.all(_NAMED, (named[:_IDS], site.app_id))
        histories = by_invocation(reads.all(HISTORIES, (site.app_id, ids(rows))))
    known = {str(row["invocation_id"]) for row in rows}
    drawn: Timeline | None = None
    if histories:
        times = [entry["at"] for entries in histories.values() for entry in entries]
        margin = max((max(times) - min(times)) / 50, timedelta(milliseconds=1))
        window = (min(times) - margin, max(times) + margin)
        drawn = lay_out(rows, histories, window, now=now)
    said = [line.lower() for line in lines]
    for row in rows:
        row["lines"] = sum(str(row["invocation_id"]) in line for line in said)
    return site.page(
        request,
        "logs.html",
        text=text,
        rows=rows,
        lines=[(_tone(line), _linked(line, known)) for line in lines],
        drawn=drawn,
        unknown=len(named) - len(known),
    )


def _tone(line: str) -> str:
    if _BAD.search(line):
        return "bad"
    return "warn" if _WARN.search(line) else "idle"


def _linked(line: str, known: set[str]) -> Markup:
    """Escape a line; ids that are known become links."""
    line = line[:_LONGEST]
    parts: list[Markup] = []
    last = 0
    for found in _ID.finditer(line):
        if found[0].lower() in known:
            parts.append(escape(line[last : found.start()]))
            parts.append(Markup('<a href="/invocations/{0}">{0}</a>').format(found[0].lower()))
            last = found.end()
    return Markup("").join([*parts, escape(line[last:])])
