"""A call of a task that keeps results becomes an equal one that has succeeded."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from pynenc_pg.domain.ids import InvocationId, new_invocation_id
from pynenc_pg.domain.records import Claimed, Registered
from pynenc_pg.exceptions import InvocationConcurrencyWithDifferentArgumentsError
from pynenc_pg.invocation.status import InvocationStatus
from tests.contract.driver import Driver

S = InvocationStatus
DAY = 86_400.0


def call(store: Driver, *calls: str, **facts: Any) -> list[Registered]:
    """Register calls that may become equal ones; without names, one that is called ``a``."""
    names = calls or ("a",)
    return store.accept(len(names), calls=names, cached=True, **facts)


def which(store: Driver, *calls: str, **facts: Any) -> InvocationId:
    """Register one such call, and return what it became."""
    [one] = call(store, *calls, **facts)
    return one.invocation_id


def end(store: Driver, *ids: InvocationId, status: InvocationStatus = S.SUCCESS) -> None:
    """Run all that is ready, and end these; the others are given back."""
    held = store.begin()
    mine = [one for one in held if one.invocation_id in ids]
    assert len(mine) == len(ids)
    store.finish(mine, status=status)
    store.release([one for one in held if one not in mine])


def live(store: Driver) -> list[Claimed]:
    """Take all that is ready."""
    return store.claim(1000)


def test_a_call_becomes_one_that_has_succeeded(store: Driver) -> None:
    """Again and again; nothing is registered, and the value is that of the first."""
    [first] = call(store)
    store.finish(store.begin(), value='{"n": 7}')
    for _ in range(3):
        assert call(store) == [Registered(first.invocation_id, reused=True)]
    assert not first.reused
    assert live(store) == []
    outcomes = store.state_backend.get_outcomes([first.invocation_id])
    assert outcomes[first.invocation_id].value == '{"n": 7}'
    assert store.path(first.invocation_id)[-1] is S.SUCCESS


@pytest.mark.parametrize(
    "state", ["ready", "scheduled", "pending", "running", "retry", "failed", "cancelled"]
)
def test_what_has_not_succeeded_serves_nobody(store: Driver, state: str) -> None:
    """A call that waits, runs or has failed is no result: another invocation is registered."""
    first = which(store, delay=DAY if state == "scheduled" else 0)
    if state == "pending":
        store.claim()
    if state in {"running", "retry", "failed"}:
        held = store.begin()
        if state == "retry":
            store.retry(held, delay=DAY)
        if state == "failed":
            store.finish(held, status=S.FAILED)
    if state == "cancelled":
        store.orchestrator.cancel(first)
    [second] = call(store)
    assert second.invocation_id != first
    assert not second.reused
    assert store.status(second.invocation_id) is S.REGISTERED


def test_other_calls_are_other_results(store: Driver) -> None:
    """Of other arguments, another task or another app; and what is not cached neither gets any."""
    first = which(store, "a")
    end(store, first)
    others = [
        which(store, "b"),
        which(store, "a", task_id="tests.other"),
        which(store.other_app(), "a"),
        store.accept(calls=["a"])[0].invocation_id,
    ]
    assert len({first, *others}) == 5


def test_what_is_not_cached_serves_nobody(store: Driver) -> None:
    """Its task says of itself alone that equal calls have equal results."""
    [plain] = store.accept(calls=["a"])
    end(store, plain.invocation_id)
    assert which(store) != plain.invocation_id


def test_a_result_is_good_for_its_time(store: Driver) -> None:
    """Counted from the end, by the clock of the store; each call says how old it may be."""
    first = which(store)
    store.let_pass(50)
    end(store, first)
    store.age_outcomes(30)
    assert which(store, cache_ttl=31) == first
    assert which(store) == first
    second = which(store, cache_ttl=29)
    assert second != first
    assert which(store, cache_ttl=31) == first  # as long as the second has not succeeded
    end(store, second)
    assert which(store, cache_ttl=29) == which(store, cache_ttl=31) == which(store) == second


def test_a_call_that_wants_no_result_makes_one(store: Driver) -> None:
    """With a time of 0 it is run; what it returns serves the others from then on."""
    first = which(store)
    end(store, first)
    second = which(store, cache_ttl=0)
    assert second != first
    assert which(store) == first
    end(store, second)
    assert which(store) == second


def test_a_scheduled_call_wants_what_is_good_then(store: Driver) -> None:
    """A result that will be too old when it may begin is none; else nothing is scheduled."""
    first = which(store)
    end(store, first)
    assert which(store, delay=50, cache_ttl=60) == first
    assert which(store, delay=10 * DAY) == first
    later = which(store, delay=70, cache_ttl=60)
    assert later != first
    assert which(store, cache_ttl=60) == first


def test_the_success_before_serves_while_others_fail(store: Driver) -> None:
    """What was refreshed in vain leaves the former result."""
    first = which(store)
    end(store, first)
    for _ in range(3):
        end(store, which(store, cache_ttl=0), status=S.FAILED)
        assert which(store) == first


def test_the_one_that_succeeds_last_serves(store: Driver) -> None:
    """Of several that ran at once, in whatever order they were registered."""
    one, two, three = (which(store) for _ in range(3))
    end(store, two)
    assert which(store) == two
    store.age_outcomes(1)
    end(store, three, status=S.FAILED)
    assert which(store) == two
    end(store, one)
    assert which(store) == one


def test_a_call_every_second_of_a_task_that_takes_ten(store: Driver) -> None:
    """What is registered meanwhile does not hide the first one that ends."""
    ids = [which(store) for _ in range(10)]
    assert len(set(ids)) == 10
    end(store, ids[0])
    assert which(store) == ids[0]


def test_hits_and_misses_in_a_batch(store: Driver) -> None:
    """Each finds its own, answers stand in order, and equal ones of a batch are not one."""
    known = [which(store, name) for name in "ace"]
    end(store, *known)
    answers = call(store, *"abcbded", keys=None, arguments="{}")
    assert [one.reused for one in answers] == [True, False, True, False, False, True, False]
    ids = [one.invocation_id for one in answers]
    assert [ids[0], ids[2], ids[5]] == known
    new = {ids[n] for n in (1, 3, 4, 6)}
    assert len(new) == 4
    assert {one.invocation_id for one in live(store)} == new


def test_the_parts_of_a_batch_stay_together(store: Driver) -> None:
    """Arguments and keys of a miss are its own, wherever it stands among hits."""
    end(store, which(store, "a"), which(store, "b"))
    names = ["a", "x", "b", "y"]
    answers = call(store, *names, lanes=names, keys=names, slots=1)
    assert [one.reused for one in answers] == [True, False, True, False]
    again = call(store, "z", "z", keys=["x", "y"], lanes=["x", "y"], slots=1)
    assert [one.invocation_id for one in again] == [answers[n].invocation_id for n in (1, 3)]
    assert {one.invocation_id for one in live(store)} == {answers[n].invocation_id for n in (1, 3)}
    assert len({store.get(one.invocation_id).call_id for one in answers}) == 4


def test_many_equal_calls_in_a_batch(store: Driver) -> None:
    """All of them run; the first that ends serves, and of all those that wait not all are known."""
    ids = [one.invocation_id for one in call(store, *["a"] * 150)]
    assert len(set(ids)) == 150
    held = store.begin(1000)
    by_id = {one.invocation_id: one for one in held}
    store.finish([by_id[ids[149]]])
    assert which(store) not in ids  # beyond the hundred that are known at a time
    store.finish([by_id[ids[99]]])
    assert which(store) == ids[99]
    store.age_outcomes(1)
    store.finish([one for one in held if one.invocation_id not in {ids[149], ids[99]}])
    last = which(store)
    assert last in ids[:99]
    assert which(store, cache_ttl=0) not in ids
    assert which(store) == last


def test_a_registration_key_counts_for_what_has_no_result(store: Driver) -> None:
    """A result comes first; without one, a call becomes the equal one that was not begun."""
    first = which(store, keys=["k"])
    assert call(store, keys=["k"]) == [Registered(first, reused=True)]
    held = store.begin()
    second = which(store, keys=["k"])
    assert second != first
    store.finish(held)
    assert which(store, keys=["k"]) == first
    assert which(store, keys=["k"], cache_ttl=0) == second


def test_a_call_that_was_taken_by_a_key_serves_nobody(store: Driver) -> None:
    """It became one with other arguments: that one's result is no result of its own."""
    first = which(store, "a", keys=["task"])
    assert which(store, "b", keys=["task"]) == first
    end(store, first)
    assert which(store, "a") == first
    assert which(store, "b") != first


