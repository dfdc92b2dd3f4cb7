"""Workflows: what a task does is written down, and read back when it is run again.

>>> order.wf.sleep(3600)  # doctest: +SKIP
>>> paid = order.wf.execute_task(pay, 7).result  # doctest: +SKIP
"""

from pynenc_pg.domain.workflows import StepKind, WorkflowIdentity, WorkflowInfo
from pynenc_pg.workflow.async_operations import AsyncWorkflowOperations
from pynenc_pg.workflow.operations import WorkflowOperations
from pynenc_pg.workflow.saga import AsyncSaga, Saga

__all__ = [
    "AsyncSaga",
    "AsyncWorkflowOperations",
    "Saga",
    "StepKind",
    "WorkflowIdentity",
    "WorkflowInfo",
    "WorkflowOperations",
]
