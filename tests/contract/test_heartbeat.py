"""A runner reports that it lives, until it says goodbye."""

from __future__ import annotations

from pynenc_pg.domain.ids import RunnerId
from pynenc_pg.domain.records import Answer, Heartbeat, RecoveryPolicy
from pynenc_pg.invocation.status import InvocationStatus, Reason
from tests.contract.driver import LEASE, Driver, drain, hint, ids_of

S = InvocationStatus


def test_alone_it_leads(store: Driver) -> None:
    """The only runner is the first, and knows that there are no others."""
    assert store.orchestrator.heartbeat(store.worker) == Heartbeat(
        alive=True, position=0, others=False
    )


def test_the_position_goes_by_age(store: Driver) -> None:
    """The one that registered first leads."""
    runners = [store.worker, store.runner("a-second"), store.runner("a-first")]
    beats = [store.orchestrator.heartbeat(r) for r in runners]
    assert beats == [Heartbeat(alive=True, position=n, others=True) for n in range(3)]


def test_the_position_counts_the_living(store: Driver) -> None:
    """One whose lease is over does not lead, but is still there; the next one moves up."""
    second = store.runner("second")
    store.lose(store.worker)
    assert store.orchestrator.heartbeat(second) == Heartbeat(alive=True, position=0, others=True)
    assert store.orchestrator.heartbeat(store.worker).alive
    assert store.orchestrator.heartbeat(second).position == 1
    store.orchestrator.unregister_runner(store.worker)
    assert store.orchestrator.heartbeat(second) == Heartbeat(alive=True, position=0, others=False)


def test_it_renews_the_lease(store: Driver) -> None:
    """Each report counts for one lease from then on."""
    for _ in range(3):
        store.let_pass(LEASE * 0.7)
        assert store.orchestrator.heartbeat(store.worker).alive
        assert store.orchestrator.recover(RecoveryPolicy()).dead_runners == ()
    store.let_pass(LEASE * 1.1)
    assert store.orchestrator.recover(RecoveryPolicy()).dead_runners == (store.worker,)


def test_a_dead_runner_hears_it(store: Driver) -> None:
    """Declared dead, it hears so, again and again, and leads nobody."""
    second = store.runner("second")
    store.lose(store.worker)
    store.orchestrator.recover(RecoveryPolicy())
    for _ in range(2):
        assert not store.orchestrator.heartbeat(store.worker).alive
    assert store.orchestrator.heartbeat(second) == Heartbeat(alive=True, position=0, others=False)


def test_a_dead_runner_with_work_left_hears_it(store: Driver) -> None:
    """It is dead from the first sweep on, also while not all of its work was moved."""
    store.register(3)
    store.begin()
    second = store.runner("second")
    store.lose(store.worker)
    store.orchestrator.recover(RecoveryPolicy(limit=1))
    assert not store.orchestrator.heartbeat(store.worker).alive
    assert store.orchestrator.heartbeat(second) == Heartbeat(alive=True, position=0, others=True)


def test_nobody_is_not_alive(store: Driver) -> None:
    """A runner that never registered, or is another app's, is not alive here."""
    beat = store.orchestrator.heartbeat(RunnerId("nobody"))
    assert beat == Heartbeat(alive=False, position=0, others=True)
    assert not store.orchestrator.heartbeat(store.other_app().worker).alive


def test_goodbye_releases_what_is_held(store: Driver) -> None:
    """What a runner still held goes to others at once, and costs nothing."""
    pending, running = store.register(2)
    held = store.claim()
    store.start(held[1:])
    store.orchestrator.unregister_runner(store.worker)
    assert store.path(pending) == [S.REGISTERED, S.PENDING, S.REROUTED]
    assert store.path(running)[-3:] == [S.RUNNING, S.KILLED, S.REROUTED]
    assert (store.get(running).retries, store.get(running).recoveries) == (0, 0)
    assert store.finish(held[1:]) == {running: Answer.LOST}
    assert ids_of(store.claim(runner=store.runner("next"))) == [pending, running]


def test_goodbye_frees_slots_and_honours_cancellations(store: Driver) -> None:
    """As with every release: keys go on, and what was to be cancelled has ended."""
    first, second = store.in_lane(2)
    store.begin()
    store.orchestrator.cancel(first)
    store.orchestrator.unregister_runner(store.worker)
    assert (store.status(first), store.reason(first)) == (S.FAILED, Reason.CANCELLED)
    assert ids_of(store.claim(runner=store.runner("next"))) == [second]


def test_goodbye_touches_nobody_else(store: Driver) -> None:
    """What others hold stays with them; a goodbye of nobody is nothing."""
    [which] = store.register()
    held = store.begin()
    store.orchestrator.unregister_runner(store.runner("second"))
    store.orchestrator.unregister_runner(RunnerId("nobody"))
    store.other_app().orchestrator.unregister_runner(store.worker)
    assert store.orchestrator.heartbeat(store.worker).alive
    assert store.finish(held) == {which: Answer.DONE}


def test_the_others_are_told_of_a_goodbye(store: Driver) -> None:
    """Whoever is next to lead hears of it."""
    second = store.runner("second")
    ear = store.subscribe()
    drain(ear)
    store.orchestrator.unregister_runner(second)
    hint(ear, "runner")