def test_a_hit_is_not_refused_for_its_arguments(store: Driver) -> None:
    """Only what would become another call is compared with it."""
    end(store, which(store, "a", keys=["k"]))
    facts: dict[str, Any] = {"keys": ["k"], "refuse_different": True}
    which(store, "b", arguments='{"n": 2}', **facts)
    assert call(store, "a", arguments='{"n": 1}', **facts)[0].reused
    with pytest.raises(InvocationConcurrencyWithDifferentArgumentsError):
        call(store, "c", arguments='{"n": 3}', **facts)


def test_an_idempotency_key_comes_first(store: Driver) -> None:
    """The first call with it counts, be it a result of another or its own, for ever."""
    first = which(store)
    end(store, first)
    assert call(store, key="k") == [Registered(first, reused=True)]
    second = which(store, cache_ttl=0)
    end(store, second)
    assert which(store) == second
    assert call(store, key="k") == [Registered(first, reused=True)]
    third = which(store, key="other", cache_ttl=0)
    end(store, third)
    assert which(store, key="other") == third
    assert which(store) == third


def test_the_same_id_again_is_the_same_call(store: Driver) -> None:
    """Whoever repeats a call that was not answered gets what the first try would have got."""
    first = which(store)
    ids = [new_invocation_id()]
    assert call(store, ids=ids) == [Registered(ids[0], reused=False)]
    assert call(store, ids=ids) == [Registered(ids[0], reused=False)]
    end(store, first)
    assert call(store, ids=ids) == [Registered(ids[0], reused=False)]
    assert store.path(ids[0]).count(S.REGISTERED) == 1
    late = [new_invocation_id()]
    assert call(store, ids=late) == call(store, ids=late) == [Registered(first, reused=True)]


