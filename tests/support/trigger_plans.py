"""The verbs of triggers, and the indexes each statement is meant to use."""

from __future__ import annotations

from typing import Final

from tests.support.filled import BUSY, FEW, Held, Sample
from tests.support.plan_case import GUARDS, REGISTER, STATE, Case, call, case
from tests.support.sql import APP, RUNNER, Connection, finish, one
from tests.support.trigger_sql import Cause, emit, fire, pair, settle, take, tell, watched


def _taken(connection: Connection, _sample: Sample) -> Held:
    return [(str(cause), attempt) for cause, attempt in take(connection, "fires", limit=FEW)]


def _taken_by_a_verb(connection: Connection, sample: Sample) -> Held:
    # What is called directly here has its settings from the verbs that call it.
    for what in (
        "enable_seqscan",
        "enable_bitmapscan",
        "enable_hashjoin",
        "enable_mergejoin",
        "jit",
    ):
        connection.execute(f"set local {what} = off".encode())
    return _taken(connection, sample)


def _waiting(connection: Connection, _sample: Sample) -> Held:
    query = "select cause_id from waiting_causes(%s, 'waits', 1)"
    return [(str(one(connection, query, (APP,))), 0)]


def _watched(connection: Connection, _sample: Sample) -> Held:
    wanted = {"arguments": {}, "result": 1}
    tell(connection, watched(what="success", about="tests.task", wanted=wanted))
    return []


def _causes(held: Held) -> list[Cause]:
    return [(int(cause), attempt) for cause, attempt in held]


TRIGGERS: Final[dict[str, Case]] = {
    "emit": case(lambda c, _: emit(c, "code-7")),
    "take_causes": case(
        lambda c, _: take(c, "fires", limit=FEW),
        triggers_with_causes="trigger_cause_due_idx",
        take_causes="trigger_cause_due_idx trigger_cause_pkey event_pkey invocation_pkey"
        " invocation_outcome_pkey",
    ),
    "return_causes": Case(
        lambda c, _s, _h: c.execute("select return_causes(%s, %s)", (APP, [RUNNER])),
        {"return_causes": "trigger_cause_taken_idx trigger_cause_pkey"},
        prepare=_taken_by_a_verb,
    ),
    "next_cause": case(
        call("select next_cause(%s)"),
        triggers_with_causes="trigger_cause_due_idx",
        next_cause="trigger_cause_due_idx",
    ),
    "settle_causes": Case(
        lambda c, _, held: [settle(c, _causes(held[:2])), settle(c, _causes(held[2:]), "later")],
        {"settle_causes": "trigger_cause_pkey"},
        prepare=_taken,
    ),
    "waiting_causes": case(
        call("select * from waiting_causes(%s, %s, %s)", "waits", FEW),
        waiting_causes="trigger_cause_waiting_idx",
    ),
    "pair_causes": Case(
        lambda c, _, held: pair(c, [[int(held[0][0])]], "waits"),
        {"pair_causes": "trigger_cause_pkey"},
        prepare=_waiting,
    ),
    "fire": Case(
        lambda c, _, held: fire(c, _causes(held)),
        {
            **REGISTER,
            "fire": "trigger_cause_pkey",
            "cause_as_json": "trigger_cause_pkey",
        },
        prepare=_taken,
    ),
    "finish_watched": Case(
        lambda c, s, _: finish(c, s.owned, BUSY),
        {
            **GUARDS,
            "lock_lanes": STATE,
            "finish": STATE,
            "record_causes": "invocation_pkey invocation_outcome_pkey",
        },
        prepare=_watched,
    ),
    "retry_causes": case(
        call("select retry_causes(%s, %s)", "nobody"), retry_causes="trigger_cause_parked_idx"
    ),
}
