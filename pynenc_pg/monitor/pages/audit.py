"""What people have done by hand."""

from __future__ import annotations

from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from pynenc_pg.monitor.filters import read_number, read_text
from pynenc_pg.monitor.site import Site

_SHOWN: Final = 50
#: Two texts, so that each is read by its own index.
_ALL: Final = """
select audit_id, at, who, db_user, action, subject, detail::text, origin, outcome
from {schema}.audits where app_id = %s and audit_id < %s order by audit_id desc limit %s"""
OF_SUBJECT: Final = """
select audit_id, at, who, db_user, action, subject, detail::text, origin, outcome
from {schema}.audits where app_id = %s and subject = %s and audit_id < %s
order by audit_id desc limit %s"""
_NEWEST: Final = 2**62


def listed(site: Site, request: Request) -> Response:
    """Show the entries, the latest first: all, or those about one subject."""
    asked = request.query_params
    before = read_number(asked.get("before", "")) or _NEWEST
    subject = read_text(asked.get("subject", ""))
    with site.database.looking() as reads:
        if subject:
            found = reads.all(OF_SUBJECT, (site.app_id, subject, before, _SHOWN))
        else:
            found = reads.all(_ALL, (site.app_id, before, _SHOWN))
    return site.page(
        request,
        "audit.html",
        entries=found,
        subject=subject,
        before=found[-1]["audit_id"] if len(found) == _SHOWN else None,
    )
