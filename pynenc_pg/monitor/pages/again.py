"""Calls a task again, with other arguments."""

from __future__ import annotations

import json
from typing import Any, Final

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from pynenc_pg.monitor import values
from pynenc_pg.monitor.acts import SIGNED, perform
from pynenc_pg.monitor.database import Reads, Row
from pynenc_pg.monitor.pages.doing import check_may_act
from pynenc_pg.monitor.pages.invocation import get
from pynenc_pg.monitor.site import Site

_AGAIN: Final = "select {schema}.retry_with(%s, %s, %s, %s) as made"


def ask(site: Site, request: Request) -> Response:
    """Show the arguments, to be edited."""
    check_may_act(request)
    one = _ended(site, request)
    shown = _shown(site, one)
    return _form(site, request, one, values.as_json(shown))


def call(site: Site, request: Request) -> Response:
    """Call with what was edited; what was left alone goes as it was, also what is not JSON."""
    check_may_act(request)
    one = _ended(site, request)
    written = request.state.visit.form.get("arguments", "")
    try:
        edited = json.loads(written)
    except ValueError as error:
        return _form(site, request, one, written, f"This is no JSON: {error}")
    if not isinstance(edited, dict):
        return _form(site, request, one, written, 'This is no JSON object, as {"x": 1}')
    shown = json.loads(values.as_json(_shown(site, one)))
    kept = [name for name, value in edited.items() if name in shown and shown[name] == value]
    hidden = [name for name in edited if name not in kept and _has_mask(edited[name])]
    if hidden:
        wrong = f"{hidden[0]} has a masked value in it: leave it alone, or write all of it anew"
        return _form(site, request, one, written, wrong)
    masks = values.Masks(site.settings.conf.mask_arguments)
    changed = {name: value for name, value in edited.items() if name not in kept}

    def work(reads: Reads) -> str:
        row = reads.one(_AGAIN, (site.app_id, one["invocation_id"], json.dumps(changed), kept))
        return f"made {row and row['made']}"

    detail = {"changed": masks.masked(changed), "kept": kept}
    done = perform(site, request, ("run-again-edited", str(one["invocation_id"])), work, detail)
    return RedirectResponse(f"/invocations/{one['invocation_id']}?done={done}", 303)


def _ended(site: Site, request: Request) -> Row:
    with site.database.looking() as reads:
        one = get(reads, site.app_id, request.path_params["invocation_id"])
    if one["finished_at"] is None:
        raise HTTPException(409, "it has not ended: wait for its end, or cancel it first")
    if site.settings.signed:
        raise HTTPException(409, SIGNED)
    return one


def _shown(site: Site, one: Row) -> Any:
    masks = values.Masks(site.settings.conf.mask_arguments)
    return masks.masked(values.readable(one["arguments"]))


def _has_mask(value: Any) -> bool:
    if isinstance(value, dict):
        return any(map(_has_mask, value.values()))
    return value == values.MASK or (isinstance(value, list) and any(map(_has_mask, value)))


def _form(site: Site, request: Request, one: Row, written: str, wrong: str = "") -> Response:
    status = 422 if wrong else 200
    return site.page(request, "again.html", status, one=one, written=written, wrong=wrong)
