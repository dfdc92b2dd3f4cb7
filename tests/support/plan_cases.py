"""The hot verbs, each on a few invocations, and the indexes each statement is meant to use."""

from __future__ import annotations

import hashlib
from typing import Final

from tests.support.filled import BUSY, FEW, Held, Sample
from tests.support.monitor_plans import MONITOR
from tests.support.plain_sql import status_of
from tests.support.plan_case import GUARDS as _GUARDS
from tests.support.plan_case import REGISTER as _REGISTER
from tests.support.plan_case import STATE as _STATE
from tests.support.plan_case import Case
from tests.support.plan_case import call as _call
from tests.support.plan_case import case as _case
from tests.support.plan_case import claims as _claims
from tests.support.plan_case import lost as _lost
from tests.support.retention_plans import RETENTION
from tests.support.sql import (
    APP,
    Connection,
    cancel,
    claim,
    crash,
    finish,
    heartbeat,
    one,
    recover,
    register,
    register_tasks,
    release,
    retry,
    set_aside,
    start,
)
from tests.support.trigger_plans import TRIGGERS
from tests.support.wait_sql import pause, resume, watch
from tests.support.why_plans import WHY
from tests.support.workflow_plans import WORKFLOWS


def _claimed(connection: Connection, _sample: Sample) -> Held:
    return claim(connection, limit=FEW, queues=["default"])


def _claimed_and_cancelled(connection: Connection, sample: Sample) -> Held:
    held = _claimed(connection, sample)
    cancel(connection, held[0][0])
    return held


def _paused(connection: Connection, sample: Sample) -> Held:
    pause(connection, sample.owned[0], sample.ready[:2], BUSY)
    return sample.owned[:1]


def _dead(connection: Connection, _sample: Sample) -> Held:
    connection.execute(
        "update runner set dead_at = clock_timestamp() where runner_id = %s", (BUSY,)
    )
    return []


def _set_aside(connection: Connection, sample: Sample) -> Held:
    register_tasks(connection, "tests.task", "tests.other")
    set_aside(connection, sample.owned, BUSY)
    return sample.owned


def _told(connection: Connection, _sample: Sample) -> Held:
    register_tasks(connection, "tests.task", kind="var_keyword")
    return []


#: Of the first payloads that a filled database has.
NAMES: Final = [hashlib.sha256(str(n).encode()).hexdigest() for n in (1, 2)]
_LANES: Final = "lane_queue_idx slot_pkey state_must_not_wait_idx state_lane_idx"
_CLAIM: Final = {
    "claim": f"{_STATE} state_ready_idx state_awaited_idx invocation_pkey lane_queue_idx",
}
_CLAIM_SLOTS: Final = {
    "offer_lanes": _LANES,
    "pick_by_turn": "lane_pkey slot_pkey state_lane_idx",
    "take_slots": f"lane_pkey slot_pkey {_STATE}",
    "guard_slot": "lane_pkey",
    "open_lanes": "lane_pkey slot_pkey",
    "choose": f"{_STATE} state_ready_idx",
    "settle_slots": f"{_STATE} lane_pkey slot_invocation slot_pkey state_must_not_wait_idx"
    " state_lane_idx",
    "require_slot": "slot_invocation",
    "claim": f"{_STATE} state_awaited_idx invocation_pkey lane_queue_idx",
}
_END_UNOWNED: Final = {**_GUARDS, "end_unowned": _STATE}
_CANCEL: Final = {
    **_END_UNOWNED,
    "cancel": _STATE,
    "own_steps": f"{_STATE} workflow_step_pkey invocation_pkey",
}
_FREE: Final = {
    "lock_lanes": f"{_STATE} lane_pkey",
    "guard_slot": _STATE,
    "open_lanes": "lane_pkey slot_pkey",
    "free_slots": "slot_invocation state_lane_idx lane_pkey",
    "reroute_parked": f"{_STATE} lane_pkey slot_pkey state_lane_idx",
    "forget_lanes": "lane_pkey slot_pkey state_lane_idx",
}
_RELEASE: Final = {"give_back": f"{_STATE} wait_edge_waiter_idx", "reroute_stopped": _STATE}


