"""Each change of a status that somebody watches is noted once, with what happened."""

from __future__ import annotations

from collections import Counter

import pytest

from pynenc_pg.domain.records import RecoveryPolicy
from pynenc_pg.invocation.status import InvocationStatus, Reason
from tests.contract.driver import Driver, drain, hint
from tests.contract.triggers import counts, on, take, tell, trigger

S = InvocationStatus
ALL = on(*map(str, InvocationStatus), condition_id="any")


def noted(store: Driver) -> Counter[tuple[str | None, str]]:
    """Take all causes; count them by invocation and status."""
    sources = [source for one in take(store, limit=1000) for source in one.sources]
    return Counter((source.source_id, str(source.status)) for source in sources)


def passed(store: Driver, *ids: str) -> Counter[tuple[str | None, str]]:
    """Count the statuses in the histories of these."""
    return Counter(
        (which, str(entry.status))
        for which in ids
        for entry in store.state_backend.get_history(which)  # type: ignore[arg-type]
    )


def test_success_and_failure(store: Driver) -> None:
    """From the registration to the end."""
    tell(store, trigger(ALL))
    good, bad = store.register(2)
    held = store.begin()
    store.finish([h for h in held if h.invocation_id == good])
    store.finish([h for h in held if h.invocation_id == bad], status=S.FAILED)
    seen = noted(store)
    assert seen == passed(store, good, bad)
    assert {status for _, status in seen} == {
        "registered", "pending", "running", "success", "failed"
    }  # fmt: skip


def test_retry_pause_and_release(store: Driver) -> None:
    """Each time, though the status is the same."""
    tell(store, trigger(ALL))
    [which] = store.register()
    for _ in range(2):
        store.retry(store.begin())
    [held] = store.begin()
    child = store.child(held)
    store.pause(held, child)
    store.resume([held])
    store.release([held])
    seen = noted(store)
    assert seen == passed(store, which, child)
    assert (seen[which, "retry"], seen[which, "killed"], seen[which, "resumed"]) == (2, 1, 1)


def test_cancelled_and_expired(store: Driver) -> None:
    """Ends that no runner makes."""
    tell(store, trigger(ALL))
    [cancelled] = store.register()
    store.orchestrator.cancel(cancelled)
    [expired] = store.register(expires_in=1)
    store.let_pass(2)
    assert store.orchestrator.expire() == 1
    assert noted(store) == passed(store, cancelled, expired)


def test_recovered_and_quarantined(store: Driver) -> None:
    """What a sweep does is noted like all else."""
    tell(store, trigger(ALL))
    ids = store.register(3)
    store.start(store.claim(2))
    store.claim(1)
    store.lose(store.worker)
    store.orchestrator.recover(RecoveryPolicy())
    store.start(store.claim(runner=store.runner("next")), store.runner("other"))
    store.crash(store.begin(runner=store.runner("third")), max_recoveries=0)
    assert noted(store) == passed(store, *ids)


def test_concurrency_control(store: Driver) -> None:
    """Parked, rerouted, and refused for good."""
    tell(store, trigger(ALL))
    ids = store.in_lane(3)
    store.finish(store.begin())
    store.finish(store.begin())
    refused = store.in_lane(2, key="other", must_not_wait=True)
    store.claim()
    seen = noted(store)
    assert seen == passed(store, *ids, *refused)
    assert {status for _, status in seen} >= {
        "concurrency_controlled", "rerouted", "concurrency_controlled_final"
    }  # fmt: skip


def test_calls_that_became_others_are_not_noted(store: Driver) -> None:
    """A call with a key that is taken, and one that is registered again, are nothing new."""
    tell(store, trigger(ALL))
    [first] = store.register(keys=["k"])
    store.register(keys=["k"])
    store.register(2, keys=["k", "k"])
    store.register(ids=[first])
    assert noted(store) == Counter({(first, "registered"): 1})


def test_what_is_known_of_it(store: Driver) -> None:
    """Task, arguments, and of the end what came of it."""
    tell(store, trigger(on("running"), on("success")))
    [which] = store.register(arguments='{"n":  7}')
    store.finish(store.begin(), value='{"of": "it"}')
    taken = take(store)
    running, success = sorted((one.sources[0] for one in taken), key=lambda s: str(s.status))
    assert (running.condition_id, running.status, running.value) == ("running", S.RUNNING, None)
    assert (success.condition_id, success.status, success.value) == (
        "success", S.SUCCESS, '{"of": "it"}'
    )  # fmt: skip
    for source in (running, success):
        assert (source.source_id, source.task_id) == (which, "tests.task")
        assert (source.arguments, source.code) == ('{"n":  7}', None)
    at = {e.status: e.at for e in store.state_backend.get_history(which)}
    assert (running.at, success.at) == (at[S.RUNNING], at[S.SUCCESS])


def test_why_it_ended(store: Driver) -> None:
    """The reason of the end is told."""
    tell(store, trigger(on("failed")))
    [which] = store.register()
    store.orchestrator.cancel(which)
    [taken] = take(store)
    assert (taken.sources[0].reason, taken.sources[0].value) == (Reason.CANCELLED, None)


def test_what_nobody_watches(store: Driver) -> None:
    """Other tasks, other statuses and other apps leave nothing, and wake nobody."""
    tell(store, trigger(on("success")))
    other = store.other_app()
    ear = store.subscribe()
    store.register(task_id="tests.other")
    store.finish(store.begin())
    store.register()
    store.finish(store.begin(), status=S.FAILED)
    other.register()
    other.finish(other.begin())
    assert [said.kind for said in drain(ear) if said.kind == "cause"] == []
    assert counts(store) == (0, 0, 0, 0)


def test_runners_are_woken(store: Driver) -> None:
    """Those who work hear of it, with the end of what caused it."""
    tell(store, trigger(on("success")))
    store.register()
    held = store.begin()
    ear = store.subscribe()
    store.finish(held)
    hint(ear, "cause")


@pytest.mark.parametrize(
    ("filter_", "noted_"),
    [
        (None, 2),
        ({"arguments": {"n": 1}}, 1),
        ({"result": {"ok": True}}, 1),
        ({"arguments": {"n": 1}, "result": {"ok": True}}, 0),
        ({"arguments": {"n": 2}, "result": {"ok": True}}, 1),
        ({"arguments": {"n": 3}}, 0),
    ],
)
def test_filters(store: Driver, filter_: dict[str, object] | None, noted_: int) -> None:
    """Arguments and results that certainly differ are no causes."""
    tell(store, trigger(on("success", filter=filter_)))
    for n in (1, 2):
        store.register(arguments=f'{{"n": {n}, "m": 0}}')
        store.finish(store.begin(), value='{"ok": true}' if n == 2 else '{"ok": false}')
    assert len(take(store)) == noted_


def test_many_at_once(store: Driver) -> None:
    """A batch of ends is a cause for each."""
    tell(store, trigger(on("success")), trigger(on("success"), trigger_id="u"))
    ids = store.register(300)
    store.finish(store.begin(300))
    for name in ("t", "u"):
        taken = take(store, name, limit=1000)
        assert sorted(one.sources[0].source_id or "" for one in taken) == sorted(ids)
