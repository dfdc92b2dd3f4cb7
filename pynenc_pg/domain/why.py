"""Why an invocation is not running: codes for programs, sentences for people.

The SQL functions ``why_template`` and ``why_sentence`` say the same; a test compares them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final


@dataclass(frozen=True, slots=True)
class Why:
    """One reason. Of what is executed, or has ended, it says so."""

    code: str  #: for programs: see ``docs/reference/why.md``
    message: str  #: for people: a sentence
    facts: Mapping[str, Any]  #: who, what and when, as JSON has it; times in UTC


#: Facts in braces; what stands in brackets is left out where a fact of it is missing.
TEMPLATES: Final[Mapping[str, str]] = {
    "unknown": "nobody knows it here: it was never called in this app, or the transaction that "
    "calls it has not committed, or it was purged or is past its retention",
    "ended": "it has ended as {status}[ ({reason})] at {at}[, executed by runner {runner_id}]",
    "running": "it is being executed by runner {runner_id} since {since}",
    "claimed": "runner {runner_id} has taken it at {since}, and has not begun it yet",
    "cancelling": "its end was asked for: it stops at the next step of its runner",
    "waits_for_others": "it waits since {since} for the end of others: {awaited}[ ({statuses})]",
    "runner_dead": "runner {runner_id}, which holds it, is dead[ since {since}] ({health}): "
    "another runner takes it back at its next look",
    "runner_suspect": "runner {runner_id}, which holds it, may be dead[ since {since}] "
    "({health}): another runner takes it back unless it comes again at once",
    "nobody_recovers": "no live runner is there that could take it back: start one",
    "expired": "it should have begun until {expires_at}: it ends as failed (expired) at the next "
    "look of a runner",
    "set_aside": "it was set aside at {since} ({cause})[, missing {missing}][, unknown "
    "{unknown}]: it is offered again when a runner comes that can take it",
    "workflow_paused": "its workflow is paused since {since}[: {reason}]",
    "waits_for_event": "its workflow waits for an event: {events}[, until {until}]",
    "asleep": "its workflow sleeps until {until}",
    "due_later": "it is due at {due_at}[ ({reason})]",
    "due": "it is due since {due_at}, and is made ready at the next look of a runner",
    "queue_paused": "its queue, {queue}, is paused",
    "queue_unserved": "no live runner serves its queue, {queue}",
    "task_unknown": "no live runner knows its task, {task_id}",
    "other_arguments": "its task, {task_id}, as the live runners have it takes other "
    "arguments[, missing {missing}][, unknown {unknown}]",
    "task_elsewhere": "the live runners that know its task, {task_id}, do not serve its queue, "
    "{queue}",
    "slot_taken": "it waits for one of the {slots} slots of its concurrency key, {key}[, held by "
    "{holders}]",
    "rate_limited": "its concurrency key, {key}, lets no more begin until {until}: {starts} in "
    "{seconds} seconds",
    "runners_busy": "all places of the runners that serve its queue, {queue}, are taken: {taken} "
    "of {places}",
    "behind": "[{more} ]{ahead} come before it in its queue, {queue}",
    "ready": "it is ready: a runner that serves its queue, {queue}, takes it at its next look",
    "expires": "it ends as failed (expired) unless it begins before {expires_at}",
}


def why(code: str, **facts: Any) -> Why:
    """Make one; facts that are None are left out.

    >>> why("due_later", due_at="2030-01-01T00:00:00Z", reason=None).message
    'it is due at 2030-01-01T00:00:00Z'
    """
    known = {name: value for name, value in facts.items() if value is not None}
    return Why(code, sentence(code, known), known)


def sentence(code: str, facts: Mapping[str, Any]) -> str:
    """Say a reason in words."""
    said = ""
    for part in re.findall(r"\[[^]]*\]|[^[]+", TEMPLATES[code]):
        names = re.findall(r"\{([a-z_]+)\}", part)
        if part[0] == "[" and any(facts.get(name) in (None, [], ()) for name in names):
            continue
        said += re.sub(r"\{([a-z_]+)\}", lambda found: _text(facts.get(found[1])), part.strip("[]"))
    return said


def _text(value: Any) -> str:
    if isinstance(value, list | tuple):
        return ", ".join(map(_text, value))
    return "" if value is None else str(value)
