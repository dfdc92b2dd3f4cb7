"""What runners of one process have in common: claim in batches, execute, write ends in batches."""

from __future__ import annotations

import logging
import math
import os
import socket
import threading
import time
from collections.abc import Collection
from functools import partial
from typing import TYPE_CHECKING, ClassVar

from pynenc_pg.domain.ids import new_runner_id
from pynenc_pg.domain.records import Answer, Aside, Claimed, End, Hold, RunnerSpec
from pynenc_pg.domain.runner_context import RunnerContext
from pynenc_pg.exceptions import PynencError, RunnerFencedError, StoreUnavailableError
from pynenc_pg.runner.base import BaseRunner
from pynenc_pg.runner.executor import Executor
from pynenc_pg.runner.health import Health, Pulse, Registration, conclude
from pynenc_pg.runner.home import Home
from pynenc_pg.runner.noise import Noise
from pynenc_pg.runner.pace import GIVE_BACK_AFTER
from pynenc_pg.runner.strays import Strays
from pynenc_pg.runner.suspects import Suspects
from pynenc_pg.runner.turns import Turns
from pynenc_pg.runner.writer import CompletionWriter

if TYPE_CHECKING:
    from pynenc_pg.conf.config_runner import RunnerConf
    from pynenc_pg.domain.ids import InvocationId
    from pynenc_pg.engine.core import Engine

logger = logging.getLogger(__name__)

#: An idle runner looks again after these pauses before it sleeps until a hint: a producer may
#: have looked for sleepers just before this one lay down.
LOOK_AGAIN = (0.01, 0.05, 0.25)
#: So many cancellations of others' are remembered.
_ASKED_LATELY = 256
#: A runner that has refused a call in so many seconds, and idles, lets others look first: one of
#: them may take what this one cannot, and all are woken at once.
REFUSED_LATELY, GIVE_WAY = 60.0, 0.05


class LoopRunner(BaseRunner):
    """Claims in batches and writes completions in batches; what executes them, it is told."""

    #: Executes what was begun.
    executor_cls: ClassVar[type[Executor]]

    def __init__(self, *, engine: Engine, conf: RunnerConf) -> None:
        """Take the parts; nothing is opened before ``run``."""
        super().__init__(engine=engine, conf=conf)
        self._stopping = threading.Event()
        self._at_once = threading.Event()
        self._wake = threading.Event()
        self._pulse = Pulse()
        self._service: _Service | None = None

    def run(self) -> None:
        """Work until ``stop_runner_loop`` is called.

        A runner that is fenced (declared dead while it lived on) abandons what it held and
        begins anew under another id.
        """
        try:
            while not self._stopping.is_set():
                self._pulse.beat()
                try:
                    self._serve()
                except RunnerFencedError as error:
                    logger.warning("runner.anew: %s", error)
                except StoreUnavailableError as error:
                    logger.warning("runner.waits: %s", error)
                    self._stopping.wait(1.0)
        finally:
            # Here and not at the start: a stop may come before the thread that runs us got going.
            self._stopping.clear()
            self._at_once.clear()

    def stop_runner_loop(self) -> None:
        """Stop claiming, let what runs finish in its time, give back the rest."""
        self._stopping.set()
        self._wake.set()

    def stop_at_once(self) -> None:
        """Stop without waiting for what runs: it is given back."""
        self._at_once.set()
        self.stop_runner_loop()

    def reload(self) -> bool:
        """Take up new code, where processes execute it; False: this process has it imported."""
        service = self._service
        return service is not None and service.reload()

    def health(self) -> Health:
        """Tell how it is, without asking the store."""
        service, stopping = self._service, self._stopping.is_set()
        return conclude(
            service.signs() if service is not None else None,
            pulse_age=self._pulse.age,
            stopping=stopping,
            conf=self.conf,
        )

    def _serve(self) -> None:
        self.gave_back = 0
        spec = RunnerSpec(
            runner_id=new_runner_id(type(self).__name__),
            runner_cls=type(self).__name__,
            queues=self.conf.queues,
            concurrency=self.conf.concurrency,
            hostname=socket.gethostname(),
            pid=os.getpid(),
            lease=self.conf.lease,
        )
        self._service = _Service(self, spec)
        try:
            self._service.run()
        finally:
            self._service = None


