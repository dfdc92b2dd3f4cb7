"""From a call to an invocation: bind, encode, register."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

from pynenc_pg.domain.ids import InvocationId, new_invocation_id
from pynenc_pg.domain.records import Batch, NewInvocation, Registered
from pynenc_pg.engine.context import running
from pynenc_pg.engine.registry import TaskDefinition
from pynenc_pg.ports import Store
from pynenc_pg.serializer.base import BaseSerializer
from pynenc_pg.serializer.wire import encode_arguments


def submit(
    calls: Sequence[Mapping[str, Any]],
    *,
    task: TaskDefinition,
    store: Store,
    serializer: BaseSerializer,
    clock_offset: float,
    queue: str | None = None,
) -> list[Registered]:
    """Register calls of one task, given as arguments by name. All or none are written.

    ``queue`` replaces the task's own.
    """
    parent = running.get()
    batch = Batch(
        task_id=task.task_id,
        invocations=[_new(task, call, serializer, clock_offset) for call in calls],
        queue=queue or task.conf.queue,
        priority=task.conf.priority,
        parent_id=parent.invocation_id if parent else None,
        depth=parent.depth + 1 if parent else 0,
        changed_by=parent.task_id if parent else "client",
    )
    return store.orchestrator.register(batch)


def _new(
    task: TaskDefinition, call: Mapping[str, Any], serializer: BaseSerializer, offset: float
) -> NewInvocation:
    arguments = encode_arguments(call, serializer)
    return NewInvocation(
        invocation_id=InvocationId(new_invocation_id(offset)),
        call_id=call_id(task.task_id, arguments),
        arguments=arguments,
    )


def call_id(task_id: str, arguments: str) -> str:
    """Hash of a task and its encoded arguments: equal calls have equal ids."""
    digest = hashlib.blake2b(f"{task_id}\x00{arguments}".encode(), digest_size=16)
    return digest.hexdigest()
