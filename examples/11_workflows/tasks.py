"""A workflow: a task whose steps are written down, and read back when it runs again."""

import os
from typing import Any

from pynenc_pg import PynencBuilder, RetryError

app = (
    PynencBuilder()
    .app_id("example_workflows")
    .postgres(os.environ.get("PYNENC__POSTGRES__DSN", "embedded"))
    .build()
)


@app.task
def process_payment(order_id: str) -> dict[str, str]:
    return {"payment_id": f"PAY-{order_id}", "status": "paid"}


@app.task(force_new_workflow=True)  # or @app.workflow: one of its own, wherever it is called
def independent_audit_workflow(order_id: str) -> dict[str, Any]:
    workflow = independent_audit_workflow.workflow
    return {
        "order_id": order_id,
        "audit_id": independent_audit_workflow.wf.uuid(),
        "workflow_id": workflow.workflow_id,
        "parent": workflow.parent_workflow_id,
    }


@app.task(max_retries=1)
def process_order_workflow(order_id: str) -> dict[str, Any]:
    wf = process_order_workflow.wf
    # The same number at each attempt, also after kill -9 on another machine.
    tracking_number = f"TRK-{order_id}-{int(wf.random() * 100000):05d}"
    payment = wf.execute_task(process_payment, order_id).result  # called once
    wf.set_data("tracking_number", tracking_number)
    wf.set_data("payment_id", payment["payment_id"])
    if process_order_workflow.invocation.num_retries == 0:
        raise RetryError("the printer is out of paper")  # all of it runs again; nothing twice
    audit = wf.execute_task(independent_audit_workflow, order_id).result
    return {
        "order_id": order_id,
        "tracking_number": tracking_number,
        "payment_status": payment["status"],
        "workflow_id": process_order_workflow.workflow.workflow_id,
        "audit": audit,
    }
