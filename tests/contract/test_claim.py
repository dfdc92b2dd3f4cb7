"""Ready work is given out by queue and rank, each to one runner."""

from __future__ import annotations

import pytest

from pynenc_pg.domain.ids import RunnerId, new_invocation_id
from pynenc_pg.domain.records import Answer, Batch, NewInvocation, RecoveryPolicy
from pynenc_pg.exceptions import RunnerFencedError
from pynenc_pg.invocation.status import InvocationStatus
from tests.contract.driver import Driver, ids_of

S = InvocationStatus


def test_a_claim_carries_what_a_runner_needs(store: Driver) -> None:
    """What is claimed is PENDING with its owner, and comes with all that running it takes."""
    parent, which = new_invocation_id(), new_invocation_id()
    call = NewInvocation(which, "hash", '{"x": [1, 2]}')
    store.orchestrator.register(
        Batch("mod.task", [call], parent_id=parent, depth=3, options='{"max_retries": 2}')
    )
    [claimed] = store.claim()
    assert (claimed.invocation_id, claimed.task_id) == (which, "mod.task")
    assert (claimed.arguments, claimed.options) == ('{"x": [1, 2]}', '{"max_retries": 2}')
    assert (claimed.parent_id, claimed.depth) == (parent, 3)
    assert (claimed.retries, claimed.recoveries) == (0, 0)
    record = store.get(which)
    assert (record.status, record.runner_id) == (S.PENDING, store.worker)
    entry = store.state_backend.get_history(which)[-1]
    assert (entry.rev, entry.runner_id, entry.changed_by) == (1, store.worker, store.worker)
    assert store.path(which) == [S.REGISTERED, S.PENDING]


def test_a_claim_may_begin_what_it_takes(store: Driver) -> None:
    """Both steps stand in the history; what start does to a key and an expiry is done."""
    [which] = store.register(ids=None, keys=["key"], expires_in=100)
    [claimed] = store.orchestrator.claim(store.worker, [], 5, begin_below=1)
    assert store.path(which) == [S.REGISTERED, S.PENDING, S.RUNNING]
    assert (store.get(which).status, store.get(which).runner_id) == (S.RUNNING, store.worker)
    assert store.start([claimed]) == {which: Answer.ALREADY}
    assert store.register(keys=["key"]) != [which]
    store.let_pass(200)
    assert store.orchestrator.expire() == 0
    assert store.finish([claimed]) == {which: Answer.DONE}


def test_who_was_recovered_too_often_is_not_begun(store: Driver) -> None:
    """Of one claim some begin and others are left to be started."""
    [often] = store.register()
    for name in ("one", "two"):
        store.begin(runner=store.runner(name))
        store.lose(RunnerId(f"{store.app_id}/{name}"))
        assert store.orchestrator.recover(RecoveryPolicy()).rerouted == 1
    [fresh] = store.register()
    held = store.orchestrator.claim(store.worker, [], 5, begin_below=2)
    assert [(c.invocation_id, c.recoveries) for c in held] == [(often, 2), (fresh, 0)]
    assert store.statuses([often, fresh]) == [S.PENDING, S.RUNNING]
    assert store.start(held) == {often: Answer.DONE, fresh: Answer.ALREADY}


def test_nothing_is_given_out_twice(store: Driver) -> None:
    """What one runner holds no other gets."""
    ids = store.register(5)
    second = store.runner("second")
    assert ids_of(store.claim(3)) == ids[:3]
    assert ids_of(store.claim(3, runner=second)) == ids[3:]
    assert store.claim() == store.claim(runner=second) == []


def test_each_claim_has_a_lease_of_its_own(store: Driver) -> None:
    """Leases differ from each other, and a later one of the same invocation is greater."""
    store.register(3)
    first = store.claim()
    assert len({c.lease for c in first}) == 3
    store.release(first)
    again = {c.invocation_id: c.lease for c in store.claim()}
    assert all(again[c.invocation_id] > c.lease for c in first)


@pytest.mark.parametrize("limit", [0, 1, 3])
def test_no_more_than_the_limit(store: Driver, limit: int) -> None:
    """A claim gives at most what was asked for, with and without concurrency keys."""
    store.register(2)
    store.in_lane(3, slots=3)
    assert len(store.take(limit)) == limit
    assert store.state_backend.count_ready() == 5 - limit


def test_the_older_comes_first(store: Driver) -> None:
    """Equal priorities are served in the order they came, a batch in the order of its ids."""
    first, second = store.register(2), store.register(2)
    assert store.take() == [*first, *second]


def test_the_higher_priority_comes_first(store: Driver) -> None:
    """Priorities go from -100 to 100, and the higher one is served first."""
    made = {p: store.register(priority=p)[0] for p in (0, -100, 100, 7, -1)}
    assert store.take() == [made[p] for p in (100, 7, 0, -1, -100)]


