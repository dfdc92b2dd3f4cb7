"""Why an invocation is not running: one test for each reason."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from pynenc_pg.domain.concurrency import RateLimit
from pynenc_pg.domain.ids import InvocationId, RunnerId, new_invocation_id
from pynenc_pg.domain.known import Kind, KnownParameter, KnownTask
from pynenc_pg.domain.records import Aside, Cause, RunnerSpec
from pynenc_pg.domain.why import TEMPLATES, sentence
from pynenc_pg.invocation.status import InvocationStatus, Reason
from tests.contract.driver import Driver
from tests.contract.workflows import begin, listen, suspend

S = InvocationStatus
TASK = "tests.task"


def known(*names: str, task: str = TASK) -> KnownTask:
    """A task that takes these."""
    parameters = [KnownParameter(name, Kind.NAMED, required=True) for name in names]
    return KnownTask(task, f"{task} {' '.join(names)}", parameters, "{}")


def tell(store: Driver, runner: RunnerId | None = None, *names: str) -> None:
    """Let a runner (the worker) say that it has the task with these parameters, ``n`` if none."""
    store.orchestrator.register_tasks(runner or store.worker, [known(*(names or ("n",)))])


def codes(store: Driver, which: InvocationId) -> list[str]:
    """Ask; each sentence must be the one that goes with the code and the facts."""
    found = store.state_backend.why(which)
    for one in found:
        assert one.message == sentence(one.code, one.facts)
        assert "{" not in one.message
        assert "[" not in one.message
    return [one.code for one in found]


def facts(store: Driver, which: InvocationId, code: str) -> dict[str, Any]:
    """Return what is known of one reason."""
    [found] = [one for one in store.state_backend.why(which) if one.code == code]
    return dict(found.facts)


def crowd(store: Driver, name: str, places: int, *queues: str) -> RunnerId:
    """Register a runner that knows the task, with so many places."""
    runner = RunnerId(f"{store.app_id}/{name}")
    spec = RunnerSpec(runner, "Test", queues, places, lease=3600)
    store.orchestrator.register_runner(spec)
    tell(store, runner)
    return runner


def only(store: Driver, *queues: str, places: int = 9) -> RunnerId:
    """Put one runner that knows the task in the place of the worker."""
    store.orchestrator.unregister_runner(store.worker)
    return crowd(store, "only", places, *queues)


# --- it is not there, or over ------------------------------------------------------------------


@pytest.mark.parametrize("which", [new_invocation_id(), InvocationId("no id at all")])
def test_unknown(store: Driver, which: InvocationId) -> None:
    """Nobody knows it, here or in the app that asks."""
    assert codes(store, which) == ["unknown"]
    [theirs] = store.other_app().register()
    assert codes(store, theirs) == ["unknown"]


def test_ended(store: Driver) -> None:
    """How, when, why, and by whom if there was anybody."""
    fine, cancelled = store.register(2)
    store.finish(store.begin(1))
    store.orchestrator.cancel(cancelled)
    assert codes(store, fine) == codes(store, cancelled) == ["ended"]
    said = facts(store, fine, "ended")
    at = store.get(fine).status_at
    assert said == {
        "status": "success",
        "at": f"{at:%Y-%m-%dT%H:%M:%SZ}",
        "runner_id": store.worker,
    }
    said = facts(store, cancelled, "ended")
    assert (said["status"], said["reason"], "runner_id" in said) == ("failed", "cancelled", False)


# --- somebody holds it -------------------------------------------------------------------------


def test_claimed_running_and_cancelling(store: Driver) -> None:
    """By whom, since when."""
    [which] = store.register()
    held = store.claim()
    assert codes(store, which) == ["claimed"]
    store.start(held)
    assert codes(store, which) == ["running"]
    since = f"{store.get(which).status_at:%Y-%m-%dT%H:%M:%SZ}"
    assert facts(store, which, "running") == {"runner_id": store.worker, "since": since}
    store.orchestrator.cancel(which)
    assert codes(store, which) == ["cancelling", "running"]


def test_waits_for_others(store: Driver) -> None:
    """For whom, and where these stand."""
    store.register()
    [parent] = store.begin()
    first, second = (store.child(parent) for _ in "ab")
    store.pause(parent, first, second, any_of=True)
    store.begin(1)
    assert codes(store, parent.invocation_id) == ["waits_for_others"]
    said = facts(store, parent.invocation_id, "waits_for_others")
    assert dict(zip(said["awaited"], said["statuses"], strict=True)) == {
        first: "running",
        second: "registered",
    }
    assert said["one_of"] is True
    store.resume([parent], first, second)
    third = store.child(parent)
    store.pause(parent, third, first)
    said = facts(store, parent.invocation_id, "waits_for_others")
    assert (said["awaited"], said["one_of"]) == ([third], False)


def test_runner_dead(store: Driver) -> None:
    """Its lease is over; who takes it back, if anybody is there."""
    gone = store.runner("gone", lease=60)
    [which] = store.register()
    store.begin(runner=gone)
    store.lose(gone)
    assert codes(store, which) == ["runner_dead", "running"]
    said = facts(store, which, "runner_dead")
    assert (said["runner_id"], said["health"]) == (gone, "its lease is over")
    assert "since" in said
    store.orchestrator.unregister_runner(store.worker)
    assert codes(store, which) == ["runner_dead", "nobody_recovers", "running"]


# --- its time ----------------------------------------------------------------------------------


def test_due_later_and_due(store: Driver) -> None:
    """When, and because of what; past its time it waits for the next look."""
    tell(store)
    [later] = store.register(delay=60)
    assert codes(store, later) == ["due_later"]
    due_at = store.get(later).due_at
    assert facts(store, later, "due_later") == {"due_at": f"{due_at:%Y-%m-%dT%H:%M:%SZ}"}
    [again] = store.register()
    store.retry(store.begin(), Reason.TIMEOUT, delay=60)
    assert facts(store, again, "due_later")["reason"] == "timeout"
    store.let_pass(61)
    assert codes(store, later) == codes(store, again) == ["due"]
    store.orchestrator.promote()
    assert codes(store, again) == ["ready"]


def test_expires_and_expired(store: Driver) -> None:
    """Until when it must be begun stands last; when that is over, first."""
    tell(store)
    [which] = store.register(expires_in=60)
    assert codes(store, which) == ["ready", "expires"]
    store.let_pass(61)
    assert codes(store, which) == ["expired"]


def test_set_aside(store: Driver) -> None:
    """What no runner could take, why, and by whom it was refused."""
    [which] = store.register()
    [held] = store.begin()
    aside = Aside(which, held.lease, Cause.ARGUMENTS, missing=("y",), unknown=("n",))
    store.orchestrator.set_aside(store.worker, [aside])
    assert codes(store, which) == ["set_aside"]
    said = facts(store, which, "set_aside")
    assert (said["cause"], said["missing"], said["unknown"]) == ("arguments", ["y"], ["n"])
    assert said["refused_by"] == [store.worker]
    assert said["since"] == f"{store.get(which).status_at:%Y-%m-%dT%H:%M:%SZ}"


# --- a workflow that rests ---------------------------------------------------------------------


def test_asleep(store: Driver) -> None:
    """Until when."""
    tell(store)
    held = begin(store)
    suspend(store, held, Reason.SLEEPING, 60)
    assert codes(store, held.invocation_id) == ["asleep"]
    due_at = store.get(held.invocation_id).due_at
    assert facts(store, held.invocation_id, "asleep") == {"until": f"{due_at:%Y-%m-%dT%H:%M:%SZ}"}


def test_waits_for_event(store: Driver) -> None:
    """For which, and how long."""
    tell(store)
    held = begin(store)
    listen(store, held, code="paid", timeout=60)
    suspend(store, held, delay=60)
    assert codes(store, held.invocation_id) == ["waits_for_event"]
    said = facts(store, held.invocation_id, "waits_for_event")
    assert said["events"] == ["paid"]
    assert said["until"].endswith("Z")


def test_workflow_paused(store: Driver) -> None:
    """Since when and why; what else it waits for is told, too."""
    tell(store)
    held = begin(store)
    listen(store, held, code="paid")
    suspend(store, held)
    store.workflows.pause_workflow(held.invocation_id, "a look")
    assert codes(store, held.invocation_id) == ["workflow_paused", "waits_for_event"]
    assert facts(store, held.invocation_id, "workflow_paused")["reason"] == "a look"


# --- nobody takes it ---------------------------------------------------------------------------


def test_queue_paused(store: Driver) -> None:
    """It stands in the way of what is due later, too."""
    tell(store)
    [now] = store.register(queue="a")
    [later] = store.register(queue="a", delay=60)
    store.orchestrator.pause_queue("a")
    assert codes(store, now) == ["queue_paused"]
    assert codes(store, later) == ["due_later", "queue_paused"]


def test_queue_unserved(store: Driver) -> None:
    """No live runner takes of it; ``*`` takes of all."""
    runner = only(store, "a")
    [which] = store.register(queue="b")
    assert codes(store, which) == ["queue_unserved"]
    others = crowd(store, "others", 1, "c", "*")
    assert codes(store, which) == ["ready"]
    store.lose(others)
    store.lose(runner)
    assert codes(store, which) == ["queue_unserved", "task_unknown"]


def test_task_unknown(store: Driver) -> None:
    """No live runner has told that it has it."""
    store.orchestrator.register_tasks(store.worker, [known("n", task="tests.other")])
    [which] = store.register()
    assert codes(store, which) == ["task_unknown"]
    assert facts(store, which, "task_unknown") == {"task_id": TASK}


def test_other_arguments(store: Driver) -> None:
    """The task as it is now takes others."""
    tell(store, None, "m")
    [which] = store.register()
    assert codes(store, which) == ["other_arguments"]
    said = facts(store, which, "other_arguments")
    assert (said["missing"], said["unknown"]) == (["m"], ["n"])


def test_task_elsewhere(store: Driver) -> None:
    """Who has the task does not serve the queue; who serves it does not have the task."""
    only(store, "a")
    store.orchestrator.register_runner(RunnerSpec(store.worker, "Test", ("b",), lease=3600))
    [which] = store.register(queue="b")
    assert codes(store, which) == ["task_elsewhere"]


# --- its concurrency key -----------------------------------------------------------------------


def test_slot_taken(store: Driver) -> None:
    """By whom; the one that was parked and those that a claim did not meet say the same."""
    tell(store)
    first, second, third = store.in_lane(3)
    store.claim()
    assert store.statuses([second, third]) == [S.CONCURRENCY_CONTROLLED, S.REGISTERED]
    assert codes(store, second) == codes(store, third) == ["slot_taken"]
    assert facts(store, second, "slot_taken") == {"key": "k", "slots": 1, "holders": [first]}


def test_rate_limited(store: Driver) -> None:
    """Until when."""
    tell(store)
    limit = RateLimit(1, 60.0)
    _, second = store.register(2, lanes=["k"] * 2, slots=9, rate_limit=limit)
    store.claim(1)
    assert codes(store, second) == ["rate_limited"]
    said = facts(store, second, "rate_limited")
    assert (said["key"], said["starts"], said["seconds"]) == ("k", 1, 60)
    assert said["until"].endswith("Z")


# --- others come first -------------------------------------------------------------------------


def test_runners_busy(store: Driver) -> None:
    """All places are taken; who waits for others has none."""
    runner = only(store, places=2)
    store.register(2)
    [parent, _] = store.begin(runner=runner)
    child = store.child(parent)
    assert codes(store, child) == ["runners_busy"]
    said = facts(store, child, "runners_busy")
    assert (said["runners"], said["places"], said["taken"]) == (1, 2, 2)
    store.pause(parent, child, runner=runner)
    assert codes(store, child) == ["ready"]


def test_behind(store: Driver) -> None:
    """By rank; what others wait for comes before; other queues do not count."""
    tell(store)
    store.register(5, queue="a")
    ids = store.register(3)
    [first] = store.register(priority=50)
    assert codes(store, ids[2]) == ["behind"]
    assert facts(store, ids[2], "behind") == {"queue": "default", "ahead": 3}
    assert codes(store, first) == ["ready"]
    [parent] = store.begin(1, "a")
    child = store.child(parent)
    store.pause(parent, child)
    assert codes(store, child) == ["ready"]
    assert facts(store, first, "behind")["ahead"] == 1
    assert facts(store, ids[0], "behind")["ahead"] == 2


def test_behind_of_a_key(store: Driver) -> None:
    """Those of the same key count, those of other keys do not: they take turns."""
    tell(store)
    store.in_lane(4, key="other")
    ids = store.in_lane(3)
    assert codes(store, ids[0]) == ["ready"]
    assert facts(store, ids[2], "behind")["ahead"] == 2


def test_ready(store: Driver) -> None:
    """Nothing is in its way."""
    tell(store)
    [which] = store.register()
    assert codes(store, which) == ["ready"]
    assert facts(store, which, "ready") == {"queue": "default"}


def test_every_reason_has_its_test() -> None:
    """And its row in the documentation."""
    here = Path(__file__).read_text(encoding="utf-8")
    page = Path(__file__).parents[2] / "docs" / "reference" / "why.md"
    rows = re.findall(r"^\| `([a-z_]+)`", page.read_text(encoding="utf-8"), re.MULTILINE)
    assert rows == list(TEMPLATES)
    elsewhere = {"runner_suspect"}  # tests/postgres/test_why.py
    assert [c for c in TEMPLATES if f'["{c}"' not in here and f', "{c}"' not in here] == [
        *elsewhere
    ]


def test_arguments_that_nobody_could_take(store: Driver) -> None:
    """Whatever stands there: who is asked why must not fail."""
    tell(store)
    [which] = store.register(arguments="[0]")
    assert codes(store, which) == ["other_arguments"]
