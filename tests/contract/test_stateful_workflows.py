"""Random lives of workflows: steps, calls, events and pauses among all that happens otherwise."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import MultipleResults, multiple, rule

from pynenc_pg.domain.causes import NewEvent
from pynenc_pg.domain.ids import InvocationId
from pynenc_pg.domain.records import Batch, NewInvocation
from pynenc_pg.domain.workflows import Author, Child, Fork, NewStep, StepKind, WaitSpec
from tests.contract.pair import Held, timeless_step
from tests.contract.strategies import FAR, STEP, Keys, facts, old_of, picks, some_of
from tests.contract.test_stateful import StoresAgree, run
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

    def as_author(self, whom: Whom, act: Callable[[OpenStore, Author], object]) -> None:
        """Do something in the name of who holds one now, or held it before."""
        held = self.pick(*whom)[:1]
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

    @rule(whom=whom, wait=waits, skip=st.booleans())
    def listen(self, whom: Whom, wait: WaitSpec, *, skip: bool) -> None:
        """Look for an event, for the second one it may be, too; take the one that is found."""

        def act(store: OpenStore, who: Author) -> object:
            look = store.workflows.await_event(who, wait)
            if skip and look.event is not None:
                look = store.workflows.await_event(who, wait, [look.event.event_id])
            if look.event is None:
                return None, look.left is None
            seen = look.event
            step = NewStep(
                wait.path, StepKind.EVENT, wait.code, seen.payload, event_id=seen.event_id
            )
            taken = store.workflows.record_step(who, step)
            return seen.event_id, look.left is None, timeless_step(taken)

        self.as_author(whom, act)

    @rule(code=names, n=st.integers(1, 2), to=old_of(StoresAgree.ids))
    def emit(self, code: str, n: int, to: InvocationId | None) -> None:
        """Emit an event, at times for one run alone."""
        event_id = str(UUID(self.new_id()))
        event = NewEvent(event_id, code, f'{{"n": {n}}}', workflow_id=to)
        self.do(lambda store, _: store.trigger.emit(event))

    @rule(which=some_of(StoresAgree.ids), paused=st.booleans())
    def pause_workflow(self, which: Sequence[InvocationId], *, paused: bool) -> None:
        """Pause a run, or resume it."""
        self.do(lambda store, _: store.workflows.pause_workflow(which[0], "a", paused=paused))


@pytest.mark.timeout(600)  # a failure is made small first, which takes minutes
def test_the_stores_agree_on_workflows(shared_store: PostgresStore) -> None:
    """Whatever happens, they answer and look the same after each step."""
    run(shared_store, 60, 40, WorkflowsAgree)


@pytest.mark.long
@pytest.mark.timeout(1800)
def test_the_stores_agree_on_workflows_for_long(shared_store: PostgresStore) -> None:
    """The same over many more and longer lives."""
    run(shared_store, 1000, 60, WorkflowsAgree)
