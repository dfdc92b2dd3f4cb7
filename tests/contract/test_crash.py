"""A process of a living runner dies: what it executed goes back, and it counts."""

from __future__ import annotations

import pytest

from pynenc_pg.domain.ids import new_invocation_id
from pynenc_pg.domain.records import Answer, Hold
from pynenc_pg.invocation.status import InvocationStatus, Reason
from tests.contract.driver import Driver, drain, hint, stale

S = InvocationStatus


def test_it_is_begun_again_and_counts_a_recovery(store: Driver) -> None:
    """RUNNING goes back through RUNNING_RECOVERY, spends a recovery and no retry."""
    [which] = store.register()
    held = store.begin()
    assert store.crash(held) == {which: Answer.DONE}
    record = store.get(which)
    assert (record.status, record.runner_id) == (S.REROUTED, None)
    assert (record.retries, record.recoveries) == (0, 1)
    assert store.path(which)[2:] == [S.RUNNING, S.RUNNING_RECOVERY, S.REROUTED]
    assert store.take() == [which]


def test_beyond_the_limit_it_is_quarantined(store: Driver) -> None:
    """What took a process down more often than allowed ends as FAILED, with its reason."""
    [which] = store.register()
    for _ in range(2):
        store.crash(store.begin(), max_recoveries=2)
    assert store.get(which).status is S.REROUTED
    store.crash(store.begin(), max_recoveries=2)
    outcome = store.state_backend.get_outcomes([which])[which]
    assert (outcome.status, outcome.reason) == (S.FAILED, Reason.RECOVERIES_EXHAUSTED)
    assert store.claim() == []


@pytest.mark.parametrize("reason", [Reason.SLEEPING, Reason.EVENT, Reason.PAUSED])
def test_a_rest_begins_a_new_count(store: Driver, reason: Reason) -> None:
    """A workflow of a year meets many a dead worker; one that kills it never gets to a rest."""
    [which] = store.register()
    for _ in range(3):
        for _ in range(2):
            store.crash(store.begin(), max_recoveries=2)
        store.retry(store.begin(), reason)
    assert (store.get(which).status, store.get(which).recoveries) == (S.RETRY, 6)
    for _ in range(2):
        store.crash(store.begin(), max_recoveries=2)
    assert store.get(which).status is S.REROUTED
    store.crash(store.begin(), max_recoveries=2)
    assert store.get(which).reason == Reason.RECOVERIES_EXHAUSTED


@pytest.mark.parametrize("reason", [Reason.ERROR, Reason.TIMEOUT, Reason.SNOOZED])
def test_another_attempt_begins_none(store: Driver, reason: Reason) -> None:
    """Who raises in between is no less dangerous."""
    [which] = store.register()
    for _ in range(2):
        store.crash(store.begin(), max_recoveries=2)
    store.retry(store.begin(), reason)
    store.crash(store.begin(), max_recoveries=2)
    assert store.get(which).reason == Reason.RECOVERIES_EXHAUSTED


def test_only_what_is_ours_goes_back(store: Driver) -> None:
    """Stale leases, unknown ids and what has ended are lost; the rest of the batch is not."""
    ids = store.register(3)
    worn, ended, good = store.begin()
    store.finish([ended])
    nobody = Hold(new_invocation_id(), 1)
    assert store.crash([stale(worn), ended, nobody, good]) == {
        ids[0]: Answer.LOST,
        ids[1]: Answer.LOST,
        nobody.invocation_id: Answer.LOST,
        ids[2]: Answer.DONE,
    }
    assert store.get(ids[0]).status is S.RUNNING


def test_what_was_not_begun_counts_nothing(store: Driver) -> None:
    """PENDING goes back as it came: it cannot have killed anybody."""
    [which] = store.register()
    store.crash(store.claim())
    record = store.get(which)
    assert (record.status, record.recoveries) == (S.REROUTED, 0)


def test_a_waiting_one_leaves_no_wait(store: Driver) -> None:
    """PAUSED goes back, too, and what it waited for tells nobody any more."""
    parent, child = store.register(2)
    held = next(h for h in store.begin() if h.invocation_id == parent)
    store.pause(held, child)
    store.crash([held])
    assert store.path(parent)[-3:] == [S.PAUSED, S.RUNNING_RECOVERY, S.REROUTED]
    assert store.get(parent).recoveries == 1


def test_its_slot_goes_to_the_next(store: Driver) -> None:
    """The concurrency slot of a dead process is free at once, and the runners are told."""
    first, second = store.in_lane(2, slots=1)
    ear = store.subscribe()
    held = store.begin()
    assert [h.invocation_id for h in held] == [first]
    drain(ear)
    store.crash(held, max_recoveries=0)
    hint(ear, "work")
    assert store.take() == [second]


def test_a_cancelled_one_ends(store: Driver) -> None:
    """Where its cancellation was asked for, it is not begun again."""
    [which] = store.register()
    held = store.begin()
    store.orchestrator.cancel(which)
    store.crash(held)
    outcome = store.state_backend.get_outcomes([which])[which]
    assert (outcome.status, outcome.reason) == (S.FAILED, Reason.CANCELLED)
