from typing import Any

from pynenc import Pynenc

app = Pynenc()


@app.task
def pay(order: str) -> dict[str, str]:
    return {"payment": f"paid {order}"}


@app.task
def handle(order: str) -> dict[str, Any]:
    number = int(handle.wf.random() * 1000)
    paid = handle.wf.execute_task(pay, order)
    handle.wf.set_data("number", number)
    return {"number": number, **paid.result, "workflow": handle.workflow.workflow_id}


@app.task(force_new_workflow=True)
def audit(order: str) -> str:
    return f"{order} {audit.wf.uuid()}"
