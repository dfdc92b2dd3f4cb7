"""What pynenc's own parts have, and ours do by other verbs: a face of the store, no step of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Protocol

from pynenc_pg.domain.records import Again, Answer, CancelAnswer, Ending, Hold
from pynenc_pg.exceptions import (
    InvocationStatusOwnershipError,
    InvocationStatusTransitionError,
    TaskFailedError,
)
from pynenc_pg.invocation.status import (
    InvocationStatus,
    InvocationStatusRecord,
    Reason,
    status_record_transition,
)
from pynenc_pg.ports import Broker, Orchestrator
from pynenc_pg.serializer.failure import encode_exception

if TYPE_CHECKING:
    from pynenc_pg.domain.ids import InvocationId
    from pynenc_pg.domain.runner_context import RunnerContext
    from pynenc_pg.engine.core import Engine

S = InvocationStatus
#: What takes the steps that nobody takes by hand.
_BY_VERB: Final = {
    S.REGISTERED: "a call",
    S.PENDING: "claim, which takes the first ones",
    S.PAUSED: "pause, which says for whom it waits",
    S.CONCURRENCY_CONTROLLED: "claim, where a concurrency key is full",
    S.CONCURRENCY_CONTROLLED_FINAL: "claim, where a concurrency key is full",
    S.PENDING_RECOVERY: "recover, where a runner has died",
    S.RUNNING_RECOVERY: "recover, where a runner has died",
}


class AppOrchestrator(Orchestrator, Protocol):
    """What ``app.orchestrator`` is: the verbs, and two methods of pynenc."""

    def get_invocation_status(self, invocation_id: InvocationId) -> InvocationStatus:
        """Return where it stands now.

        Raises:
            InvocationNotFoundError: it was purged, or is past its retention.
        """
        ...

    def set_invocation_status(
        self,
        invocation_id: InvocationId,
        status: InvocationStatus,
        runner_ctx: RunnerContext,
    ) -> None:
        """Take a step of the state machine as the runner that owns the invocation.

        RUNNING, RESUMED, RETRY, SUCCESS (with the result None), FAILED, KILLED and REROUTED. What
        is given back goes on to REROUTED by itself, and FAILED of what nobody owns is a
        cancellation. The other steps are verbs that do more than that, as ``claim``.

        Raises:
            InvocationStatusTransitionError: there is no such step, or a verb takes it.
            InvocationStatusOwnershipError: that runner does not own it.
            InvocationNotFoundError: it was purged, or is past its retention.
        """
        ...


class AppBroker(Broker, Protocol):
    """What ``app.broker`` is: what wakes, and a method of pynenc."""

    def count_invocations(self) -> int:
        """How many a runner could claim now, in all queues."""
        ...


class _Face:
    """Everything else is asked of ``inside``."""

    def __init__(self, engine: Engine, inside: Orchestrator | Broker) -> None:
        self._engine = engine
        self._inside = inside

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inside, name)


class BrokerFace(_Face):
    """See ``AppBroker``."""

    def count_invocations(self) -> int:
        """See ``AppBroker``."""
        return self._engine.store.state_backend.count_ready()


class OrchestratorFace(_Face):
    """See ``AppOrchestrator``."""

    def get_invocation_status(self, invocation_id: InvocationId) -> InvocationStatus:
        """See ``AppOrchestrator``."""
        return self._engine.store.state_backend.get_invocation(invocation_id).status

    def set_invocation_status(
        self, invocation_id: InvocationId, status: InvocationStatus, runner_ctx: RunnerContext
    ) -> None:
        """See ``AppOrchestrator``."""
        backend, runner_id = self._engine.store.state_backend, runner_ctx.runner_id
        found = backend.get_invocation(invocation_id)
        record = InvocationStatusRecord(found.status, found.runner_id)
        status_record_transition(record, status, runner_id)
        if status in _BY_VERB:
            message = f"{found.status} -> {status} is not set by hand: {_BY_VERB[status]} does it"
            raise InvocationStatusTransitionError(message)
        lease = backend.get_call(invocation_id).lease
        if not self._step(Hold(invocation_id, lease or 0), found.status, status, runner_ctx):
            message = (
                f"{found.status} -> {status}: it is not {runner_id}'s any more, or has moved on"
            )
            raise InvocationStatusOwnershipError(message)

    def _step(
        self, hold: Hold, before: InvocationStatus, after: InvocationStatus, ctx: RunnerContext
    ) -> bool:
        verbs, me = self._engine.store.orchestrator, ctx.runner_id
        which, lease = hold.invocation_id, hold.lease
        if not before.is_owned():
            # Taken meanwhile, its owner is asked to end it.
            return verbs.cancel(which, me) in {CancelAnswer.CANCELLED, CancelAnswer.REQUESTED}
        if after is S.RUNNING:
            answers = verbs.start(me, [hold])
        elif after is S.RESUMED:
            answers = verbs.resume(me, [hold])
        elif after is S.RETRY:
            answers = verbs.retry(me, [Again(which, lease, Reason.ERROR)])
        elif after is S.SUCCESS:
            answers = verbs.finish(me, [Ending(which, lease, after, "null")])
        elif after is S.FAILED:
            failure = TaskFailedError("InvocationStatus", f"set to {after} by {me}")
            value = encode_exception(failure, self._engine.serializer)
            answers = verbs.finish(me, [Ending(which, lease, after, value)])
        else:
            answers = verbs.release(me, [hold])
        return answers.get(which, Answer.DONE) in {Answer.DONE, Answer.ALREADY}
