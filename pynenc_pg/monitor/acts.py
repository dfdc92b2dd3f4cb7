"""What an operator may do, one thing at a time: what it says, when it is legal, how it is done.

Each is one transaction: the verb, and the entry in the audit that tells of it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from pynenc_pg.exceptions import InvocationStatusError, PynencError
from pynenc_pg.monitor.database import Reads
from pynenc_pg.monitor.filters import FINAL, is_id

if TYPE_CHECKING:
    from starlette.requests import Request

    from pynenc_pg.monitor.site import Site

_AUDIT: Final = "select {schema}.record_audit(%s, %s, %s, %s, %s, %s, %s) as audit_id"
_STATUS: Final = (
    "select status::text from {schema}.invocations where app_id = %s and invocation_id = %s"
)
_RUN: Final = (
    "select 1 from {schema}.workflow_info(%s, %s) where steps > 0 or paused_at is not null"
)

#: Does it to a subject, for a reason where one is asked for; returns the outcome.
Verb = Callable[[Reads, "Site", str, str], str]
#: Why it may not be done now; empty: it may.
Refusal = Callable[[Reads, "Site", str], str]


@dataclass(frozen=True, slots=True)
class Act:
    """One thing to do."""

    title: str
    asks: str  # what is asked before it is done; {} is the subject
    verb: Verb
    refusal: Refusal
    back: str  # the page that one comes from; {} is the subject
    harsh: bool = False
    reason: bool = False  # whether a reason is asked for


def perform(
    site: Site,
    request: Request,
    what: tuple[str, str],
    work: Callable[[Reads], str],
    detail: Mapping[str, Any],
) -> int:
    """Do something and write it down, in one transaction; return the number of the entry.

    ``what`` is the action and its subject.

    Raises:
        PynencError: it was refused. That is written down, too, in a transaction of its own.
    """
    try:
        with site.database.acting() as reads:
            outcome = work(reads)
            return audit(site, request, reads, (*what, outcome), detail)
    except PynencError as error:
        with site.database.acting() as reads:
            audit(site, request, reads, (*what, f"refused: {error}"[:500]), detail)
        raise


def audit(
    site: Site,
    request: Request,
    reads: Reads,
    what: tuple[str, str, str],
    detail: Mapping[str, Any],
) -> int:
    """Write an entry: ``what`` is the action, its subject and the outcome."""
    action, subject, outcome = what
    who = request.state.visit.identity
    origin = request.client.host if request.client else "?"
    said = json.dumps(detail) if detail else None
    row = reads.one(
        _AUDIT,
        (site.app_id, f"{who.who} ({who.role})", action, subject, said, origin, outcome),
    )
    return int(row["audit_id"]) if row else 0


def cancel(reads: Reads, site: Site, subject: str, _reason: str) -> str:
    """End it, or ask its runner to."""
    statement = "select {schema}.cancel(%s, %s, 'monitor') as said"
    answer = reads.one(statement, (site.app_id, subject))
    return str(answer and answer["said"])


def retry(reads: Reads, site: Site, subject: str, _reason: str) -> str:
    """Call it again."""
    _check_own(reads, site, subject)
    answer = reads.one("select {schema}.retry(%s::uuid) as said", (subject,))
    return f"made {answer and answer['said']}"


def _check_own(reads: Reads, site: Site, subject: str) -> None:
    """Refuse what is another app's: the verb takes any id."""
    if reads.one(_STATUS, (site.app_id, subject)) is None:
        message = f"no invocation {subject} in app {site.app_id}"
        raise InvocationStatusError(message)


def _queue(*, paused: bool) -> Verb:
    def act(reads: Reads, site: Site, subject: str, _reason: str) -> str:
        reads.one("select {schema}.pause_queue(%s, %s, %s)", (site.app_id, subject, paused))
        return "paused" if paused else "goes on"

    return act


def _trigger(*, paused: bool) -> Verb:
    def act(reads: Reads, site: Site, subject: str, _reason: str) -> str:
        statement = "select {schema}.pause_trigger(%s, %s, %s) as found"
        answer = reads.one(statement, (site.app_id, subject, paused))
        if not (answer and answer["found"]):
            return "unknown"
        return "paused" if paused else "goes on"

    return act