@pytest.mark.parametrize(("waited", "urgent_first"), [(50, True), (70, False)])
def test_a_point_of_priority_is_a_minute(
    store: Driver, waited: float, *, urgent_first: bool
) -> None:
    """Who has waited longer than a minute is ahead of newer work that is one point higher."""
    old = store.register(priority=-1)
    store.let_pass(waited)
    new = store.register(priority=0)
    assert store.take() == ([*new, *old] if urgent_first else [*old, *new])


def test_delayed_work_ages_from_the_time_it_is_due(store: Driver) -> None:
    """A call made long ago for now does not overtake what waits already."""
    delayed = store.register(delay=100)
    store.let_pass(50)
    waiting = store.register()
    store.let_pass(60)
    later = store.register()
    assert store.orchestrator.promote().count == 1
    assert store.take() == [*waiting, *delayed, *later]


def test_a_retry_keeps_its_place(store: Driver) -> None:
    """What is tried again, given back or recovered goes before what came after it."""
    old = store.register(3)
    held = store.begin()
    new = store.register()
    store.retry(held[:1])
    store.release(held[1:2])
    store.lose(store.worker)
    assert store.orchestrator.recover(RecoveryPolicy()).rerouted == 1
    assert ids_of(store.claim(runner=store.runner("next"))) == [*old, *new]


def test_queues_are_served_in_the_order_named(store: Driver) -> None:
    """All of the first queue goes before anything of the second, whatever the priorities."""
    low, high = store.register(2, queue="a"), store.register(2, queue="b", priority=100)
    assert store.take(3, "a", "b") == [*low, high[0]]
    assert store.take(3, "a", "b") == [high[1]]


def test_only_named_queues_are_served(store: Driver) -> None:
    """A queue that was not named, or never heard of, gives nothing."""
    store.register(queue="a")
    wanted = store.register(queue="b")
    assert store.take(9, "nowhere") == []
    assert store.take(9, "nowhere", "b") == wanted


def test_no_queue_named_means_all(store: Driver) -> None:
    """Without names every queue of the app is served."""
    ids = [store.register(queue=q)[0] for q in ("a", "b", "c")]
    assert sorted(store.take()) == sorted(ids)


def test_a_queue_named_twice_is_one_queue(store: Driver) -> None:
    """Naming a queue twice gives out nothing twice, and loses nothing."""
    ids = [*store.register(2, queue="a"), *store.in_lane(1, queue="a")]
    assert store.take(9, "a", "a") == ids
    assert store.statuses(ids) == [S.PENDING] * 3


def test_a_paused_queue_gives_nothing(store: Driver) -> None:
    """Named or not, with or without concurrency keys: nothing of a paused queue is given out."""
    store.register(queue="a")
    store.in_lane(2, queue="a")
    other = store.register(queue="b")
    store.orchestrator.pause_queue("a")
    assert store.take(9, "a") == []
    assert store.take() == other
    store.orchestrator.pause_queue("a", paused=False)
    assert len(store.take(9, "a")) == 2


def test_expired_work_is_not_given_out(store: Driver) -> None:
    """Nobody begins what is past its time, even before it was swept."""
    store.register(expires_in=10)
    store.in_lane(1, expires_in=10)
    kept = store.register(expires_in=1000)
    store.let_pass(20)
    assert store.take() == kept


def test_work_without_a_key_and_with_one_share_the_order(store: Driver) -> None:
    """A concurrency key changes nothing about rank."""
    ids = [
        *store.in_lane(1, priority=9),
        *store.register(priority=8),
        *store.in_lane(1, "other", priority=7),
        *store.register(priority=6),
    ]
    assert store.take(3) == ids[:3]
    assert store.take(3) == ids[3:]


@pytest.mark.parametrize("who", ["nobody", "said goodbye", "dead", "of another app"])
def test_only_a_registered_runner_may_claim(store: Driver, who: str) -> None:
    """A runner that is unknown, gone, declared dead or another app's is fenced; nothing moves."""
    [which] = store.register()
    runner = RunnerId(f"{store.app_id}/nobody")
    if who == "said goodbye":
        runner = store.runner("gone")
        store.orchestrator.unregister_runner(runner)
    elif who == "dead":
        runner = store.runner("dead")
        store.lose(runner)
        store.orchestrator.recover(RecoveryPolicy())
    elif who == "of another app":
        runner = store.other_app().worker
    with pytest.raises(RunnerFencedError, match=runner):
        store.claim(runner=runner)
    assert store.status(which) is S.REGISTERED


def test_two_apps_claim_their_own(store: Driver) -> None:
    """Work of one app is never given to a runner of another, in a queue of the same name."""
    other = store.other_app()
    mine, theirs = store.register(2), other.register(2)
    assert (other.take(), store.take()) == (theirs, mine)


def test_a_star_stands_for_all_others(store: Driver) -> None:
    """Those that are not named beside it, by name; paused ones give nothing."""
    ids = {queue: store.register(queue=queue)[0] for queue in ("a", "b", "c", "d")}
    store.orchestrator.pause_queue("d")
    assert store.take(1, "*", "a") == [ids["b"]]
    assert store.take(100, "c", "*") == [ids["c"], ids["a"]]
    assert store.take(100, "*") == []