CASES: Final[dict[str, Case]] = {
    "register_one": _case(lambda c, _: register(c), **_REGISTER),
    "register_bulk": _case(lambda c, _: register(c, FEW), **_REGISTER),
    "register_keyed": _case(
        lambda c, s: register(c, len(s.keys) + 1, queue="keyed", keys=[*s.keys, "new"]),
        **_REGISTER,
        reserve_keys="invocation_pkey invocation_state_pkey state_registration_key_idx",
    ),
    "register_once": _case(
        lambda c, _: (register(c, once="once"), register(c, once="once")),
        **_REGISTER,
        reserve_call="call_key_pkey",
    ),
    "register_cached": _case(
        lambda c, s: register(c, len(s.ended) + 1, calls=[*s.ended, "new"]),
        **_REGISTER,
        recall="call_result_pkey invocation_outcome_pkey invocation_pkey",
        remember_calls="call_result_pkey call_result_invocation_idx invocation_outcome_pkey",
    ),
    "register_anew": _case(
        lambda c, s: register(c, len(s.ended), calls=["new", *s.ended[1:]], ttl=0),
        **_REGISTER,
        recall="call_result_pkey invocation_outcome_pkey invocation_pkey",
        remember_calls="call_result_pkey call_result_invocation_idx invocation_outcome_pkey",
    ),
    "register_laned": _case(
        lambda c, s: register(c, len(s.lanes) + 1, queue="laned", slots=1, lanes=[*s.lanes, "new"]),
        **_REGISTER,
        share_lanes="lane_key lane_pkey",
        register_2="lane_pkey",
    ),
    "register_strict": _case(
        lambda c, s: register(c, len(s.keys), queue="keyed", keys=s.keys, refuse_different=True),
        **_REGISTER,
        reserve_keys="invocation_pkey invocation_state_pkey state_registration_key_idx",
        refuse_different="invocation_pkey",
    ),
    "claim": _case(_claims("default"), **_CLAIM),
    "claim_several_queues": _case(_claims("ending", "other", "default"), **_CLAIM),
    "claim_laned": _case(_claims("laned"), **_CLAIM_SLOTS),
    "claim_long_lane": _case(_claims("long"), **_CLAIM_SLOTS),
    "start": Case(
        lambda c, _, held: start(c, [*held, _lost()]), {"start": _STATE}, prepare=_claimed
    ),
    "start_cancelled": Case(
        lambda c, _, held: start(c, held),
        {**_END_UNOWNED, **_RELEASE, "start": _STATE, "lock_lanes": _STATE},
        prepare=_claimed_and_cancelled,
    ),
    "finish": _case(
        lambda c, s: finish(c, [*s.owned, _lost()], BUSY),
        **_GUARDS,
        lock_lanes=_STATE,
        finish=f"{_STATE} invocation_outcome_pkey",
    ),
    "finish_laned": _case(lambda c, s: finish(c, s.slotted), **_GUARDS, **_FREE, finish=_STATE),
    "pause": _case(
        lambda c, s: pause(c, s.owned[0], [s.ready[0], s.owned[1][0], s.ended[0]], BUSY),
        own_children=f"{_STATE} invocation_pkey wait_edge_waiter_idx",
        pause=_STATE,
        outcomes="invocation_outcome_pkey",
        refuse_circle=f"{_STATE} wait_edge_waiter_idx lane_pkey slot_pkey",
        hasten=f"{_STATE} invocation_pkey",
    ),
    "resume": Case(
        lambda c, s, held: resume(c, [*held, _lost()], BUSY, forget=s.ready[:1]),
        {"resume": f"{_STATE} wait_edge_waiter_idx wait_edge_pkey"},
        prepare=_paused,
    ),
    "retry": _case(
        lambda c, s: retry(c, [*s.owned, _lost()], BUSY, error='"why"'),
        lock_lanes=_STATE,
        retry=f"{_STATE} invocation_history_invocation_id_idx wait_edge_waiter_idx",
    ),
    "set_aside": _case(
        lambda c, s: set_aside(c, [*s.owned, _lost()], BUSY),
        lock_lanes=_STATE,
        retry=f"{_STATE} invocation_history_invocation_id_idx wait_edge_waiter_idx",
        set_aside=f"{_STATE} invocation_pkey invocation_history_invocation_id_idx aside_pkey",
        is_able="runner_task_name_idx task_pkey",
    ),
    "register_tasks": Case(
        lambda c, _s, _h: register_tasks(c, "tests.task", "tests.other", kind="var_keyword"),
        {
            "register_tasks": "aside_waiting_idx task_pkey runner_task_pkey",
            "free_aside": f"{_STATE} aside_waiting_idx aside_pkey",
            "is_able": "runner_task_name_idx task_pkey",
        },
        prepare=_set_aside,
    ),
    "enqueue": Case(
        lambda c, _s, _h: one(c, "select enqueue('tests.task', '{\"y\": 1}')"),
        {**_REGISTER, "find_task": "task_pkey"},
        prepare=_told,
    ),
    "enqueue_once": Case(
        # Twice, by names that have a collation of their own: the indexes have the usual one.
        lambda c, _s, _h: [
            one(c, "select enqueue('tests.task'::name, '{}', key => 'k'::name)") for _ in range(2)
        ],
        {**_REGISTER, "find_task": "task_pkey", "reserve_call": "call_key_pkey"},
        prepare=_told,
    ),
    "cancel_by_id": _case(
        lambda c, s: one(c, "select cancel(%s)", (s.ready[0],)),
        **{**_CANCEL, "cancel": f"{_STATE} invocation_pkey"},
        lock_lanes=_STATE,
    ),
    "retry_by_id": Case(
        lambda c, s, _: one(c, "select retry(%s)", (s.ended[0],)),
        {
            **_REGISTER,
            "find_task": "task_pkey",
            "retry": "invocation_pkey invocation_outcome_pkey",
        },
        prepare=_told,
    ),
    "release": _case(
        lambda c, s: release(c, [*s.owned, _lost()], BUSY), **_RELEASE, lock_lanes=_STATE
    ),
    "crash": _case(
        lambda c, s: crash(c, [*s.owned, _lost()], BUSY),
        **{**_RELEASE, "quarantine": _STATE},
        lock_lanes=_STATE,
    ),
    "release_laned": _case(
        lambda c, s: release(c, s.slotted),
        **{**_FREE, **_RELEASE, "reroute_stopped": f"{_STATE} lane_pkey"},
    ),
    "recover": Case(
        # Without a look at what live runners hold: most sweeps are like this.
        lambda c, _s, _h: recover(c, limit=FEW, max_pending=None),
        {
            "recover": f"{_STATE} state_owned_idx wait_edge_waiter_idx",
            "lock_lanes": _STATE,
            "quarantine": _STATE,
            "reroute_stopped": _STATE,
        },
        prepare=_dead,
    ),
    "recover_nobody": _case(
        lambda c, _: recover(c, max_pending=None),
        recover=f"{_STATE} state_owned_idx",
        lock_lanes=_STATE,
    ),
    "promote": _case(
        _call("select * from promote(%s, %s)", FEW),
        promote=f"{_STATE} state_due_idx lane_next_idx",
        wake_workflows="workflow_wake_pkey",
    ),
    "expire": _case(
        _call("select expire(%s, %s)", FEW), **_END_UNOWNED, expire="state_expires_idx"
    ),
    "cancel": _case(lambda c, s: cancel(c, s.ready[0]), **_CANCEL, lock_lanes=_STATE),
    "cancel_laned": _case(
        lambda c, s: cancel(c, s.waiting),
        **_CANCEL,
        lock_lanes=f"{_STATE} lane_pkey",
        forget_lanes="lane_pkey slot_pkey state_lane_idx",
    ),
    "watch": _case(lambda c, s: watch(c, s.ready), watch=_STATE),
    "outcomes": _case(
        lambda c, s: c.execute("select outcomes(%s, %s::uuid[])", (APP, s.ended)),
        outcomes="invocation_outcome_pkey",
    ),
    "get_invocation": _case(
        lambda c, s: status_of(c, s.ready[0]),
        get_invocation=f"{_STATE} invocation_pkey invocation_outcome_pkey",
    ),
    "get_call": _case(
        lambda c, s: c.execute("select get_call(%s, %s)", (APP, s.ended[0])),
        get_call="invocation_pkey invocation_state_pkey",
    ),
    "history": _case(
        lambda c, s: c.execute("select history(%s, %s)", (APP, s.ended[0])),
        history="invocation_history_invocation_id_idx invocation_error_pkey"
        " invocation_outcome_pkey",
    ),
    "hold": _case(_call("select hold(%s, %s)", [*NAMES, "0" * 64]), hold="payload_pkey"),
    "hold_contents": _case(
        _call("select hold(%s, %s, %s, %s)", [*NAMES, "0" * 64], [b"x"] * 3, [""] * 3),
        hold="payload_pkey",
    ),
    "refer": _case(
        lambda c, s: c.execute(
            "select refer(%s, %s::uuid[], %s::uuid[], %s)", (APP, s.ready[:2], s.ready[:2], NAMES)
        ),
        refer="payload_pkey",  # the foreign key
    ),
    "fetch": _case(_call("select * from pynenc.fetch(%s, %s)", NAMES), fetch="payload_pkey"),
    "collect": _case(
        _call("select * from collect(%s, %s, 86400, %s)", "", FEW),
        collect="payload_pkey payload_ref_pkey",
    ),
    **WORKFLOWS,
    **TRIGGERS,
    **RETENTION,
    **MONITOR,
    **WHY,
    "heartbeat": _case(lambda c, _: heartbeat(c)),
    "asked_to_stop": _case(
        lambda c, _: c.execute("select asked_to_stop(%s, %s)", (APP, BUSY)),
        asked_to_stop="state_asked_idx",
    ),
}
