"""Random lives: both stores do the same things and must look the same after each of them.

Durations are 1,000 s and more, and time passes in such steps: the few seconds by which the stores'
clocks may drift apart meanwhile decide nothing.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import astuple
from itertools import count
from typing import Any, ClassVar

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    MultipleResults,
    RuleBasedStateMachine,
    initialize,
    invariant,
    multiple,
    rule,
    run_state_machine_as_test,
)

from pynenc_pg.domain.ids import InvocationId, RunnerId
from pynenc_pg.domain.records import (
    Again,
    Batch,
    Ending,
    Hold,
    NewInvocation,
    RecoveryPolicy,
    RunnerSpec,
    Waiting,
)
from pynenc_pg.invocation.status import InvocationStatus, Reason
from tests.contract.pair import Held, Pair
from tests.contract.strategies import (
    FAR,
    STEP,
    Keys,
    below,
    calls,
    delays,
    errors,
    facts,
    old_of,
    picks,
    queues,
    runners,
    some_of,
    some_queues,
)
from tests.support.stores import OpenStore, PostgresStore, open_memory_store

QUEUES = ("one", "three", "two")  # in the order in which "all" are served
AGAIN = (
    Reason.ERROR,
    Reason.TIMEOUT,
    Reason.SNOOZED,
    Reason.SLEEPING,
    Reason.EVENT,
    Reason.PAUSED,
)
EVENTS = ("promote",) * 5 + ("expire", "maintain") * 3 + ("go on", "go on", "pause", "purge")

_examples = count()

Made = MultipleResults[InvocationId]


def promote(store: OpenStore, _side: int) -> object:
    """Make ready what is due; the stores agree within minutes on when the next is."""
    promoted = store.orchestrator.promote()
    due = promoted.next_due
    return (promoted.count, None if due is None else round(due / STEP))


def holds(held: Sequence[Held], side: int) -> list[Hold]:
    """Return the proofs for one of the stores."""
    return [h.hold(side) for h in held]


class StoresAgree(RuleBasedStateMachine):
    """One app's life, in both stores at once.

    Rules are drawn evenly, so what is to happen seldom shares a rule with others of its kind.
    """

    shared: ClassVar[PostgresStore]

    ids: Bundle[InvocationId] = Bundle("ids")
    held: Bundle[Held] = Bundle("held")

    def __init__(self) -> None:
        """Begin with an app of its own in the shared database."""
        super().__init__()
        self.example = next(_examples)
        app_id = f"life-{self.example}"
        self.pair = Pair(self.shared.for_app(app_id), open_memory_store(app_id))
        self.made = 0
        self.began = int(time.time() * 1000)
        self.last: Callable[[OpenStore, int], object] = lambda _store, _side: None

    def do(self, act: Callable[[OpenStore, int], object]) -> object:
        """Do it in both stores, and remember it as what may be repeated."""
        self.last = act
        return self.pair.both(act)

    def new_id(self) -> InvocationId:
        """Make the next id: a UUIDv7, in the order of the calls."""
        self.made += 1
        stamp = f"{self.began:012x}"
        return InvocationId(f"{stamp[:8]}-{stamp[8:]}-7{self.made:03x}-8000-{self.example:012x}")

    # --- calls --------------------------------------------------------------------------------

    @initialize(target=ids, calls=calls, facts=facts)
    def begin_with(self, calls: Sequence[Keys], facts: dict[str, Any]) -> Made:
        """Two runners and some work: without them much would do nothing."""
        for n in (1, 2):
            self.register_runner(n, FAR * 10)
        return self.register(calls, facts)

    @initialize(target=held)
    def hold_nothing(self) -> Held:
        """What nobody was ever given: a bundle that is empty would end this life."""
        return Held(self.new_id(), self.runner(1), (0, 0))

    @rule(target=ids, calls=calls, facts=facts)
    def register_new(self, calls: Sequence[Keys], facts: dict[str, Any]) -> Made:
        """Register new calls, some with a registration or a concurrency key."""
        return self.register(calls, facts)

    @rule(target=ids, which=some_of(ids), key=st.sampled_from([None, "p"]), facts=facts)
    def register_again(
        self, which: Sequence[InvocationId], key: str | None, facts: dict[str, Any]
    ) -> Made:
        """Register known ids again, and a new one with them."""
        return self.accept(
            [NewInvocation(i, "hash", "{}", key) for i in [*which, self.new_id()]], facts
        )

    def register(self, calls: Sequence[Keys], facts: dict[str, Any]) -> Made:
        """Register a new call for each pair of keys."""
        new = [NewInvocation(self.new_id(), "hash", f"[{n}]", *k) for n, k in enumerate(calls)]
        return self.accept(new, facts)

    def accept(self, new: Sequence[NewInvocation], facts: dict[str, Any]) -> Made:
        """Register these, and have an eye on them."""
        batch = Batch("tests.task", new, **facts)
        self.do(lambda store, _: store.orchestrator.register(batch))
        self.pair.know(n.invocation_id for n in new)
        return multiple(*(n.invocation_id for n in new))

    @rule(which=some_of(ids), cancel=st.booleans())
    def cancel_or_watch(self, which: Sequence[InvocationId], *, cancel: bool) -> None:
        """Cancel one, wherever it stands, or ask about some: those that have ended are answered."""
        if cancel:
            self.do(lambda store, _: store.orchestrator.cancel(which[0], "somebody"))
        else:
            self.do(lambda store, _: set(store.orchestrator.watch(which, "nobody")))

    # --- attempts -----------------------------------------------------------------------------

    @rule(target=held, n=runners, queues=some_queues, limit=st.integers(0, 5))
    def claim(self, n: int, queues: Sequence[str], limit: int) -> MultipleResults[Held]:
        """Claim, from all queues or some."""
        return multiple(*self.claim_for(n, queues, limit))

    @rule(target=held, n=runners, queues=some_queues, limit=st.integers(1, 9), below=below)
    def begin(self, n: int, queues: Sequence[str], limit: int, below: int) -> MultipleResults[Held]:
        """Claim and begin at once what was not recovered too often."""
        return multiple(*self.claim_for(n, queues, limit, below))

    def claim_for(
        self, n: int, queues: Sequence[str], limit: int, begin_below: int = 0
    ) -> list[Held]:
        """Claim; a runner that is fenced is followed by a new one."""
        held = self.pair.claim(self.runner(n), queues, limit, begin_below)
        if held is None:
            self.register_runner(n, FAR * 10)
        return held or []

    def pick(self, picks: Sequence[int], old: Held | None) -> list[Held]:
        """Choose of what is held now, with one of before; each invocation once."""
        owned = self.pair.owned()
        found = {} if old is None else {old.invocation_id: old}
        for n in picks if owned else ():
            found.setdefault(owned[n % len(owned)].invocation_id, owned[n % len(owned)])
        return list(found.values())[::-1]

    @rule(picks=picks, old=old_of(held))
    def start(self, picks: Sequence[int], old: Held | None) -> None:
        """Start some; what is not the first one's runner's is not its own."""
        self.start_of(self.pick(picks, old))

    def start_of(self, held: Sequence[Held]) -> None:
        """Start these in the name of the first one's runner."""
        if held:
            self.do(lambda store, i: store.orchestrator.start(held[0].runner_id, holds(held, i)))

    @rule(picks=picks, old=old_of(held), failed=st.booleans(), bad=st.sampled_from([9, 9, 9, 0, 1]))
    def finish(self, picks: Sequence[int], old: Held | None, *, failed: bool, bad: int) -> None:
        """End some; one of them may have a value that is no JSON."""
        held = self.pick(picks, old)
        status = InvocationStatus.FAILED if failed else InvocationStatus.SUCCESS

        def act(store: OpenStore, side: int) -> object:
            endings = [
                Ending(h.invocation_id, h.leases[side], status, "{" if n == bad else f"[{n}]")
                for n, h in enumerate(held)
            ]
            return store.orchestrator.finish(held[0].runner_id, endings)

        if held:
            self.do(act)

    @rule(picks=picks, old=old_of(held), reason=st.sampled_from(AGAIN), delay=delays, error=errors)
    def retry(
        self,
        picks: Sequence[int],
        old: Held | None,
        reason: Reason,
        delay: float,
        error: str | None,
    ) -> None:
        """Let some be tried again; the error of the first may be no JSON."""
        held = self.pick(picks, old)

        def act(store: OpenStore, side: int) -> object:
            agains = [
                Again(h.invocation_id, h.leases[side], reason, delay, None if n else error)
                for n, h in enumerate(held)
            ]
            return store.orchestrator.retry(held[0].runner_id, agains)

        if held:
            self.do(act)

    @rule(picks=picks, old=old_of(held), which=some_of(ids), any_of=st.booleans())
    def pause(
        self, picks: Sequence[int], old: Held | None, which: Sequence[InvocationId], *, any_of: bool
    ) -> None:
        """Let one wait for others, for itself too, in a circle or not."""
        held = self.pick(picks, old)[:1]
        waiting = Waiting(which, "nobody", any_of)

        def act(store: OpenStore, side: int) -> object:
            found = store.orchestrator.pause(held[0].runner_id, held[0].hold(side), waiting)
            return {i: astuple(outcome)[:-1] for i, outcome in found.items()}

        if held:
            self.do(act)

    @rule(picks=picks, old=old_of(held), forget=st.just([]) | some_of(ids))
    def resume(
        self, picks: Sequence[int], old: Held | None, forget: Sequence[InvocationId]
    ) -> None:
        """Let some go on, whether they wait or not."""
        held = self.pick(picks, old)
        if held:
            self.do(
                lambda store, i: store.orchestrator.resume(
                    held[0].runner_id, holds(held, i), forget
                )
            )

    @rule(picks=picks, old=old_of(held))
    def release(self, picks: Sequence[int], old: Held | None) -> None:
        """Give some back."""
        held = self.pick(picks, old)
        if held:
            self.do(lambda store, i: store.orchestrator.release(held[0].runner_id, holds(held, i)))

    @rule(picks=picks, old=old_of(held), most=st.integers(0, 2))
    def crash(self, picks: Sequence[int], old: Held | None, most: int) -> None:
        """Give some back that took a process down."""
        held = self.pick(picks, old)
        if held:
            self.do(
                lambda store, i: store.orchestrator.crash(held[0].runner_id, holds(held, i), most)
            )

    @rule(n=runners, picks=picks)
    def release_strays(self, n: int, picks: Sequence[int]) -> None:
        """Give back all that a runner holds but some."""
        known = [h.invocation_id for h in self.pick(picks, None)]
        self.do(lambda store, _: store.orchestrator.release_strays(self.runner(n), known))

    # --- runners ------------------------------------------------------------------------------

    def runner(self, n: int) -> RunnerId:
        """Return the id of a runner, alive or not."""
        return RunnerId(f"runner-{n}-of-{self.example}")

    def register_runner(self, n: int, lease: float) -> None:
        """Announce a runner, which may be there already."""
        spec = RunnerSpec(self.runner(n), "Test", lease=lease)
        self.do(lambda store, _: store.orchestrator.register_runner(spec))

    @rule(n=runners, what=st.sampled_from(["beat", "beat", "lose", "short", "long", "goodbye"]))
    def runner_event(self, n: int, what: str) -> None:
        """Let a runner report, be lost, come, or go."""
        runner = self.runner(n)
        match what:
            case "beat":
                self.do(lambda store, _: store.orchestrator.heartbeat(runner))
            case "lose":
                self.pair.both(lambda store, _: store.lose(runner))
            case "goodbye":
                self.do(lambda store, _: store.orchestrator.unregister_runner(runner))
            case _:
                self.register_runner(n, STEP / 2 if what == "short" else FAR * 10)

    @rule(
        lost=st.none() | runners,
        max_pending=st.sampled_from([0, FAR * 10]),
        max_recoveries=st.integers(0, 2),
    )
    def recover(self, lost: int | None, max_pending: float, max_recoveries: int) -> None:
        """Sweep, most times after a runner was lost."""
        policy = RecoveryPolicy(max_pending=max_pending, max_recoveries=max_recoveries)

        def act(store: OpenStore, _side: int) -> object:
            swept = store.orchestrator.recover(policy)
            return (swept.rerouted, swept.quarantined, set(swept.dead_runners), swept.next_look)

        if lost is not None:
            self.pair.both(lambda store, _: store.lose(self.runner(lost)))
        self.do(act)

    # --- time and house -----------------------------------------------------------------------

    @rule(passes=st.booleans(), what=st.sampled_from(EVENTS), queue=queues)
    def event(self, what: str, queue: str, *, passes: bool) -> None:
        """Let time pass, then see what is due or late, or keep house."""
        if passes:
            self.pair.both(lambda store, _: store.let_pass(STEP))
        match what:
            case "promote":
                self.do(promote)
            case "expire":
                self.do(lambda store, _: store.orchestrator.expire())
            case "maintain":
                self.do(lambda store, _: any("lane" in t for t in store.orchestrator.maintain()))
            case "purge":
                self.do(lambda store, _: store.orchestrator.purge())
                self.pair.know_nothing()
            case _:
                paused = what == "pause"
                self.do(lambda store, _: store.orchestrator.pause_queue(queue, paused=paused))

    @rule()
    def repeat(self) -> None:
        """Do the last thing again, as one would who heard no answer."""
        self.pair.both(self.last)

    @invariant()
    def they_look_the_same(self) -> None:
        """All that can be seen of the work is the same."""
        self.pair.look(QUEUES)

    def teardown(self) -> None:
        """Nothing that must never be is in the tables."""
        self.pair.check()


def run(
    shared: PostgresStore, examples: int, steps: int, lives: type[StoresAgree] = StoresAgree
) -> None:
    """Live so many lives of so many steps. A failure prints how to see it again."""
    lives.shared = shared
    run_state_machine_as_test(
        lives,
        settings=settings(
            max_examples=examples,
            stateful_step_count=steps,
            deadline=None,
            print_blob=True,
            suppress_health_check=list(HealthCheck),
        ),
    )


@pytest.mark.timeout(600)  # a failure is made small first, which takes minutes
def test_the_stores_agree(shared_store: PostgresStore) -> None:
    """Whatever happens, PostgreSQL and memory answer and look the same after each step."""
    run(shared_store, 25, 35)


@pytest.mark.long
@pytest.mark.timeout(1800)
def test_the_stores_agree_for_long(shared_store: PostgresStore) -> None:
    """The same over many more and longer lives."""
    run(shared_store, 1000, 50)
