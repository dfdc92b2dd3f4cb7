"""Random lives of workflows: steps, calls, events and pauses among all that happens otherwise."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import MultipleResults, initialize, multiple, rule

from pynenc_pg.domain.causes import NewEvent
from pynenc_pg.domain.ids import InvocationId
from pynenc_pg.domain.records import Again, Batch, NewInvocation
from pynenc_pg.domain.workflows import Author, Child, Fork, NewStep, StepKind, WaitSpec
from pynenc_pg.invocation.status import InvocationStatus, Reason
from tests.contract.pair import Held, timeless_step
from tests.contract.strategies import FAR, STEP, Keys, calls, facts, old_of, picks
from tests.contract.test_stateful import Made, StoresAgree, promote, run
from tests.support.stores import OpenStore, PostgresStore

RECORDED = (
    StepKind.RANDOM,
    StepKind.SET_DATA,
    StepKind.SET_DATA,
    StepKind.GET_DATA,
    StepKind.SLEEP,
    StepKind.PAUSE,
    StepKind.EVENT,
)
WAITING = (
    *("listen",) * 4,
    "skip",
    *("emit",) * 3,
    "signal",
    *("rest",) * 3,
    *("promote",) * 2,
    "pause",
    "go on",
)
BEGUN = (InvocationStatus.RUNNING, InvocationStatus.RESUMED)
paths = st.sampled_from(["1", "2", "3.1", "3.2", "4", "10"])
names = st.sampled_from(["a", "b"])
filters = st.sampled_from([None, None, {"n": 1}, {"n": 2}])
whom = st.tuples(picks, old_of(StoresAgree.held))
waits = st.builds(WaitSpec, paths, names, filters, st.sampled_from([None, FAR]))
keys = st.tuples(st.sampled_from([None, "p", "q"]), st.sampled_from([None, "x"]))

Whom = tuple[Sequence[int], Held | None]


@st.composite
def new_steps(draw: st.DrawFn) -> NewStep:
    """Make a step that is no call; its value may be no JSON."""
    kind = draw(st.sampled_from(RECORDED))
    asked = kind in {StepKind.GET_DATA, StepKind.SLEEP, StepKind.EVENT}
    value = None if asked else draw(st.sampled_from(['"x"', '"x"', "null", "1", "{"]))
    delay = STEP * 1.5 if kind is StepKind.SLEEP else None
    return NewStep(draw(paths), kind, str(kind), value, key=draw(names), delay=delay)


class WorkflowsAgree(StoresAgree):
    """The same lives, with workflows in them."""

    ids, held = StoresAgree.ids, StoresAgree.held

    @initialize(target=StoresAgree.ids, calls=calls)
    def begin_some(self, calls: Sequence[Keys]) -> Made:
        """Without workflows that are being executed much would do nothing."""
        self.register_runner(1, FAR * 10)
        made = self.register(calls, {})
        self.claim_for(1, [], 9, 1)
        return made

    def as_author(self, whom: Whom, act: Callable[[OpenStore, Author], object]) -> None:
        """Do something in the name of who executes one, or held one now or before."""
        picks, old = whom
        held = self.pick(picks, old)[:1]
        live = self.pair.memory.database.live
        begun = [h for h in self.pair.owned() if live[h.invocation_id].status in BEGUN]
        if old is None and begun:
            held = [begun[picks[0] % len(begun)]]
        if held:
            self.do(lambda store, i: act(store, Author(held[0].runner_id, held[0].hold(i))))

    @rule(whom=whom, step=new_steps())
    def record(self, whom: Whom, step: NewStep) -> None:
        """Take a step."""
        self.as_author(
            whom, lambda store, who: timeless_step(store.workflows.record_step(who, step))
        )

    @rule(
        target=StoresAgree.ids,
        whom=whom,
        path=paths,
        known=old_of(StoresAgree.ids),
        keys=keys,
        facts=facts,
    )
    def call(
        self,
        whom: Whom,
        path: str,
        known: InvocationId | None,
        keys: Keys,
        facts: dict[str, Any],
    ) -> MultipleResults[InvocationId]:
        """Call a task as a step: a new one, or one that is there already."""
        which = known or self.new_id()
        step = NewStep(path, StepKind.TASK, "a call", run=int(facts["priority"] > 0))
        new = [NewInvocation(which, "hash", "{}", *keys)]

        def act(store: OpenStore, who: Author) -> object:
            batch = Batch("tests.task", new, parent_id=who.hold.invocation_id, **facts)
            return store.orchestrator.register(replace(batch, child=Child(who, step)))

        self.as_author(whom, act)
        self.pair.know([which])
        return multiple(which)

    @rule(
        target=StoresAgree.ids,
        source=StoresAgree.ids,
        before=paths,
        key=st.sampled_from([None, "p"]),
    )
    def fork(
        self, source: InvocationId, before: str, key: str | None
    ) -> MultipleResults[InvocationId]:
        """Go on from a step of one of them, if it has any."""
        new = NewInvocation(self.new_id(), "hash", "{}", key)
        return self.accept([new], {"fork": Fork(source, before)})

    @rule(whom=whom, wait=waits, what=st.sampled_from(WAITING), n=st.integers(1, 2))
    def wait(self, whom: Whom, wait: WaitSpec, what: str, n: int) -> None:
        """Whatever there is about waiting is one rule, or it would seldom meet."""
        match what:
            case "listen" | "skip":
                self.as_author(
                    whom, lambda store, who: listen(store, who, wait, skip=what == "skip")
                )
            case "rest":
                reason = Reason.EVENT if n == 1 else Reason.PAUSED
                self.as_author(whom, lambda store, who: rest(store, who, reason))
            case "emit" | "signal":
                to = whom[1].invocation_id if what == "signal" and whom[1] else None
                event = NewEvent(self.new_id(), wait.code, f'{{"n": {n}}}', workflow_id=to)
                self.do(lambda store, _: store.trigger.emit(event))
            case "promote":
                self.do(promote)
            case _:
                which, paused = self.some_id(whom), what == "pause"
                self.do(lambda store, _: store.workflows.pause_workflow(which, "a", paused=paused))

    def some_id(self, whom: Whom) -> InvocationId:
        """Choose one of those there are."""
        ids = list(self.pair.ids)
        return ids[whom[0][0] % len(ids)]


def listen(store: OpenStore, who: Author, wait: WaitSpec, *, skip: bool) -> object:
    """Look for an event, for the second one it may be, too; take the one that is found."""
    look = store.workflows.await_event(who, wait)
    if skip and look.event is not None:
        look = store.workflows.await_event(who, wait, [look.event.event_id])
    if look.event is None:
        return None, look.left is None
    seen = look.event
    step = NewStep(wait.path, StepKind.EVENT, wait.code, seen.payload, event_id=seen.event_id)
    taken = store.workflows.record_step(who, step)
    return seen.event_id, look.left is None, timeless_step(taken)


def rest(store: OpenStore, who: Author, reason: Reason) -> object:
    """Take a run off the stack until it is woken."""
    again = Again(who.hold.invocation_id, who.hold.lease, reason, FAR)
    return store.orchestrator.retry(who.runner_id, [again])


@pytest.mark.timeout(600)  # a failure is made small first, which takes minutes
def test_the_stores_agree_on_workflows(shared_store: PostgresStore) -> None:
    """Whatever happens, they answer and look the same after each step."""
    run(shared_store, 15, 35, WorkflowsAgree)


@pytest.mark.long
@pytest.mark.timeout(1800)
def test_the_stores_agree_on_workflows_for_long(shared_store: PostgresStore) -> None:
    """The same over many more and longer lives."""
    run(shared_store, 1000, 60, WorkflowsAgree)
