"""What removes, on a few invocations, and the indexes each statement is meant to use."""

from __future__ import annotations

from typing import Final

from tests.support.filled import FEW, Held, Sample
from tests.support.kept import keep, prune
from tests.support.plan_case import STATE, Case
from tests.support.sql import Connection


def _not_kept(connection: Connection, _sample: Sample) -> Held:
    keep(connection, 1e-6)
    for table in ("call_result", "call_key", "trigger_cause"):  # or they are needed
        connection.execute(f"delete from {table}".encode())
    # There every run has itself as a step.
    connection.execute("set local session_replication_role = replica")
    connection.execute(
        """delete from workflow_step where invocation_id in (
               select invocation_id from invocation_outcome order by 1 limit %s)""",
        (FEW,),
    )
    connection.execute("set local session_replication_role = origin")
    return []


def _prune(connection: Connection, _sample: Sample, _held: Held) -> None:
    assert prune(connection, FEW) > 0


RETENTION: Final = {
    "prune": Case(
        _prune,
        {
            "prune": "invocation_outcome_pkey invocation_pkey task_pkey workflow_data_pkey"
            " workflow_step_pkey workflow_pkey invocation_error_pkey"
            " payload_ref_uuid_send_idx invocation_history_invocation_id_idx",
            "unreferred": f"{STATE} invocation_pkey wait_edge_once"
            " trigger_cause_source_id_rev_at_app_id_trigger_id_condition__key"
            " call_key_invocation_idx call_result_invocation_idx workflow_step_child_id_idx"
            " workflow_workflow_id_idx",
            "idle_below": f"{STATE} invocation_pkey invocation_parent_id_idx",
            "refuse_change": STATE,
        },
        prepare=_not_kept,
    ),
}
