"""From calls of one task to invocations: what a task and its transactions have in common."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from pynenc_pg.conf.config_call import UNTUNED, CallOptions
from pynenc_pg.engine.binding import Binding, Params
from pynenc_pg.exceptions import InvalidTaskOptionsError
from pynenc_pg.invocation.group import InvocationGroup
from pynenc_pg.invocation.handle import Invocation, ReusedInvocation

if TYPE_CHECKING:
    from pynenc_pg.domain.records import Registered
    from pynenc_pg.engine.core import Engine
    from pynenc_pg.engine.registry import TaskDefinition
    from pynenc_pg.serializer.large import SharedArguments
    from pynenc_pg.task import Task

R_co = TypeVar("R_co", covariant=True)


@dataclass(frozen=True, slots=True)
class Chunk:
    """Calls that are registered together, and arguments that all of them have."""

    engine: Engine
    calls: Sequence[Mapping[str, Any]]
    shared: SharedArguments | None


#: Asks for one chunk after the other to be registered, and returns the group of all.
_Steps = Generator[Chunk, Sequence["Registered"] | None, InvocationGroup[R_co]]


class Calls(Generic[R_co]):
    """Binds them, finds the engine that gets them, and makes the handles."""

    def __init__(
        self,
        task: Task[..., R_co],
        definition: TaskDefinition,
        *,
        engine: Callable[[], Engine],
        sync_engine: Callable[[], Engine | None],
        options: CallOptions = UNTUNED,
    ) -> None:
        """``sync_engine`` returns one while calls execute at once."""
        self.options = options
        self.definition = definition
        self.binding = Binding(definition.task_id, definition.signature)
        self._task = task
        self._find_task = lambda: task  # one for all handles
        self._engine = engine
        self._sync_engine = sync_engine

    def tuned(self, options: CallOptions) -> Calls[R_co]:
        """Return the same for calls with options of their own."""
        return Calls(
            self._task,
            self.definition,
            engine=self._engine,
            sync_engine=self._sync_engine,
            options=options,
        )

    def call(
        self, args: tuple[Any, ...], kwargs: Mapping[str, Any], session: object = None
    ) -> Invocation[R_co]:
        """Register one call, in the transaction of ``session`` if there is one."""
        call = self.binding.bind(*args, **kwargs)
        engine = self.engine_now()
        [registered] = engine().submit(
            self.definition, [call], options=self.options, session=session
        )
        return self.handle(registered.invocation_id, engine, reused=registered.reused)

    async def call_async(
        self, args: tuple[Any, ...], kwargs: Mapping[str, Any], session: object
    ) -> Invocation[R_co]:
        """Register one call in the transaction of an asynchronous session."""
        call = self.binding.bind(*args, **kwargs)
        engine = self.engine_now()
        [registered] = await engine().submit_async(
            self.definition, [call], options=self.options, session=session
        )
        return self.handle(registered.invocation_id, engine, reused=registered.reused)

    def parallelize(
        self,
        params: Iterable[Params],
        common_args: Mapping[str, Any] | None,
        session: object = None,
    ) -> InvocationGroup[R_co]:
        """Register a call for each of ``params``: see ``Task.parallelize``."""
        steps = self._steps(params, common_args)
        step = _advance(steps)
        while isinstance(step, Chunk):
            try:
                registered = step.engine.submit(
                    self.definition,
                    step.calls,
                    options=self.options,
                    shared=step.shared,
                    session=session,
                )
            except Exception as error:  # noqa: BLE001 - it comes out again, with a note
                steps.throw(error)
            else:
                step = _advance(steps, registered)
        return step

    async def parallelize_async(
        self, params: Iterable[Params], common_args: Mapping[str, Any] | None, session: object
    ) -> InvocationGroup[R_co]:
        """Register a call for each of ``params`` in the transaction of an asynchronous session."""
        steps = self._steps(params, common_args)
        step = _advance(steps)
        while isinstance(step, Chunk):
            try:
                registered = await step.engine.submit_async(
                    self.definition,
                    step.calls,
                    options=self.options,
                    shared=step.shared,
                    session=session,
                )
            except Exception as error:  # noqa: BLE001 - it comes out again, with a note
                steps.throw(error)
            else:
                step = _advance(steps, registered)
        return step

    def engine_now(self) -> Callable[[], Engine]:
        """Who gets this call. A handle of a synchronous one stays with the engine that has it."""
        sync = self._sync_engine()
        return self._engine if sync is None else lambda: sync

    def handle(
        self, invocation_id: str, engine: Callable[[], Engine], *, reused: bool = False
    ) -> Invocation[R_co]:
        """Make the handle of one."""
        kind = ReusedInvocation if reused else Invocation
        return kind(
            invocation_id,
            task_id=self.definition.task_id,
            engine=engine,
            task=self._find_task,
            reused=reused,
        )

    def _steps(
        self, params: Iterable[Params], common_args: Mapping[str, Any] | None
    ) -> _Steps[R_co]:
        if self.options.key is not None:
            message = f"the key {self.options.key!r} is of one call: parallelize makes many"
            raise InvalidTaskOptionsError(message)
        engine, common = self.engine_now(), dict(common_args or {})
        shareable = self.binding.shareable(common)
        shared = engine().share(self.definition, shareable) if shareable else None
        invocations: list[Invocation[R_co]] = []
        size = self.definition.conf.parallel_batch_size
        try:
            for calls in self.binding.chunks(params, common, size):
                invocations += [
                    self.handle(one.invocation_id, engine, reused=one.reused)
                    for one in (yield Chunk(engine(), calls, shared)) or ()
                ]
        except Exception as error:
            if invocations:
                note = f"the first {len(invocations)} calls are registered: see error.registered"
                error.add_note(note)
                error.registered = self._group(invocations, engine)  # type: ignore[attr-defined]
            raise
        return self._group(invocations, engine)

    def _group(
        self, invocations: list[Invocation[R_co]], engine: Callable[[], Engine]
    ) -> InvocationGroup[R_co]:
        return InvocationGroup(invocations, task_id=self.definition.task_id, engine=engine)


def _advance(
    steps: _Steps[R_co], registered: Sequence[Registered] = ()
) -> Chunk | InvocationGroup[R_co]:
    """Return what is to be registered next, or the group at the end."""
    try:
        return steps.send(registered or None)
    except StopIteration as end:
        group: InvocationGroup[R_co] = end.value
        return group
