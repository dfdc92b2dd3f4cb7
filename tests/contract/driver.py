"""A store under test, with short words for what every test does."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from pynenc_pg.domain.ids import InvocationId, RunnerId, new_invocation_id
from pynenc_pg.domain.records import (
    Again,
    Answer,
    Batch,
    Claimed,
    Ending,
    Hold,
    InvocationRecord,
    NewInvocation,
    Outcome,
    Registered,
    RunnerSpec,
    Waiting,
    Wakeup,
)
from pynenc_pg.invocation.status import InvocationStatus, Reason, is_legal
from pynenc_pg.ports import Subscription
from tests.support.stores import OpenStore

S = InvocationStatus
PATIENCE = 10.0
LEASE = 3600.0


@dataclass
class Ear:
    """A subscription, and the hints that nobody has asked for yet."""

    subscription: Subscription
    kept: list[Wakeup] = field(default_factory=list)

    @property
    def listener(self) -> str:
        """The name to give to ``watch``."""
        return self.subscription.listener


class Driver:
    """The six ports of one app, with one runner (``worker``) registered.

    Verbs take what a claim gave, or its ids; answers are those of the port.
    """

    def __init__(self, store: OpenStore) -> None:
        """Register the worker."""
        self.store = store
        self.app_id = store.app_id
        self.orchestrator = store.orchestrator
        self.state_backend = store.state_backend
        self.broker = store.broker
        self.client_data_store = store.client_data_store
        self.trigger = store.trigger
        self.workflows = store.workflows
        self._subscriptions: list[Subscription] = []
        self._others: list[Driver] = []
        self.worker = self.runner("worker")

    # --- who works, and when ------------------------------------------------------------------

    def runner(self, name: str, lease: float = LEASE) -> RunnerId:
        """Register a runner. Its id names the app: ids of runners are unique in the database."""
        runner_id = RunnerId(f"{self.app_id}/{name}")
        self.orchestrator.register_runner(RunnerSpec(runner_id, "Test", lease=lease))
        return runner_id

    def let_pass(self, seconds: float) -> None:
        """Make everything as if so much time had passed."""
        self.store.let_pass(seconds)

    def age_outcomes(self, seconds: float) -> None:
        """Make everything that has ended as if it had ended so much earlier."""
        self.store.age_outcomes(seconds)

    def lose(self, runner_id: RunnerId) -> None:
        """Let a runner's lease be over."""
        self.store.lose(runner_id)

    def other_app(self) -> Driver:
        """Return another app in the same place."""
        other = Driver(self.store.for_app(f"{self.app_id}-other"))
        self._others.append(other)
        return other

    def close(self) -> None:
        """End the subscriptions."""
        for subscription in self._subscriptions:
            subscription.close()
        for other in self._others:
            other.close()

    # --- verbs --------------------------------------------------------------------------------

    def accept(
        self,
        n: int = 1,
        *,
        ids: Sequence[InvocationId] | None = None,
        keys: Sequence[str | None] | None = None,
        lanes: Sequence[str | None] | None = None,
        calls: Sequence[str] | None = None,
        task_id: str = "tests.task",
        arguments: str = '{"n": 1}',
        **facts: Any,
    ) -> list[Registered]:
        """Register n calls, one per id, with these registration and concurrency keys.

        Each is a call of its own, unless ``calls`` says which are equal.
        """
        ids = [new_invocation_id() for _ in range(n)] if ids is None else ids
        made = [
            NewInvocation(
                invocation_id=which,
                call_id=calls[i] if calls else f"call-{which}",
                arguments=arguments,
                registration_key=keys[i] if keys else None,
                lane_key=lanes[i] if lanes else None,
            )
            for i, which in enumerate(ids)
        ]
        return self.orchestrator.register(Batch(task_id, made, **facts))

    def register(self, n: int = 1, **facts: Any) -> list[InvocationId]:
        """Register n calls and return what they became."""
        return [r.invocation_id for r in self.accept(n, **facts)]

    def in_lane(self, n: int, key: str = "k", **facts: Any) -> list[InvocationId]:
        """Register n calls of one concurrency key."""
        return self.register(n, lanes=[key] * n, **facts)

    def claim(
        self, limit: int = 100, *queues: str, runner: RunnerId | None = None
    ) -> list[Claimed]:
        """Claim for the worker, or another runner; without queues from all."""
        return self.orchestrator.claim(runner or self.worker, queues, limit)

    def take(self, limit: int = 100, *queues: str) -> list[InvocationId]:
        """Claim, and return the ids in the order given out."""
        return ids_of(self.claim(limit, *queues))

    def start(
        self, held: Sequence[Claimed | Hold], runner: RunnerId | None = None
    ) -> Mapping[InvocationId, Answer]:
        """Begin these."""
        return self.orchestrator.start(runner or self.worker, holds_of(held))

    def begin(
        self, limit: int = 100, *queues: str, runner: RunnerId | None = None
    ) -> list[Claimed]:
        """Claim and start."""
        held = self.claim(limit, *queues, runner=runner)
        answers = self.start(held, runner)
        assert set(answers.values()) <= {Answer.DONE}
        return held

    def finish(
        self,
        held: Sequence[Claimed | Hold],
        value: str = "1",
        status: InvocationStatus = S.SUCCESS,
        *,
        reason: str | None = None,
        runner: RunnerId | None = None,
    ) -> Mapping[InvocationId, Answer]:
        """End these, all alike."""
        endings = [Ending(h.invocation_id, h.lease, status, value, reason) for h in held]
        return self.orchestrator.finish(runner or self.worker, endings)

    def retry(
        self,
        held: Sequence[Claimed | Hold],
        reason: Reason = Reason.ERROR,
        *,
        delay: float = 0,
        error: str | None = None,
        runner: RunnerId | None = None,
    ) -> Mapping[InvocationId, Answer]:
        """Let these be tried again, all alike."""
        agains = [Again(h.invocation_id, h.lease, reason, delay, error) for h in held]
        return self.orchestrator.retry(runner or self.worker, agains)

    def release(
        self, held: Sequence[Claimed | Hold], runner: RunnerId | None = None
    ) -> Mapping[InvocationId, Answer]:
        """Give these back."""
        return self.orchestrator.release(runner or self.worker, holds_of(held))

    def crash(
        self,
        held: Sequence[Claimed | Hold],
        max_recoveries: int = 3,
        runner: RunnerId | None = None,
    ) -> Mapping[InvocationId, Answer]:
        """Give these back, for they took a process down."""
        holds = holds_of(held)
        return self.orchestrator.crash(runner or self.worker, holds, max_recoveries)

    def pause(
        self,
        held: Claimed | Hold,
        *awaited: InvocationId,
        any_of: bool = False,
        listener: str = "ear",
        runner: RunnerId | None = None,
    ) -> Mapping[InvocationId, Outcome]:
        """Let one wait for these."""
        waiting = Waiting(awaited, listener, any_of)
        return self.orchestrator.pause(runner or self.worker, holds_of([held])[0], waiting)

    def resume(
        self,
        held: Sequence[Claimed | Hold],
        *forget: InvocationId,
        runner: RunnerId | None = None,
    ) -> Mapping[InvocationId, Answer]:
        """Let these go on."""
        return self.orchestrator.resume(runner or self.worker, holds_of(held), forget)

    def child(self, parent: Claimed, **facts: Any) -> InvocationId:
        """Register a call that a running one makes."""
        facts = {"parent_id": parent.invocation_id, "depth": parent.depth + 1, **facts}
        return self.register(**facts)[0]

    # --- what is seen -------------------------------------------------------------------------

    def get(self, invocation_id: InvocationId) -> InvocationRecord:
        """Read one."""
        return self.state_backend.get_invocation(invocation_id)

    def status(self, invocation_id: InvocationId) -> InvocationStatus:
        """Read where one stands."""
        return self.get(invocation_id).status

    def statuses(self, ids: Sequence[InvocationId]) -> list[InvocationStatus]:
        """Read where each stands."""
        return [self.status(i) for i in ids]

    def reason(self, invocation_id: InvocationId) -> str | None:
        """Read why it stands there."""
        return self.get(invocation_id).reason

    def path(self, invocation_id: InvocationId) -> list[InvocationStatus]:
        """Return the statuses it went through. Its history must be complete, legal and in order."""
        history = self.state_backend.get_history(invocation_id)
        assert [entry.rev for entry in history] == list(range(len(history)))
        assert (history[0].previous_status, history[0].status) == (None, S.REGISTERED)
        for before, after in pairwise(history):
            assert after.previous_status is before.status
            assert is_legal(before.status, after.status, after.reason)
            assert before.at <= after.at
        record = self.get(invocation_id)
        assert (history[-1].status, history[-1].at) == (record.status, record.status_at)
        return [entry.status for entry in history]

    def subscribe(self, *, work: bool = True) -> Ear:
        """Listen until the end of the test."""
        subscription = self.broker.subscribe(work=work)
        self._subscriptions.append(subscription)
        return Ear(subscription)


def ids_of(held: Sequence[Claimed | Hold]) -> list[InvocationId]:
    """Return the ids, in order."""
    return [h.invocation_id for h in held]


def holds_of(held: Sequence[Claimed | Hold]) -> list[Hold]:
    """Return what proves that one holds these."""
    return [Hold(h.invocation_id, h.lease) for h in held]


def stale(held: Claimed | Hold) -> Hold:
    """Return the same with a lease that nobody was given."""
    return Hold(held.invocation_id, held.lease + 1_000_000)


def hint(ear: Ear, kind: str) -> Wakeup:
    """Wait for a hint of this kind, and keep the others."""
    deadline = time.monotonic() + PATIENCE
    while True:
        for n, wakeup in enumerate(ear.kept):
            if wakeup.kind == kind:
                return ear.kept.pop(n)
        assert time.monotonic() < deadline, f"no hint {kind!r} came, only {ear.kept}"
        ear.kept += ear.subscription.wait(PATIENCE)


def drain(ear: Ear) -> list[Wakeup]:
    """Take all the hints that have arrived."""
    while more := ear.subscription.wait(0):
        ear.kept += more
    hints, ear.kept = ear.kept, []
    return hints
