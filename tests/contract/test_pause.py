"""An invocation that waits for others is PAUSED, and goes on when what it needs has ended."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pynenc_pg.domain.ids import new_invocation_id
from pynenc_pg.domain.records import Answer, RecoveryPolicy
from pynenc_pg.exceptions import (
    InvocationCycleError,
    InvocationNotFoundError,
    InvocationStatusOwnershipError,
)
from pynenc_pg.invocation.status import InvocationStatus
from tests.contract.driver import Driver, drain, hint, holds_of, ids_of

S = InvocationStatus


def test_a_wait_and_its_end(store: Driver) -> None:
    """PAUSED until the child ends; the listener is told; the owner resumes and finishes."""
    store.register()
    [parent] = store.begin()
    child = store.child(parent)
    ear = store.subscribe(work=False)
    assert store.pause(parent, child, listener=ear.listener) == {}
    assert store.status(parent.invocation_id) is S.PAUSED
    store.finish(store.begin(), "7")
    assert hint(ear, "result").ids == (child,)
    assert store.status(parent.invocation_id) is S.PAUSED
    assert store.resume([parent]) == {parent.invocation_id: Answer.DONE}
    assert store.finish([parent]) == {parent.invocation_id: Answer.DONE}
    assert store.path(parent.invocation_id)[2:] == [S.RUNNING, S.PAUSED, S.RESUMED, S.SUCCESS]


def test_what_has_ended_is_not_waited_for(store: Driver) -> None:
    """Its outcome comes back at once, and nothing moves."""
    store.register()
    [parent] = store.begin()
    child = store.child(parent)
    store.finish(store.begin(), "7")
    found = store.pause(parent, child)
    assert found == store.state_backend.get_outcomes([child])
    assert found[child].value == "7"
    assert store.status(parent.invocation_id) is S.RUNNING
    assert store.resume([parent]) == {parent.invocation_id: Answer.ALREADY}


def test_the_first_of_several_counts(store: Driver) -> None:
    """Ends of later ones come back, and do not keep it from waiting for the first."""
    store.register()
    [parent] = store.begin()
    first, second = store.child(parent), store.child(parent)
    a, b = store.begin()
    store.finish([b])
    assert list(store.pause(parent, first, second)) == [second]
    assert store.status(parent.invocation_id) is S.PAUSED
    store.finish([a])
    store.resume([parent])
    assert list(store.pause(parent, first, second)) == [first, second]
    assert store.status(parent.invocation_id) is S.RESUMED


def test_one_of_several_is_enough_where_asked(store: Driver) -> None:
    """With any_of the first end of any is what was waited for."""
    store.register()
    [parent] = store.begin()
    children = [store.child(parent) for _ in range(3)]
    ear = store.subscribe(work=False)
    assert store.pause(parent, *children, any_of=True, listener=ear.listener) == {}
    held = store.begin()
    store.finish(held[2:])
    assert hint(ear, "result").ids == (children[2],)
    store.resume([parent], *children[:2])
    assert list(store.pause(parent, *children, any_of=True)) == [children[2]]
    assert store.status(parent.invocation_id) is S.RESUMED
    store.finish(held[:2])
    assert drain(ear) == []  # they were forgotten


def test_again_is_the_same(store: Driver) -> None:
    """A repeat after a lost reply changes nothing; so does a repeated resume."""
    store.register()
    [parent] = store.begin()
    child = store.child(parent)
    for _ in range(3):
        assert store.pause(parent, child) == {}
    assert store.path(parent.invocation_id)[-1] is S.PAUSED
    assert store.get(parent.invocation_id).status is S.PAUSED
    store.finish(store.begin())
    store.resume([parent])
    assert store.resume([parent]) == {parent.invocation_id: Answer.ALREADY}
    assert store.path(parent.invocation_id).count(S.PAUSED) == 1


@pytest.mark.parametrize("what", ["lease", "runner", "pending", "ended"])
def test_only_the_owner_waits(store: Driver, what: str) -> None:
    """A stale lease, another runner, work that was not begun or has ended: refused."""
    awaited = store.register()[0]
    store.register(queue="mine")
    held = store.claim(1, "mine")
    runner = None
    if what == "lease":
        store.start(held)
        held = [replace(held[0], lease=held[0].lease + 1)]
    elif what == "runner":
        store.start(held)
        runner = store.runner("other")
    elif what == "ended":
        store.start(held)
        store.finish(held)
    with pytest.raises(InvocationStatusOwnershipError, match=held[0].invocation_id):
        store.pause(held[0], awaited, runner=runner)
    assert store.resume(held, runner=runner) == {held[0].invocation_id: Answer.LOST}


def test_an_unknown_one_is_not_waited_for(store: Driver) -> None:
    """An id of nobody, or of another app, is refused by name."""
    store.register()
    [parent] = store.begin()
    theirs = store.other_app().register()[0]
    for awaited in (new_invocation_id(), theirs):
        with pytest.raises(InvocationNotFoundError, match=awaited):
            store.pause(parent, awaited)
        assert store.status(parent.invocation_id) is S.RUNNING


def test_what_is_waited_for_is_claimed_first(store: Driver) -> None:
    """The deepest before the others, and all of them before higher priorities."""
    store.register()
    [top] = store.begin()
    middle = store.child(top)
    [held] = store.begin()
    deep = store.child(held)
    side = store.child(top)
    urgent = store.register(priority=100)[0]
    store.pause(top, side)
    store.pause(held, deep)
    assert store.take() == [deep, side, urgent]
    assert held.invocation_id == middle


def test_retries_of_what_is_waited_for_come_first_too(store: Driver) -> None:
    """It is marked for the rest of its life."""
    store.register()
    [parent] = store.begin()
    child = store.child(parent)
    other = store.register(priority=100)[0]
    store.pause(parent, child)
    store.retry(store.begin(1))
    assert store.take() == [child, other]


def test_what_is_waited_for_comes_first_among_keyed_work(store: Driver) -> None:
    """A slot of its key is its own before unkeyed work is taken."""
    store.register()
    [parent] = store.begin()
    store.register(5, priority=50)
    child = store.child(parent, lanes=["k"], ids=[new_invocation_id()])
    store.pause(parent, child)
    assert store.take(1) == [child]


def test_the_slot_of_its_key_stays_its_own(store: Driver) -> None:
    """A mutex does not open in mid-section."""
    ids = store.in_lane(2)
    [held] = store.begin()
    child = store.child(held)
    store.pause(held, child)
    assert store.take() == [child]
    assert store.status(ids[1]) is S.CONCURRENCY_CONTROLLED


def test_given_back_and_recovered(store: Driver) -> None:
    """A paused one that is given back, or whose runner dies, is run anew and waits for nobody."""
    for way in ("release", "death"):
        store.register()
        [parent] = store.begin()
        child = store.child(parent)
        ear = store.subscribe(work=False)
        store.pause(parent, child, listener=ear.listener)
        if way == "release":
            store.release([parent])
        else:
            store.lose(store.worker)
            store.orchestrator.recover(RecoveryPolicy())
            store.worker = store.runner("heir")
        assert store.status(parent.invocation_id) is S.REROUTED
        held = store.begin()
        assert set(ids_of(held)) == {parent.invocation_id, child}
        store.finish(held)
        assert drain(ear) == []


def test_cancelled_while_it_waits(store: Driver) -> None:
    """Its owner is asked; it goes on, and ends at its next step."""
    store.register()
    [parent] = store.begin()
    child = store.child(parent)
    store.pause(parent, child)
    store.orchestrator.cancel(parent.invocation_id)
    store.resume([parent])
    store.retry([parent])
    assert store.status(parent.invocation_id) is S.FAILED
    assert store.reason(parent.invocation_id) == "cancelled"


# --- circles ----------------------------------------------------------------------------------


def test_oneself(store: Driver) -> None:
    """Nobody waits for itself."""
    store.register()
    [held] = store.begin()
    with pytest.raises(InvocationCycleError, match=r"for ever: .*tests\.task") as refused:
        store.pause(held, held.invocation_id)
    assert refused.value.path == (held.invocation_id,) * 2
    assert store.status(held.invocation_id) is S.RUNNING


def test_each_other(store: Driver) -> None:
    """The one that closes the circle hears of it; the other goes on when that one ends."""
    store.register(3)
    a, b, c = store.begin()
    store.pause(a, b.invocation_id)
    store.pause(b, c.invocation_id)
    with pytest.raises(InvocationCycleError) as refused:
        store.pause(c, a.invocation_id)
    assert refused.value.path == tuple(ids_of([c, a, b, c]))
    assert store.status(c.invocation_id) is S.RUNNING
    assert store.finish([c], status=S.FAILED) == {c.invocation_id: Answer.DONE}
    assert list(store.pause(b, c.invocation_id)) == [c.invocation_id]


def test_a_parent_that_waits_for_its_child(store: Driver) -> None:
    """A child that waits for its parent closes a circle."""
    store.register()
    [parent] = store.begin()
    child = store.child(parent)
    store.pause(parent, child)
    [held] = store.begin()
    with pytest.raises(InvocationCycleError):
        store.pause(held, parent.invocation_id)
    store.finish([held])
    store.resume([parent])


def test_through_a_concurrency_key(store: Driver) -> None:
    """Who holds the only slot of a key and waits for another one of that key waits for itself."""
    store.in_lane(1)
    [held] = store.begin()
    child = store.child(held, lanes=["k"])
    with pytest.raises(InvocationCycleError) as refused:
        store.pause(held, child)
    assert refused.value.path == (held.invocation_id, child, held.invocation_id)
    store.finish([held])
    assert store.take() == [child]


def test_who_waits_for_those_in_a_circle(store: Driver) -> None:
    """A key with fewer slots than before closes a circle that no wait has closed: it has an end."""
    a, b = store.in_lane(2, slots=2)
    [holder] = store.begin(1)
    assert holder.invocation_id == a
    store.pause(holder, b)
    store.in_lane(1, slots=1)
    store.register(queue="other")
    [late] = store.begin(1, "other")
    with pytest.raises(InvocationCycleError) as refused:
        store.pause(late, b)
    assert refused.value.path == (late.invocation_id, b, a, b)
    assert store.status(late.invocation_id) is S.RUNNING
    store.in_lane(1, slots=3)
    assert store.pause(late, b) == {}


def test_through_a_key_and_others(store: Driver) -> None:
    """A grandchild of the holder of a key needs it: whichever waits last is refused."""
    for last in ("holder", "child"):
        store.in_lane(1, key=last)
        [holder] = store.begin()
        child = store.child(holder)
        [held] = store.begin()
        deep = store.child(held, lanes=[last])
        if last == "child":
            store.pause(holder, child)
            with pytest.raises(InvocationCycleError):
                store.pause(held, deep)
            store.finish([held])
            store.resume([holder])
            store.finish([holder])
        else:
            store.pause(held, deep)
            with pytest.raises(InvocationCycleError):
                store.pause(holder, child)
            store.finish([holder])
        store.finish(store.begin())


def test_a_key_with_another_slot_is_no_circle(store: Driver) -> None:
    """With several slots somebody else lets it go on; only if all are stuck it is refused."""
    store.in_lane(2, slots=2)
    a, b = store.begin()
    child_of_a = store.child(a, lanes=["k"], slots=2)
    child_of_b = store.child(b, lanes=["k"], slots=2)
    assert store.pause(a, child_of_a) == {}
    with pytest.raises(InvocationCycleError):
        store.pause(b, child_of_b)
    store.finish([b])
    assert len(store.take()) == 1


def test_one_of_several_that_goes_on_is_no_circle(store: Driver) -> None:
    """With any_of it is refused only if none of them can end."""
    store.register(3)
    a, b, c = store.begin()
    store.pause(b, a.invocation_id)
    assert store.pause(a, b.invocation_id, c.invocation_id, any_of=True) == {}
    with pytest.raises(InvocationCycleError):
        store.pause(c, a.invocation_id)


def test_what_one_only_hears_of_is_no_circle(store: Driver) -> None:
    """Of a group it is the first that is needed, and what was forgotten is not."""
    store.register(3)
    a, b, c = store.begin()
    assert store.pause(a, c.invocation_id, b.invocation_id) == {}
    assert store.pause(b, a.invocation_id) == {}
    store.resume([b], a.invocation_id)
    store.resume([a], c.invocation_id)
    assert store.pause(a, b.invocation_id) == {}
    assert holds_of([c])
