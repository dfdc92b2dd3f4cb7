"""A runner says that it is there."""

from __future__ import annotations

import pytest

from pynenc_pg.domain.ids import RunnerId
from pynenc_pg.domain.records import Heartbeat, RecoveryPolicy, RunnerSpec
from pynenc_pg.exceptions import StoreError
from tests.contract.driver import Driver, drain, hint


def test_a_registered_runner_works(store: Driver) -> None:
    """From its registration on it is alive and may claim, whatever it says about itself."""
    runner = RunnerId(f"{store.app_id}/full")
    spec = RunnerSpec(runner, "Test", ("a", "b"), 8, "somewhere", 4711, lease=5)
    store.orchestrator.register_runner(spec)
    ids = [store.register(queue=q)[0] for q in ("a", "c")]
    assert store.orchestrator.heartbeat(runner).alive
    assert [c.invocation_id for c in store.claim(runner=runner)] == ids


def test_an_id_belongs_to_one_runner(store: Driver) -> None:
    """A second runner of the same id is refused, and the first goes on."""
    with pytest.raises(StoreError, match=store.worker):
        store.runner("worker", lease=1)
    assert store.orchestrator.heartbeat(store.worker).alive


def test_an_id_belongs_to_one_runner_past_its_lease(store: Driver) -> None:
    """As long as nobody declared it dead it is believed alive."""
    store.lose(store.worker)
    with pytest.raises(StoreError):
        store.runner("worker")


@pytest.mark.parametrize("gone", ["goodbye", "death"])
def test_a_free_id_may_be_taken(store: Driver, gone: str) -> None:
    """After a goodbye, or declared dead and with nothing left, a runner may begin anew."""
    [which] = store.register()
    store.begin()
    if gone == "goodbye":
        store.orchestrator.unregister_runner(store.worker)
    else:
        store.lose(store.worker)
        assert store.orchestrator.recover(RecoveryPolicy()).rerouted == 1
    assert store.runner("worker") == store.worker
    assert store.take() == [which]


def test_two_apps_do_not_count_each_other(store: Driver) -> None:
    """A runner is alone in its app, whoever works for another one."""
    assert len({store.worker, store.other_app().worker}) == 2
    assert store.orchestrator.heartbeat(store.worker) == Heartbeat(alive=True, others=False)


def test_the_others_are_told(store: Driver) -> None:
    """Runners hear of a new one."""
    ear = store.subscribe()
    drain(ear)
    store.runner("new")
    hint(ear, "runner")
