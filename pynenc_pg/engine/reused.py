"""Whether calls became equal ones, where nobody believes a row that says so."""

from __future__ import annotations

from collections.abc import Sequence

from pynenc_pg.domain.concurrency import ConcurrencyControlType
from pynenc_pg.domain.records import Batch, Registered
from pynenc_pg.engine.keys import CallKeys
from pynenc_pg.engine.registry import TaskDefinition
from pynenc_pg.exceptions import SignatureError
from pynenc_pg.ports import StateBackend
from pynenc_pg.serializer.base import BaseSerializer
from pynenc_pg.serializer.wire import Follow, decode_arguments

#: Under the others, a call may become one that has other arguments.
_SAME = frozenset({ConcurrencyControlType.DISABLED, ConcurrencyControlType.ARGUMENTS})


def check_reused(
    batch: Batch,
    registered: Sequence[Registered],
    task: TaskDefinition,
    *,
    backend: StateBackend,
    serializer: BaseSerializer,
    follow: Follow,
) -> None:
    """Compare the calls with what they became, by its signed arguments.

    Raises:
        SignatureError: one became a call that is not equal, or whose arguments are not signed.
    """
    if batch.key is not None or task.conf.registration_concurrency not in _SAME:
        return
    seen: set[tuple[str, str]] = set()
    for new, one in zip(batch.invocations, registered, strict=True):
        if not one.reused or (one.invocation_id, new.call_id) in seen:
            continue
        seen.add((one.invocation_id, new.call_id))
        found = backend.get_invocation(one.invocation_id)
        equal = found.task_id == task.task_id
        if equal and found.arguments != new.arguments:
            arguments = decode_arguments(found.arguments, serializer, follow)
            equal = CallKeys(task, arguments, serializer).identity == new.call_id
        if not equal:
            message = (
                f"a call of {task.task_id} was given the result of invocation {one.invocation_id}, "
                "which is another call: somebody has changed the table call_result. With "
                "options(call_result_cache_ttl=0) it is run"
            )
            raise SignatureError(message)
