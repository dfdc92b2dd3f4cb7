"""One value that the database refuses must not spoil the batch that it is in."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from pynenc_pg.domain.ids import InvocationId
from pynenc_pg.domain.records import Again, Answer, Ending
from pynenc_pg.exceptions import DataRejectedError

T = TypeVar("T", Ending, Again)


def bisected(
    write: Callable[[Sequence[T]], list[tuple[Any, ...]]], items: Sequence[T]
) -> dict[InvocationId, Answer]:
    """Write a batch; if the database refuses a value, find the one to blame and spare the rest."""
    try:
        answers = {i.invocation_id: Answer.DONE for i in items}
        return answers | {InvocationId(i): Answer(a) for i, a in write(items)}
    except DataRejectedError:
        if len(items) == 1:
            return {items[0].invocation_id: Answer.REFUSED}
        middle = len(items) // 2
        return bisected(write, items[:middle]) | bisected(write, items[middle:])
