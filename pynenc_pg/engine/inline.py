"""Executes work in the calling thread: for synchronous mode, and for tests that own the time."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import replace

from pynenc_pg.domain.ids import InvocationId, RunnerId, new_runner_id
from pynenc_pg.domain.records import Again, Aside, Ending, Hold, RunnerSpec
from pynenc_pg.engine.execute import execute
from pynenc_pg.engine.pauses import Pauses
from pynenc_pg.engine.payloads import Payloads
from pynenc_pg.engine.registry import Registry
from pynenc_pg.engine.stops import Stop
from pynenc_pg.engine.verdicts import Describe
from pynenc_pg.ports import Store
from pynenc_pg.serializer.base import BaseSerializer

#: Seconds: as good as for ever. Nobody else looks after this store.
_LEASE = 10 * 365 * 86_400.0


class InlinePlace:
    """The one place there is: who waits has nobody else to do the work.

    ``meanwhile`` does what can be done before the wait goes on.
    """

    abandoned = False

    def __init__(self, meanwhile: Callable[[], object]) -> None:
        """Call ``meanwhile`` at the beginning of each wait."""
        self._meanwhile = meanwhile

    def check(self) -> None:
        """There is always room."""

    def may_block(self) -> None:
        """It is the caller's thread."""

    def leave(self) -> None:
        """Do what can be done."""
        self._meanwhile()

    def enter(self) -> None:
        """Nobody has taken it."""

    async def enter_async(self) -> None:
        """Nobody has taken it."""


class InlineRunner:
    """Takes one invocation after the other, and executes it before it takes the next."""

    def __init__(
        self,
        *,
        store: Store,
        registry: Registry,
        serializer: BaseSerializer,
        describe: Describe,
        payloads: Payloads,
        forced_sync: bool,
        meanwhile: Callable[[], object],
    ) -> None:
        """Work on a store, alone as a rule. ``meanwhile`` is done while a task waits.

        ``forced_sync``: the tasks that a task calls are executed at their call, and nothing waits
        between two attempts.
        """
        self._orchestrator = store.orchestrator
        self._registry = registry
        self._serializer = serializer
        self._describe = describe
        self._payloads = payloads
        self._forced_sync = forced_sync
        self._place = InlinePlace(meanwhile)
        self._lock = threading.Lock()
        self._runner_id: RunnerId | None = None

    def run(
        self, queues: Sequence[str] = (), *, until: InvocationId | None = None, limit: int = 100_000
    ) -> int:
        """Execute what is ready, until nothing is or ``until`` has ended; returns how many.

        Raises:
            RuntimeError: more than ``limit`` were executed: something starts itself again.
        """
        executed = 0
        orchestrator, runner_id = self._orchestrator, self._registered()
        while claimed := orchestrator.claim(runner_id, queues, 1):
            if executed >= limit:
                orchestrator.release(runner_id, [Hold(c.invocation_id, c.lease) for c in claimed])
                message = (
                    f"{limit} invocations were executed and there is still more to do: a task "
                    "starts itself again, or limit is too small"
                )
                raise RuntimeError(message)
            [one] = claimed
            orchestrator.start(runner_id, [Hold(one.invocation_id, one.lease)])
            end = execute(
                one,
                registry=self._registry,
                serializer=self._serializer,
                describe=self._describe,
                payloads=self._payloads,
                pauses=Pauses(
                    orchestrator=orchestrator,
                    runner_id=runner_id,
                    hold=Hold(one.invocation_id, one.lease),
                    place=self._place,
                    stop=(stop := Stop()),
                ),
                stop=stop,
                forced_sync=self._forced_sync,
            )
            executed += 1
            if isinstance(end, Aside):
                orchestrator.set_aside(runner_id, [end])
            elif isinstance(end, Ending):
                orchestrator.finish(runner_id, [end])
                if end.invocation_id == until:
                    break
            elif isinstance(end, Again):
                again = replace(end, delay=0.0) if self._forced_sync else end
                orchestrator.retry(runner_id, [again])
        return executed

    def leave(self) -> None:
        """Say goodbye; the next ``run`` registers anew."""
        with self._lock:
            runner_id, self._runner_id = self._runner_id, None
        if runner_id is not None:
            self._orchestrator.unregister_runner(runner_id)

    def _registered(self) -> RunnerId:
        with self._lock:
            if self._runner_id is None:
                runner_id = new_runner_id(type(self).__name__)
                spec = RunnerSpec(runner_id, type(self).__name__, lease=_LEASE)
                self._orchestrator.register_runner(spec)
                self._runner_id = runner_id
        return self._runner_id