def _workflow(*, paused: bool) -> Verb:
    def act(reads: Reads, site: Site, subject: str, reason: str) -> str:
        statement = "select {schema}.pause_workflow(%s::text, %s::uuid, %s::text, %s) as live"
        answer = reads.one(statement, (site.app_id, subject, reason, paused))
        if not (answer and answer["live"]):
            return "it has ended"
        return "stops at its next step" if paused else "goes on"

    return act


def _parked(reads: Reads, site: Site, subject: str, _reason: str) -> str:
    answer = reads.one("select {schema}.retry_causes(%s, %s) as n", (site.app_id, subject))
    return f"{answer['n'] if answer else 0} causes are looked at again"


def _status(reads: Reads, site: Site, subject: str) -> str | None:
    found = reads.one(_STATUS, (site.app_id, subject)) if is_id(subject) else None
    return str(found["status"]) if found else None


def _not_live(reads: Reads, site: Site, subject: str) -> str:
    status = _status(reads, site, subject)
    if status is None:
        return "there is no such invocation"
    return f"it has ended: {status}" if status in FINAL else ""


def _not_ended(reads: Reads, site: Site, subject: str) -> str:
    if site.settings.signed:
        return SIGNED
    status = _status(reads, site, subject)
    if status is None:
        return "there is no such invocation"
    return "" if status in FINAL else f"it has not ended: {status}"


def _no_queue(reads: Reads, site: Site, subject: str) -> str:
    statement = "select 1 from {schema}.queue_figures(%s, 1) where queue = %s"
    return "" if reads.one(statement, (site.app_id, subject)) else "there is no such queue"


def _no_trigger(reads: Reads, site: Site, subject: str) -> str:
    statement = "select 1 from {schema}.trigger_figures(%s, %s, 1)"
    return "" if reads.one(statement, (site.app_id, subject)) else "there is no such trigger"


def _no_run(reads: Reads, site: Site, subject: str) -> str:
    if (status := _status(reads, site, subject)) in FINAL or status is None:
        return "it has ended" if status else "there is no such run"
    return "" if reads.one(_RUN, (site.app_id, subject)) else "it is no run of a workflow"


#: Said where only Python can call again.
SIGNED: Final = (
    "this app signs its calls, and only a process with its key can make one: call "
    "invocation.retry() in Python"
)
_INVOCATION: Final = "/invocations/{}"
_TRIGGER: Final = "/triggers/{}"
_WORKFLOW: Final = "/workflows/{}"

ACTS: Final[dict[str, Act]] = {
    "cancel": Act(
        "Cancel",
        "It ends now if nobody runs it; else its runner is asked to stop it. What it has called as "
        "steps of a workflow is cancelled with it.",
        cancel,
        _not_live,
        _INVOCATION,
        harsh=True,
    ),
    "retry": Act(
        "Run again",
        "A new invocation is made, with the same task, arguments, queue and options.",
        retry,
        _not_ended,
        _INVOCATION,
    ),
    "pause-queue": Act(
        "Pause queue",
        "No runner takes work of it until somebody resumes it. Calls are accepted, and what runs "
        "goes on.",
        _queue(paused=True),
        _no_queue,
        "/queues",
    ),
    "resume-queue": Act(
        "Resume queue",
        "Runners take work of it again.",
        _queue(paused=False),
        _no_queue,
        "/queues",
    ),
    "pause-trigger": Act(
        "Pause trigger",
        "Nothing of it fires. What happens meanwhile is noted, and fires later.",
        _trigger(paused=True),
        _no_trigger,
        _TRIGGER,
    ),
    "resume-trigger": Act(
        "Resume trigger",
        "It fires again, also for what was noted meanwhile.",
        _trigger(paused=False),
        _no_trigger,
        _TRIGGER,
    ),
    "retry-causes": Act(
        "Look at parked causes again",
        "Causes that a filter or an argument provider failed on are tried once more.",
        _parked,
        _no_trigger,
        _TRIGGER,
    ),
    "pause-workflow": Act(
        "Pause run",
        "It stops at its next step. What it has called goes on.",
        _workflow(paused=True),
        _no_run,
        _WORKFLOW,
        reason=True,
    ),
    "resume-workflow": Act(
        "Resume run",
        "It goes on where it stopped.",
        _workflow(paused=False),
        _no_run,
        _WORKFLOW,
    ),
}
