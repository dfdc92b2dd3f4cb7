"""What is said of a call that was refused for its other arguments."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from pynenc_pg.domain.ids import InvocationId
from pynenc_pg.domain.records import Batch
from pynenc_pg.engine.keys import CallKeys
from pynenc_pg.engine.registry import TaskDefinition
from pynenc_pg.exceptions import (
    InvocationConcurrencyWithDifferentArgumentsError,
    InvocationNotFoundError,
    PayloadError,
    SerializationError,
)
from pynenc_pg.ports import StateBackend
from pynenc_pg.serializer.base import BaseSerializer
from pynenc_pg.serializer.wire import Follow, decode_arguments


@contextmanager
def explained(
    batch: Batch,
    calls: Sequence[Mapping[str, Any]],
    task: TaskDefinition,
    *,
    backend: StateBackend,
    serializer: BaseSerializer,
    follow: Follow | None = None,
) -> Iterator[None]:
    """Name the arguments in which two calls differ, where the block registers and is refused."""
    try:
        yield
    except InvocationConcurrencyWithDifferentArgumentsError as error:
        raise _explained(error, batch, calls, task, backend, serializer, follow) from None


def _explained(  # noqa: PLR0917 - the parts of one sentence
    error: InvocationConcurrencyWithDifferentArgumentsError,
    batch: Batch,
    calls: Sequence[Mapping[str, Any]],
    task: TaskDefinition,
    backend: StateBackend,
    serializer: BaseSerializer,
    follow: Follow | None,
) -> InvocationConcurrencyWithDifferentArgumentsError:
    """Return the error with the names of the arguments in which the two differ.

    Their values are not told: they may be secrets.
    """
    by_id = {new.invocation_id: call for new, call in zip(batch.invocations, calls, strict=True)}
    held, refused = (InvocationId(which) for which in error.ids)
    try:
        other = by_id.get(held)
        if other is None:
            other = decode_arguments(backend.get_invocation(held).arguments, serializer, follow)
        keys = CallKeys(task, by_id[refused], serializer)
        names = keys.different(CallKeys(task, other, serializer))
    except (InvocationNotFoundError, PayloadError, SerializationError):
        names = []  # purged meanwhile, or written by another serializer
    shown = f" ({', '.join(names)})" if names else ""
    where = f"a call of the same batch, {held}," if held in by_id else f"invocation {held}"
    message = (
        f"{task.task_id} is called with the same {', '.join(task.conf.key_arguments)} as {where} "
        f"and other arguments{shown}: nothing was "
        "registered; call again when that one has started, or with the same arguments"
    )
    return InvocationConcurrencyWithDifferentArgumentsError(message, error.ids, names)
