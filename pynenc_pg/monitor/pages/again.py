"""Calls a task again, with other arguments."""

from __future__ import annotations

import json
from collections.abc import Iterator
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

_DEEPEST: Final = 100
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
    readable = _shown(site, one)
    try:
        edited = _read(written)
        shown = json.loads(values.as_json(readable))
        kept = [name for name in edited if name in shown and _is_same(shown[name], edited[name])]
        changed = {name: value for name, value in edited.items() if name not in kept}
        _check_no_sign(changed, values.signs(readable))
    except ValueError as error:
        return _form(site, request, one, written, str(error))
    masks = values.Masks(site.settings.conf.mask_arguments)

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


def _read(written: str) -> dict[str, Any]:
    try:
        edited = json.loads(written, parse_constant=_refuse)
    except (ValueError, RecursionError) as error:
        message = f"This is no JSON: {error}"
        raise ValueError(message) from error
    if not isinstance(edited, dict):
        message = 'This is no JSON object, as {"x": 1}'
        raise ValueError(message)  # noqa: TRY004 - of what somebody has written
    return edited


def _refuse(word: str) -> Any:
    message = f"it has no {word}"
    raise ValueError(message)


def _check_no_sign(changed: dict[str, Any], signs: set[str]) -> None:
    """Refuse what would arrive as the words that stand here for something else."""
    for name, value in changed.items():
        found = signs.intersection(_texts(value))
        if found:
            message = f"{name} has {found.pop()} in it: leave it alone, or write all of it anew"
            raise ValueError(message)


def _is_same(one: Any, other: Any) -> bool:
    """Whether two values are the same JSON: to Python, true is 1."""
    return json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)


def _texts(value: Any, depth: int = 0) -> Iterator[str]:
    """Yield all texts in a value, names too."""
    if depth > _DEEPEST:
        message = f"it is nested deeper than {_DEEPEST} levels"
        raise ValueError(message)
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        yield from value
        for each in value.values():
            yield from _texts(each, depth + 1)
    elif isinstance(value, list):
        for each in value:
            yield from _texts(each, depth + 1)


def _form(site: Site, request: Request, one: Row, written: str, wrong: str = "") -> Response:
    status = 422 if wrong else 200
    return site.page(request, "again.html", status, one=one, written=written, wrong=wrong)
