"""One thread per process writes the ends of attempts, as many in one transaction as there are."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, TypeVar

from pynenc_pg.domain.chance import chance
from pynenc_pg.domain.records import Again, Answer, Aside, Ending, Hold, Settled
from pynenc_pg.exceptions import DataRejectedError, PynencError, StoreUnavailableError
from pynenc_pg.invocation.status import InvocationStatus
from pynenc_pg.runner.noise import Noise
from pynenc_pg.serializer.failure import encode_exception

if TYPE_CHECKING:
    from pynenc_pg.conf.config_runner import RunnerConf
    from pynenc_pg.domain.ids import InvocationId, RunnerId
    from pynenc_pg.ports import Orchestrator
    from pynenc_pg.serializer.base import BaseSerializer

logger = logging.getLogger(__name__)
T = TypeVar("T", Ending, Again, Aside, Hold)
_ENDED = (Answer.DONE, Answer.ALREADY)


class CompletionWriter:
    """Flushes at once when idle, else when the last flush returns. Never gives up an end."""

    def __init__(
        self,
        *,
        orchestrator: Orchestrator,
        runner_id: RunnerId,
        serializer: BaseSerializer,
        conf: RunnerConf,
        fenced: threading.Event,
        written: Callable[[Collection[InvocationId]], None],
        ended: Callable[[Sequence[Ending]], None],
    ) -> None:
        """Write for one runner; ``fenced`` says that nothing it writes would be taken any more.

        ``written`` is told which attempts are over in the store, ``ended`` which invocations.
        """
        self._orchestrator = orchestrator
        self._runner_id = runner_id
        self._serializer = serializer
        self._conf = conf
        self._fenced = fenced
        self._written = written
        self._ended = ended
        self._noise = Noise(logger)
        self._queue: SimpleQueue[Ending | Again | Aside | Hold | Settled | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="pynenc-writer", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def put(self, end: Ending | Again | Aside | Hold | Settled) -> None:
        """Hand over the end of an attempt; a ``Hold`` took its process down. Any thread."""
        self._queue.put(end)

    def close(self, timeout: float | None = None) -> None:
        """Write what was handed over so far, then end."""
        self._queue.put(None)
        self._thread.join(timeout)

    def _run(self) -> None:
        open_ = True
        while open_:
            ends = [self._queue.get()]
            try:
                while len(ends) < self._conf.batch:
                    ends.append(self._queue.get_nowait())
            except Empty:
                pass
            open_ = None not in ends
            endings = [e for e in ends if isinstance(e, Ending)]
            agains = [e for e in ends if isinstance(e, Again)]
            asides = [e for e in ends if isinstance(e, Aside)]
            crashes = [e for e in ends if isinstance(e, Hold)]
            if endings:
                answers = self._persist(self._orchestrator.finish, endings)
                self._ended([e for e in endings if answers.get(e.invocation_id) in _ENDED])
                self._refused(endings, answers)
            if agains:
                self._report(self._persist(self._orchestrator.retry, agains))
            if asides:
                self._report(self._persist(self._orchestrator.set_aside, asides))
            if crashes:
                self._report(self._persist(self._crash, crashes))
            if len(endings) + len(agains) + len(asides) + len(crashes) < len(ends):
                self._settle([e for e in ends if isinstance(e, Settled)])

    def _settle(self, settled: Sequence[Settled]) -> None:
        """Tell of what was written with the task's own transaction; where that is in doubt, ask.

        The store waits for what is left of the transaction. If it was not committed the attempt
        was in vain, as if its process had died.
        """
        self._written([e.invocation_id for e in settled if not e.doubtful])
        self._ended([e.ending for e in settled if e.ending is not None])
        doubts = [Hold(e.invocation_id, e.lease) for e in settled if e.doubtful]
        if doubts:
            answers = self._persist(self._crash, doubts)
            self._report(answers)
            for invocation_id in (i for i, answer in answers.items() if answer is Answer.DONE):
                logger.warning(
                    "transaction.undone: %s, it is executed again",
                    invocation_id,
                    extra={"invocation_id": invocation_id},
                )

    def _crash(self, runner_id: RunnerId, holds: Sequence[Hold]) -> Mapping[InvocationId, Answer]:
        return self._orchestrator.crash(runner_id, holds, self._conf.max_recoveries)

    def _persist(
        self,
        write: Callable[[RunnerId, Sequence[T]], Mapping[InvocationId, Answer]],
        ends: Sequence[T],
    ) -> Mapping[InvocationId, Answer]:
        """Write until the store has answered; repeating is safe, it says ``already``."""
        pause = 0.05
        while not self._fenced.is_set():
            try:
                answers = write(self._runner_id, ends)
            except StoreUnavailableError as error:
                self._noise.warn("completion.delayed", error)
            except PynencError as error:
                self._noise.warn("completion.failed", error)
            except Exception:
                logger.exception("completion.failed: %d are tried again", len(ends))
            else:
                self._noise.over()
                self._written([i for i, answer in answers.items() if answer is not Answer.REFUSED])
                return answers
            time.sleep(pause * chance.uniform(0.5, 1))
            pause = min(pause * 2, 2.0)
        return {}

    def _refused(self, endings: Sequence[Ending], answers: Mapping[InvocationId, Answer]) -> None:
        """A result the database cannot hold becomes a failure that says so."""
        self._report(answers)
        failure = encode_exception(
            DataRejectedError(
                "the database cannot hold the result of this task; if it is large, keep it "
                "elsewhere and return where"
            ),
            self._serializer,
        )
        mended = [
            replace(e, status=InvocationStatus.FAILED, value=failure)
            for e in endings
            if answers.get(e.invocation_id) is Answer.REFUSED
        ]
        if mended:
            self._report(self._persist(self._orchestrator.finish, mended))

    def _report(self, answers: Mapping[InvocationId, Answer]) -> None:
        for invocation_id, answer in answers.items():
            if answer in (Answer.LOST, Answer.REFUSED):
                logger.warning(
                    "completion.%s: %s, its outcome is not written by this runner",
                    answer,
                    invocation_id,
                    extra={"invocation_id": invocation_id},
                )
