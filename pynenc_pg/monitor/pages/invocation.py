"""The page of one invocation: all that is known of it, and what may be done."""

from __future__ import annotations

import json
import re
import sys
from itertools import zip_longest
from typing import Any, Final

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from pynenc_pg.monitor import values
from pynenc_pg.monitor.database import Reads, Row
from pynenc_pg.monitor.filters import is_id
from pynenc_pg.monitor.pages.audit import OF_SUBJECT
from pynenc_pg.monitor.site import Site

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

#: Relatives, and waits, that are shown.
_FAMILY: Final = 100
_WAITS: Final = 50
_CALL: Final = """
select i.*, i.arguments::text as arguments, i.result::text as result, c.retried_from
from {schema}.invocations i cross join lateral {schema}.get_call(%s, i.invocation_id) c
where i.app_id = %s and i.invocation_id = %s"""
#: Changes that are shown, the latest.
_CHANGES: Final = 300
_HISTORY: Final = """
select * from (select * from {schema}.history(%s, %s) order by rev desc limit %s) h order by rev"""
_RELATIVES: Final = "select * from {schema}.family(%s, %s, %s)"
_WAITING: Final = "select * from {schema}.waits_of(%s, %s, %s)"
_WHY: Final = "select message from {schema}.why(%s, %s)"
_CAUSE: Final = """
select run_id, trigger_id, fired_at, causes::text from {schema}.trigger_runs
where invocation_id = %s and app_id = %s"""
_RUN: Final = """
select * from {schema}.workflow_info(%s, %s) where steps > 0 or workflow_id <> invocation_id"""
_HASH: Final = re.compile(r"[0-9a-f]{64}")
_VALUE: Final = "select content, codec from {schema}.fetch(%s, array[%s])"
#: Bytes of a large value that are read for a page.
_LARGEST: Final = 2_000_000


def get(reads: Reads, app: str, invocation_id: str) -> Row:
    """Return an invocation.

    Raises:
        HTTPException: there is none of that id.
    """
    found = reads.one(_CALL, (app, app, invocation_id)) if is_id(invocation_id) else None
    if found is None:
        raise HTTPException(404, f"no invocation {invocation_id} in app {app}")
    return found


def shown(site: Site, request: Request) -> Response:
    """Show it."""
    app = site.app_id
    with site.database.looking() as reads:
        found = get(reads, app, request.path_params["invocation_id"])
        invocation_id = str(found["invocation_id"])
        history = reads.all(_HISTORY, (app, invocation_id, _CHANGES))
        relatives = reads.all(_RELATIVES, (app, invocation_id, _FAMILY))
        waits = reads.all(_WAITING, (app, invocation_id, _WAITS))
        cause = reads.one(_CAUSE, (invocation_id, app))
        run = reads.one(_RUN, (app, invocation_id))
        live = found["finished_at"] is None
        why = reads.all(_WHY, (app, invocation_id)) if live else []
        audits = reads.all(OF_SUBJECT, (app, invocation_id, 2**62, 10))
    failed = found["status"] == "failed" and found["result"]
    return site.page(
        request,
        "invocation.html",
        one=found,
        why=why,
        history=_with_spans(history),
        earlier=history[0]["rev"] if history else 0,
        failure=failure_of(found["result"]) if failed else None,
        above=[row for row in relatives if row["level"] < 0],
        below=[row for row in relatives if row["level"] > 0],
        more=len(relatives) >= _FAMILY,
        waits_for=[row for row in waits if str(row["waiter_id"]) == invocation_id],
        waited_by=[row for row in waits if str(row["awaited_id"]) == invocation_id],
        cause=cause,
        run=run,
        audits=audits,
        final=not live,
        signed=site.settings.signed,
    )


def value(site: Site, request: Request) -> Response:
    """Show a large value that is stored by itself."""
    name = request.path_params["name"]
    with site.database.looking() as reads:
        found = reads.one(_VALUE, (site.app_id, name)) if _HASH.fullmatch(name) else None
    if found is None:
        raise HTTPException(404, f"no value {name}")
    content = _beginning(bytes(found["content"]), found["codec"])
    whole = len(content) < _LARGEST
    text = content.decode("utf-8", "replace") if whole else None
    return site.page(request, "value.html", name=name, size=len(found["content"]), text=text)


def _beginning(content: bytes, codec: str) -> bytes:
    """Unpack a value, but no more of it than a page could show."""
    if codec == "zstd":
        return bytes(zstd.ZstdDecompressor().decompress(content, _LARGEST))
    return content[:_LARGEST]


def failure_of(text: str) -> dict[str, Any]:
    """Return what a stored exception says: type, message, traceback and notes."""
    read = values.readable(text)
    said = read if isinstance(read, dict) else {"message": read}
    others = [one for one in said.get("others") or [] if isinstance(one, dict)]
    return {
        "type": _name(said),
        "message": _words(said.get("message")),
        "traceback": _words(said.get("traceback")),
        "notes": [_words(note) for note in said.get("notes") or []],
        "stored": [one.name for one in said.values() if isinstance(one, values.Stored)],
        "others": [(_name(one), _words(one.get("message"))) for one in others],
    }


def _name(said: dict[str, Any]) -> str:
    module, name = said.get("module"), said.get("type") or "an exception"
    return str(name) if module in (None, "builtins") else f"{module}.{name}"


def _words(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, values.Stored):
        return f"(a large value, {value.name})"
    return value if isinstance(value, str) else json.dumps(value, default=str)


def _with_spans(history: list[Row]) -> list[Row]:
    """Add to each change how long it stayed so."""
    for entry, following in zip_longest(history, history[1:]):
        entry["stayed"] = following and following["at"] - entry["at"]
        entry["failure"] = failure_of(entry["error"]) if entry["error"] else None
    return history