def test_what_was_reused_is_nobodys_child(store: Driver) -> None:
    """It keeps the parent and the place it had; its priority and queue, too."""
    first = which(store, queue="first")
    end(store, first)
    [parent] = store.accept()
    [held] = store.begin()
    assert held.invocation_id == parent.invocation_id
    facts = {"parent_id": held.invocation_id, "depth": 1, "queue": "second", "priority": 5}
    assert which(store, **facts) == first
    record = store.get(first)
    assert (record.parent_id, record.depth, record.queue) == (None, 0, "first")
    assert "second" not in {queue.name for queue in store.state_backend.get_queues()}


def test_waiting_for_what_has_ended_does_not_pause(store: Driver) -> None:
    """The outcome is there at once, and the waiter stays RUNNING."""
    first = which(store)
    end(store, first)
    store.accept()
    [held] = store.begin()
    reused = which(store, parent_id=held.invocation_id, depth=1)
    assert list(store.pause(held, reused)) == [first]
    assert store.status(held.invocation_id) is S.RUNNING


def test_purging_forgets_results(store: Driver) -> None:
    """What is not there any more is called anew."""
    first = which(store)
    end(store, first)
    store.orchestrator.purge()
    [second] = call(store)
    assert second.invocation_id != first
    assert not second.reused


def _rounds(store: Driver, names: Sequence[str]) -> list[bool]:
    answers = call(store, *names)
    store.finish(store.begin(1000))
    return [one.reused for one in answers]


def test_a_thousand_at_once(store: Driver) -> None:
    """All of them new, then all of them known, then every other one."""
    names = [f"call {n}" for n in range(1000)]
    assert _rounds(store, names) == [False] * 1000
    assert _rounds(store, names) == [True] * 1000
    mixed = [name if n % 2 else f"{name} again" for n, name in enumerate(names)]
    assert _rounds(store, mixed) == [bool(n % 2) for n in range(1000)]
