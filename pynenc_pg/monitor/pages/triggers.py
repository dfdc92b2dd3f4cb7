"""Triggers, what they have fired, and events."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any, Final

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from pynenc_pg.monitor.database import Row
from pynenc_pg.monitor.filters import is_id, read_text, read_time
from pynenc_pg.monitor.site import Site

_SHOWN: Final = 50
#: Each count stops there.
_MOST: Final = 1000
_TRIGGERS: Final = "select * from {schema}.trigger_figures(%s, %s, %s)"
_FIRED: Final = "select * from {schema}.fired(%s, %s, %s)"
_PARKED: Final = """
select cause_id, condition_id, at, source_id, status::text, code, attempts, error
from {schema}.parked_causes where app_id = %s and trigger_id = %s order by cause_id desc limit 50"""
_EVENTS: Final = """
select event_id, code, payload::text, emitted_at, emitted_by from {schema}.events
where app_id = %s and (emitted_at, event_id) < (%s, %s::uuid)
order by emitted_at desc, event_id desc limit %s"""
_EVENTS_OF_CODE: Final = """
select event_id, code, payload::text, emitted_at, emitted_by from {schema}.events
where app_id = %s and (emitted_at, event_id) < (%s, %s::uuid) and code = %s
order by emitted_at desc, event_id desc limit %s"""
_LAST_ID: Final = "ffffffff-ffff-ffff-ffff-ffffffffffff"
#: Of a condition: what tells it from others.
_TELLING: Final = ("kind", "expression", "timezone", "event_code", "task_id", "statuses", "types")
#: What a condition looks at, by the beginning of its id.
_EVENT: Final = "event"


def listed(site: Site, request: Request) -> Response:
    """Show all triggers, and what was fired last."""
    with site.database.looking() as reads:
        found = reads.all(_TRIGGERS, (site.app_id, None, _MOST))
        fired = reads.all(_FIRED, (site.app_id, None, 30))
    for one in found:
        told = json.loads(one["definition"])
        one["conditions"] = [*map(_words, told.get("conditions", []))]
    return site.page(
        request, "triggers.html", triggers=found, most=_MOST, fired=[*map(_read, fired)]
    )


def shown(site: Site, request: Request) -> Response:
    """Show one trigger."""
    trigger_id = request.path_params["trigger_id"]
    with site.database.looking() as reads:
        found = reads.one(_TRIGGERS, (site.app_id, trigger_id, _MOST))
        fired = reads.all(_FIRED, (site.app_id, trigger_id, _SHOWN))
        parked = reads.all(_PARKED, (site.app_id, trigger_id))
    if found is None:
        raise HTTPException(404, f"no trigger {trigger_id}")
    return site.page(
        request,
        "trigger.html",
        one=found,
        most=_MOST,
        fired=[*map(_read, fired)],
        parked=parked,
    )


def events(site: Site, request: Request) -> Response:
    """Show what was emitted, the latest first: all, or of one code."""
    asked = request.query_params
    code = read_text(asked.get("code", ""))
    at, _, event_id = asked.get("before", "").partition("_")
    try:
        before = read_time(at)
    except ValueError:
        before = None
    where: list[Any] = [before or datetime.max.replace(tzinfo=UTC)]
    where.append(event_id if before and is_id(event_id) else _LAST_ID)
    with site.database.looking() as reads:
        found = (
            reads.all(_EVENTS_OF_CODE, (site.app_id, *where, code, _SHOWN))
            if code
            else reads.all(_EVENTS, (site.app_id, *where, _SHOWN))
        )
    last = found[-1] if len(found) == _SHOWN else None
    return site.page(
        request,
        "events.html",
        events=found,
        code=code,
        before=last and f"{last['emitted_at'].isoformat()}_{last['event_id']}",
    )


def _words(condition: dict[str, Any]) -> str:
    """Say in short what a condition waits for."""
    parts = [condition.get(name) for name in _TELLING]
    return " ".join(
        "/".join(map(str, part)) if isinstance(part, list) else str(part) for part in parts if part
    )


def _read(fired: Row) -> Row:
    """Read the causes of a firing: of what kind each is, and what it is about."""
    causes = json.loads(fired["causes"]) if fired["causes"] else []
    fired["causes"] = [
        {
            "kind": str(cause.get("condition_id", "")).partition("_")[0],
            "source": cause.get("source_id"),
            "is_event": str(cause.get("condition_id", "")).startswith(_EVENT),
            "status": cause.get("status"),
            "at": cause.get("at"),
        }
        for cause in causes
        if isinstance(cause, dict)
    ]
    return fired