class _Service:
    """One registration of a runner, from its first claim to its goodbye."""

    def __init__(self, runner: LoopRunner, spec: RunnerSpec) -> None:
        self._runner = runner
        self._conf = runner.conf
        self._spec = spec
        self._store = runner.engine.store
        self._wake = runner._wake  # noqa: SLF001 - two halves of one module
        self._stopping = runner._stopping  # noqa: SLF001
        self._fenced = threading.Event()
        self._writer = CompletionWriter(
            orchestrator=self._store.orchestrator,
            runner_id=spec.runner_id,
            serializer=runner.engine.serializer,
            conf=self._conf,
            fenced=self._fenced,
            written=self._settled,
            ended=partial(runner.engine.results.hear, spec.runner_id),
        )
        self._executor = self._new_executor()
        pending = self._conf.max_pending_seconds
        self._strays = Strays(self._store.orchestrator, spec.runner_id, again_after=pending)
        self._home = Home(
            engine=runner.engine,
            conf=self._conf,
            spec=spec,
            wake=self._hint,
            doubt=self._strays.doubt,
            fenced=self._fenced,
            cancel=self._cancel,
            holds=lambda: bool(self._strays.held),
            abandon=self._abandon,
        )
        self._asked: dict[InvocationId, None] = {}  # to stop, lately, oldest first
        self._turns = Turns(self._conf)
        self._up = False
        self._looks = 0
        self._refused_at = -math.inf
        self._drained = False  # the last claim left nothing, and no hint has come since
        self._suspects = Suspects(max_recoveries=self._conf.max_recoveries, max_pending=pending)
        self._noise = Noise(logger)

    def _new_executor(self) -> Executor:
        spec, runner = self._spec, self._runner
        return runner.executor_cls(
            engine=runner.engine,
            conf=self._conf,
            runner=RunnerContext(spec.runner_cls, spec.runner_id, spec.hostname, spec.pid or 0),
            done=self._done,
            freed=self._freed,
            crashed=self._crashed,
            tally=runner.tally,
        )

    def run(self) -> None:
        """Serve until stopped or fenced."""
        try:
            self._home.start()
            self._executor.start()
        except BaseException:
            self._executor.close()
            self._home.stop()
            raise
        self._writer.start()
        self._up = True
        logger.info(
            "runner.started: %s", self._spec.runner_id, extra={"runner_id": self._spec.runner_id}
        )
        try:
            while not self._stopping.is_set():
                self._check_fence()
                self._turn()
        finally:
            self._shut_down()

    def signs(self) -> Registration:
        """Return the signs of life. Any thread."""
        waiting = self._executor.waiting()
        return Registration(
            runner_id=self._spec.runner_id,
            running=max(0, self._executor.held() - waiting),  # they change meanwhile
            waiting=waiting,
            since_heartbeat=self._home.since_heartbeat if self._up else None,
            answered=self._home.answered,
            fenced=self._fenced.is_set(),
        )

    def _turn(self) -> None:
        """Claim and hand out, or sleep until there is a reason to look again."""
        self._runner._pulse.beat()  # noqa: SLF001
        self._wake.clear()
        self._begin_suspect()
        self._give_back_strays()
        room = self._executor.room() - len(self._suspects)
        if room < 1:
            self._drained = False
            self._give_back()
            self._wake.wait(GIVE_BACK_AFTER)
            return
        try:
            found = self._claim(room)
        except RunnerFencedError:
            raise
        except PynencError as error:
            self._strays.claim_failed()
            self._noise.warn("claim.delayed", error)
            self._wake.wait(0.5)
            return
        self._noise.over()
        if found:
            self._looks = 0
        if found >= room:
            return
        again = LOOK_AGAIN[self._looks] if self._looks < len(LOOK_AGAIN) else self._home.poll
        self._looks += 1
        self._wake.wait(again)
        if time.monotonic() < self._refused_at + REFUSED_LATELY:
            self._stopping.wait(GIVE_WAY)

    def reload(self) -> bool:
        """Take up new code. Any thread."""
        return self._executor.reload()

    def _done(self, end: End) -> None:
        """Have it written. Any thread."""
        if isinstance(end, Aside):
            self._refused_at = time.monotonic()
        self._writer.put(end)

    def _crashed(self, claimed: Claimed) -> None:
        self._writer.put(Hold(claimed.invocation_id, claimed.lease))

    def _give_back_strays(self) -> None:
        """Also while there is no room: long tasks must not keep them here."""
        try:
            self._strays.give_back()
        except RunnerFencedError:
            raise
        except PynencError as error:
            self._noise.warn("claim.delayed", error)

    def _hint(self) -> None:
        self._looks = 0
        self._drained = False
        self._wake.set()

    def _abandon(self) -> None:
        """Stop what runs, now: our own thread may have to wait long for the store's answer."""
        self._executor.close()
        self._wake.set()

    def _cancel(self, ids: Collection[InvocationId]) -> None:
        """Stop those that are ours: of each cancellation every runner hears. The home's thread."""
        for invocation_id in ids:
            self._asked[invocation_id] = None  # it may be ours before the claim is answered
            while len(self._asked) > _ASKED_LATELY:
                del self._asked[next(iter(self._asked))]
            if self._strays.holds(invocation_id):
                self._executor.cancel(invocation_id)

    def _freed(self) -> None:
        """There is room. Of work that came since the last claim left nothing there was a hint."""
        if not self._drained:
            self._wake.set()

    def _claim(self, room: int) -> int:
        """Take up to ``room``, begun but for suspects; return how many there were."""
        self._drained = True  # unless a hint comes meanwhile
        began = time.monotonic()
        claimed = self._store.orchestrator.claim(
            self._spec.runner_id, self._turns.next(), room, begin_below=self._suspects.last_chance
        )
        self._executor.pace.claimed(len(claimed), time.monotonic() - began)
        self._strays.hold(c.invocation_id for c in claimed)
        self._turns.served(c.queue for c in claimed)
        if self._stopping.is_set():  # meanwhile: nothing new is begun
            self._release(claimed)
            return 0
        if len(claimed) >= room:
            self._drained = False
        self._executor.hand_out(self._suspects.pick_out(claimed))
        for one in claimed if self._asked else ():
            if one.invocation_id in self._asked:
                self._executor.cancel(one.invocation_id)
        return len(claimed)

    def _begin_suspect(self) -> None:
        suspect = self._suspects.next()
        while suspect is not None and not self._begin(suspect):
            self._settled({suspect.invocation_id})
            suspect = self._suspects.next()

    def _begin(self, suspect: Claimed) -> bool:
        """Start it and hand it out; whether it was still ours.

        Asks until it is answered: begun by a call whose answer is lost it would be ours as long as
        we live, with nobody executing it.
        """
        hold = Hold(suspect.invocation_id, suspect.lease)
        while True:
            self._check_fence()
            try:
                answers = self._store.orchestrator.start(self._spec.runner_id, [hold])
            except RunnerFencedError:
                raise
            except PynencError as error:
                self._noise.warn("start.delayed", error)
                if self._stopping.wait(0.5):  # the goodbye releases it
                    return False
                continue
            if answers[hold.invocation_id] not in (Answer.DONE, Answer.ALREADY):
                return False
            self._executor.hand_out([suspect])
            return True

    def _settled(self, ids: Collection[InvocationId]) -> None:
        """These are no longer ours. Called by the writer's thread, too."""
        self._strays.let_go(ids)
        # Of a concurrency slot that has become free here, no hint may tell us.
        if self._suspects.settled(ids) or not self._home.subscription.healthy:
            self._wake.set()

    def _give_back(self) -> None:
        """What was begun but has no thread goes to runners that have one."""
        if self._executor.stuck_for() >= GIVE_BACK_AFTER:
            back = self._executor.take_back()
            if not self._release(back):
                self._executor.hand_out(back)  # still ours: somebody must execute them

    def _release(self, claimed: list[Claimed]) -> bool:
        if not claimed or self._fenced.is_set():
            return True
        holds = [Hold(c.invocation_id, c.lease) for c in claimed]
        try:
            self._store.orchestrator.release(self._spec.runner_id, holds)
        except PynencError as error:
            logger.warning("release.failed: %d, %s", len(claimed), error)
            return False
        self._settled({c.invocation_id for c in claimed})
        return True

    def _check_fence(self) -> None:
        if self._fenced.is_set():
            message = (
                f"runner {self._spec.runner_id} is believed dead, and its work is with others: it "
                "begins anew under another id"
            )
            raise RunnerFencedError(message)

    def _shut_down(self) -> None:
        self._release(self._executor.take_back() + self._suspects.take_back())
        deadline = time.monotonic() + self._conf.shutdown_timeout
        at_once = self._runner._at_once  # noqa: SLF001
        while self._executor.busy() and time.monotonic() < deadline:
            self._runner._pulse.beat()  # noqa: SLF001
            if at_once.is_set() or self._fenced.is_set():
                break
            if self._executor.only_waiting() and not self._home.others:
                break  # nobody is there who could end what they wait for
            self._wake.clear()
            self._wake.wait(0.05)
        abandoned = self._executor.close()
        self._writer.close(timeout=10)
        # Also what ended and could not be written: it is executed again, too.
        self._runner.gave_back = self._strays.held
        if abandoned:
            logger.warning("runner.gives_back: %d running tasks, no time left", len(abandoned))
            self._release(abandoned)
        self._home.stop()
        logger.info(
            "runner.stopped: %s", self._spec.runner_id, extra={"runner_id": self._spec.runner_id}
        )
