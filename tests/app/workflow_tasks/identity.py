"""The guide's workflows, and calls that tell to which workflow they belong."""

from __future__ import annotations

from typing import Any

from tests.app.workflow_tasks.shared import app, seen


@app.task
def process_payment(order_id: str) -> dict[str, Any]:
    """Pay."""
    seen.append(("paid", order_id))
    return {"payment_id": f"P-{order_id}", "status": "ok"}


@app.task
def process_order_workflow(order_id: str) -> dict[str, Any]:
    """The guide's example."""
    # Generate deterministic tracking number
    tracking_number = f"TRK-{order_id}-{int(process_order_workflow.wf.random() * 100000):05d}"

    # Execute payment processing within workflow context
    payment_result = process_order_workflow.wf.execute_task(process_payment, order_id)

    # Store workflow state for persistence
    process_order_workflow.wf.set_data("tracking_number", tracking_number)
    process_order_workflow.wf.set_data("payment_id", payment_result.result["payment_id"])

    return {
        "order_id": order_id,
        "tracking_number": tracking_number,
        "payment_status": payment_result.result["status"],
        "workflow_id": process_order_workflow.workflow.workflow_id,
    }


@app.task(force_new_workflow=True)
def independent_audit_workflow(order_id: str) -> dict[str, Any]:
    """The guide's second example."""
    audit_id = independent_audit_workflow.wf.uuid()
    return {
        "audit_id": audit_id,
        "order_id": order_id,
        "workflow_id": independent_audit_workflow.workflow.workflow_id,
    }


@app.task
def member() -> list[Any]:
    """Tell to which workflow a plain call in it belongs."""
    own = member.workflow
    return [own.workflow_id, own.workflow_type, own.parent_workflow_id]


@app.workflow
def inner() -> list[Any]:
    """Be a workflow in another one."""
    own = inner.workflow
    called = member().result
    return [own.workflow_id, own.workflow_type, own.parent_workflow_id, called]


@app.task
def outer() -> list[Any]:
    """Call both."""
    outer.wf.set_data("who", "outer")
    return [member().result, outer.wf.execute_task(inner).result]
