"""The verbs of workflows, and the indexes each statement is meant to use."""

from __future__ import annotations

from typing import Final

from tests.support import workflow_sql as flow
from tests.support.filled import BUSY, FEW, Sample
from tests.support.plan_case import REGISTER, STATE, Case, call, case
from tests.support.sql import Connection


def _record(connection: Connection, sample: Sample, *steps: tuple[str, str]) -> None:
    for path, kind in steps:
        flow.record(connection, sample.owned[0], path, kind, runner=BUSY, key="a")


def _emit_as_a_commit_does(connection: Connection) -> None:
    connection.execute("set constraints all immediate")
    flow.emit(connection, "none")


_STEPS: Final = "workflow_step_pkey"
_RUNS: Final = {"check_author": STATE, "begin_run": "workflow_pkey invocation_pkey"}
_READS: Final = {"step_as_read": f"{_STEPS} invocation_outcome_pkey workflow_pkey"}
WORKFLOWS: Final[dict[str, Case]] = {
    "record_step": case(
        lambda c, s: _record(c, s, ("1", "random")),
        **_RUNS,
        **_READS,
        record_step=_STEPS,
    ),
    "record_data": case(
        lambda c, s: _record(c, s, ("1", "set_data"), ("2", "get_data"), ("3", "event")),
        **_RUNS,
        **_READS,
        record_step=f"{_STEPS} workflow_data_pkey workflow_wait_pkey",
    ),
    "record_child": case(
        lambda c, s: flow.call(c, s.owned[0], runner=BUSY),
        **_RUNS,
        **REGISTER,
        register_2="invocation_pkey",
        prepare_registration="new_queue_idx",  # its queue is one with the commit
        record_child=f"{STATE} {_STEPS}",
    ),
    "await_event": case(
        lambda c, s: flow.listen(c, s.owned[0], code="none", runner=BUSY),
        **_RUNS,
        await_event=f"workflow_wait_pkey invocation_pkey event_code_idx {_STEPS}",
    ),
    "workflow_steps": case(
        lambda c, s: call("select * from workflow_steps(%s, %s)", s.ended[0])(c, s),
        **_READS,
        workflow_steps="invocation_pkey",
    ),
    "workflow_values": case(
        lambda c, s: call("select * from workflow_values(%s, %s)", s.ended[0])(c, s),
        workflow_values="workflow_data_pkey",
    ),
    "workflow_info": case(
        lambda c, s: call("select * from workflow_info(%s, %s)", s.ended[0])(c, s),
        workflow_info=f"invocation_pkey workflow_pkey {_STEPS}",
    ),
    "workflow_tree": case(
        lambda c, s: c.execute("select * from workflow_tree(%s)", (s.ended[0],)),
        workflow_tree="invocation_pkey invocation_parent_id_idx invocation_outcome_pkey"
        f" {STATE} {_STEPS}",
    ),
    "workflow_runs": case(
        call("select * from workflow_runs(%s, null, false, %s)", FEW),
        workflow_runs=f"workflow_pkey invocation_pkey invocation_outcome_pkey {STATE} {_STEPS}"
        " workflow_wait_pkey",
    ),
    "pause_workflow": case(
        lambda c, s: call("select pause_workflow(%s, %s, '', true)", s.owned[0][0])(c, s),
        pause_workflow=f"{STATE} invocation_pkey",
    ),
    "wake_waiting": case(
        lambda c, _: _emit_as_a_commit_does(c),
        wake_waiting="workflow_wait_code_idx",
    ),
}
