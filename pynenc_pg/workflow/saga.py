"""Compensation: what was done in a block is undone if it fails for good."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final, ParamSpec

from pynenc_pg.engine.suspension import Suspended
from pynenc_pg.engine.verdicts import is_retried
from pynenc_pg.exceptions import NonDeterminismError, RunnerFencedError, Snooze
from pynenc_pg.workflow import values
from pynenc_pg.workflow.callee import Call, CalleeCalls, calls_of, is_task
from pynenc_pg.workflow.place import Place
from pynenc_pg.workflow.run import Branch

P = ParamSpec("P")

#: After these it goes on later, in another attempt or elsewhere.
_PASSING: Final = (Suspended, Snooze, RunnerFencedError, asyncio.CancelledError, GeneratorExit)


@dataclass(frozen=True, slots=True)
class Undo:
    """A function or a task that undoes something."""

    name: str
    func: Callable[..., Any]
    args: tuple[Any, ...]
    kwargs: Call
    calls: CalleeCalls[Any] | None  # of a task

    def do(self, place: Place) -> None:
        """Call it and wait for its end."""
        from pynenc_pg.workflow.operations import run_step  # noqa: PLC0415 - which has sagas

        if self.calls is None:
            run_step(place, self.name, self.func, *self.args, **self.kwargs)
        else:
            _ = place.call(self.calls, self.kwargs).result


class Saga:
    """What is to be undone. Made by ``wf.saga()``."""

    _coroutine = False

    def __init__(self, branch: Branch) -> None:
        """What undoes has its places below the number that comes after the block."""
        self._run = branch.run
        self._parent = branch
        self._begin = branch.count
        self._branch = branch  # of what undoes, once there is something
        self._undos: list[Undo] = []

    def add(self, func: Callable[P, object], *args: P.args, **kwargs: P.kwargs) -> None:
        """Have a function or a task called with these arguments if the block fails.

        Raises:
            TypeError: they do not fit the task.
        """
        if is_task(func):
            task: Any = func
            calls = calls_of(task)
            engine = self._run.engine
            call = values.bound(task, args, kwargs, lambda: lambda: engine)
            self._undos.append(Undo(calls.definition.task_id, func, (), call, calls))
        else:
            name = values.function_name(func, coroutine=self._coroutine)
            self._undos.append(Undo(name, func, args, kwargs, None))

    def next_place(self) -> Place:
        """Return where the next of them is recorded."""
        return Place(self._branch, self._branch.take())

    def due(self, error: BaseException) -> list[Undo]:
        """Return what is to be undone since the block was left by an exception, the last first."""
        now = self._run.now
        if isinstance(error, _PASSING) or self._parent.suspended or now.stop.error is not None:
            return []
        if now.claimed is None or is_retried(error, self._run.task.conf, now.claimed):
            return []
        if self._undos:
            self._branch = Branch(self._run, f"{self._parent.take()}.")
            self._parent.undone.add(self._parent.count)
        return self._undos[::-1]

    @contextmanager
    def noting(self, undo: Undo, error: BaseException) -> Iterator[None]:
        """Let the others go on where one has failed; the exception tells of it."""
        try:
            yield
        except Suspended as suspended:
            self._parent.suspend_with(suspended)
            raise
        except RunnerFencedError:
            raise
        except Exception as worse:  # noqa: BLE001 - the user's own code
            self._run.now.stop.check()
            error.add_note(f"{undo.name}, which was to undo, has failed: {worse!r}")

    def check(self) -> None:
        """The block has not failed: look that it did not in a former attempt.

        Raises:
            NonDeterminismError: it did, and something was undone already.
        """
        parent = self._parent
        for number in range(self._begin + 1, parent.count + 2):
            path = f"{parent.prefix}{number}.1"
            if number not in parent.undone and self._run.known(path):
                message = (
                    f"a saga of {self._run.task.task_id} has not failed, but did in a former "
                    f"attempt, and something was undone, as step {path} says: a workflow does the "
                    "same at each attempt, so let what may fail be a step or a task"
                )
                raise NonDeterminismError(message)


class AsyncSaga(Saga):
    """What is to be undone; functions may be ``async def``. Made by ``awf.saga()``."""

    _coroutine = True
