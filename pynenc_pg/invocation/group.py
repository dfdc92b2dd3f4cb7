"""What ``parallelize`` returns: many invocations of one task, in order."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Generic, Self, TypeVar

from pynenc_pg.exceptions import ResultTimeoutError
from pynenc_pg.invocation.handle import Invocation

if TYPE_CHECKING:
    from pynenc_pg.domain.ids import InvocationId
    from pynenc_pg.domain.records import Outcome
    from pynenc_pg.engine.core import Engine

R_co = TypeVar("R_co", covariant=True)

#: How many results are asked for at once: those that are there come together, and of a group of
#: hundreds of thousands no more than these are waited for at a time.
_AHEAD = 500


class InvocationGroup(Generic[R_co]):
    """The invocations of one call of ``parallelize``, in the order of its parameters.

    >>> group = add.parallelize([(1, 2), (3, 4)])  # doctest: +SKIP
    >>> list(group.results)  # doctest: +SKIP
    [3, 7]
    """

    def __init__(
        self,
        invocations: Sequence[Invocation[R_co]],
        *,
        task_id: str,
        engine: Callable[[], Engine],
    ) -> None:
        """Made by ``task.parallelize``."""
        self.invocations = tuple(invocations)
        self.task_id = task_id
        self._engine = engine

    def __len__(self) -> int:
        """How many there are."""
        return len(self.invocations)

    def __iter__(self) -> Iterator[Invocation[R_co]]:
        """One after the other, in order; nothing is waited for."""
        return iter(self.invocations)

    def __getitem__(self, index: int) -> Invocation[R_co]:
        """Return the one at that place."""
        return self.invocations[index]

    def __repr__(self) -> str:
        """Tell of what, and how many."""
        return f"<InvocationGroup of {len(self)} x {self.task_id}>"

    @property
    def results(self) -> Iterator[R_co]:
        """The results in order, each as soon as it and all before it are there.

        A task that failed raises its own exception at its place.
        """
        engine = self._engine()
        found: dict[InvocationId, Outcome] = {}
        ids = self._ids()
        for number, which in enumerate(ids):
            if which not in found:
                found, unknown = _ahead(ids, number, found)
                found |= engine.wait(unknown)
            yield engine.value(found[which], self.task_id)

    async def async_results(self) -> AsyncIterator[R_co]:
        """Like ``results``, for a coroutine: the event loop goes on meanwhile."""
        engine = self._engine()
        found: dict[InvocationId, Outcome] = {}
        ids = self._ids()
        for number, which in enumerate(ids):
            if which not in found:
                found, unknown = _ahead(ids, number, found)
                found |= await engine.wait_async(unknown)
            yield engine.value(found[which], self.task_id)

    def as_completed(self, timeout: float | None = None) -> Iterator[Invocation[R_co]]:
        """The invocations in the order in which they end; the result of each is there.

        Of very large groups the first ones that have not ended are watched, 500 at a time.

        Raises:
            ResultTimeoutError: ``timeout`` seconds after the first was asked for, some have not
                ended. They go on.
        """
        deadline = None if timeout is None else time.monotonic() + timeout
        engine = self._engine()
        handles: dict[InvocationId, list[Invocation[R_co]]] = {}  # several, where reused
        for invocation in self.invocations:
            handles.setdefault(invocation.invocation_id, []).append(invocation)
        upcoming = iter(handles)
        watched = dict.fromkeys(islice(upcoming, _AHEAD))
        while watched:
            left = None if deadline is None else max(0.0, deadline - time.monotonic())
            found = engine.wait(list(watched), any_of=True, timeout=left)
            if not found:
                raise self._too_late(timeout, sum(1 for _ in upcoming) + len(watched))
            for which, outcome in sorted(found.items(), key=lambda item: item[1].finished_at):
                del watched[which]
                for invocation in handles[which]:
                    yield invocation.ended(outcome)
            watched |= dict.fromkeys(islice(upcoming, _AHEAD - len(watched)))

    def progress(self) -> Self:
        """Show a progress bar until all have ended, however; then return the group itself.

        The bar goes to standard error. Where that is no terminal, a line tells now and then.

        >>> list(group.progress().results)  # doctest: +SKIP
        [3, 7]
        """
        # Imported at need: it takes longer than the rest of a client.
        from pynenc_pg.invocation.progress import Meter  # noqa: PLC0415

        with Meter(self.task_id, len(self)) as meter:
            for _ in self.as_completed():
                meter.add(1)
        return self

    def _too_late(self, timeout: float | None, open_: int) -> ResultTimeoutError:
        return ResultTimeoutError(
            f"{open_} of {len(self)} invocations of {self.task_id} have not ended within "
            f"{timeout} s; they go on, ask again later"
        )

    def _ids(self) -> list[InvocationId]:
        return [invocation.invocation_id for invocation in self.invocations]


def _ahead(
    ids: Sequence[InvocationId], first: int, found: Mapping[InvocationId, Outcome]
) -> tuple[dict[InvocationId, Outcome], list[InvocationId]]:
    """Of the one at ``first`` and what comes after it: what is known, and what to ask for."""
    window = dict.fromkeys(ids[first : first + _AHEAD])  # each once, reused ones too
    known = {i: found[i] for i in window if i in found}
    return known, [i for i in window if i not in known]
