"""What starts tasks by itself: on both stores, through the app."""

from __future__ import annotations

from collections import Counter
from datetime import datetime
from types import ModuleType

import pytest

from pynenc_pg import Pynenc
from pynenc_pg.exceptions import TriggerDefinitionError
from pynenc_pg.trigger import reactor
from pynenc_pg.trigger.trigger_builder import TriggerBuilder
from tests.app import trigger_tasks as tasks
from tests.app.conftest import Runner
from tests.app.test_thread_runner import wait_for


@pytest.fixture
def tasks_module() -> ModuleType:
    """Tasks with triggers."""
    return tasks


@pytest.fixture(autouse=True)
def _calm(app: Pynenc, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """No ticks but where the test is about them, and no long pauses."""
    monkeypatch.setattr(reactor, "AGAIN_AFTER", 0.01)
    tasks.moods.clear()
    if "ticks" in request.node.name:
        return
    others = {i: d for i, d in app._triggers._known.items() if d.task_id != tasks.on_tick.task_id}
    monkeypatch.setattr(app._triggers, "_known", others)


def settled(app: Pynenc) -> bool:
    """Nothing is to be looked at, and nothing to be run."""
    known = app.trigger.all()
    return not any(t.due for t in known) and app.state_backend.count_ready() == 0


def seen_are(*expected: object) -> None:
    """Wait for these, in any order."""
    wanted = Counter(map(repr, expected))
    wait_for(lambda: sum(wanted.values()) <= len(tasks.seen))
    assert Counter(map(repr, tasks.seen)) == wanted


def test_the_guides_example(any_runner: Runner, app: Pynenc) -> None:
    """A success starts the task that watches it, once for each."""
    with any_runner():
        for x in (1, 2):
            assert tasks.source_task(x).result_or_raise(20) == f"Processed {x}"
        seen_are("notified", "notified")
        wait_for(lambda: settled(app))
    fired = app.trigger.fired()
    assert len(fired) == 2
    assert {f.task_id for f in fired} == {tasks.notification_task.task_id}
    assert all(f.causes[0]["status"] == "success" for f in fired)


def test_results_and_arguments(any_runner: Runner, app: Pynenc) -> None:
    """Filters are functions, values and dicts; what is left out of a call counts as its default."""
    with any_runner():
        for x in (3, 5, 8):
            tasks.source_task(x)
        tasks.source_task(8, loud=1)
        seen_are(
            *["notified"] * 4,
            ("Processed 3", 3),
            ("five", 0),
            ("SUCCESS", {"loud": 0, "x": 8}),
        )
        wait_for(lambda: settled(app))


def test_exceptions(any_runner: Runner, app: Pynenc) -> None:
    """A class stands for its subclasses; an attempt that is followed by another one is none."""
    with any_runner():
        for n in (0, 1, 2):
            tasks.fails(n)
        seen_are(
            "again",
            ("LookupError", "no 1"),
            ("LookupError", "no 2"),
            ("second", "LookupError"),
        )
        wait_for(lambda: settled(app))


def test_events(any_runner: Runner, app: Pynenc) -> None:
    """Either of two, if its payload passes."""
    with any_runner():
        wait_for(lambda: bool(app.trigger.all()))  # they have been told
        app.trigger.emit_event("order.paid", {"order": 1, "currency": "EUR"})
        app.trigger.emit_event("order.paid", {"order": 2, "currency": "USD"})
        app.trigger.emit_event("order.refunded", {"order": 3})
        app.trigger.emit_event("order.lost", {"order": 4})
        seen_are(("order.paid", 1), ("order.refunded", 3))
        wait_for(lambda: settled(app))


def test_causes_are_paired_in_their_order(any_runner: Runner, app: Pynenc) -> None:
    """The k-th of the one with the k-th of the other; what is over waits."""
    with any_runner():
        wait_for(lambda: bool(app.trigger.all()))
        for number in (1, 2, 3):
            app.trigger.emit_event("left", number)
        for number in (10, 20):
            app.trigger.emit_event("right", number)
        seen_are([1, 10], [2, 20])
        wait_for(lambda: settled(app))
        [pair] = [t for t in app.trigger.all() if t.task_id == tasks.on_pair.task_id]
        assert (pair.waiting, pair.fired) == (1, 2)


def test_functions_that_fail(any_runner: Runner, app: Pynenc) -> None:
    """They are asked again, and others do not wait for that; in the end a cause is parked."""
    tasks.moods += ["bad"] * 2
    with any_runner():
        wait_for(lambda: bool(app.trigger.all()))
        app.trigger.emit_event("moody", "first")
        app.trigger.emit_event("order.refunded", {"order": 3})
        seen_are("first", ("order.refunded", 3))
        tasks.moods += ["bad"] * reactor.ATTEMPTS
        app.trigger.emit_event("moody", "second")

        def parked() -> int:
            return sum(t.parked for t in app.trigger.all())

        wait_for(lambda: parked() == 1)
        [moody] = [t for t in app.trigger.all() if t.parked]
        assert app.trigger.retry(moody.trigger_id) == 1
        seen_are("first", ("order.refunded", 3), "second")
        assert parked() == 0


def test_a_trigger_rests(any_runner: Runner, app: Pynenc) -> None:
    """What happens meanwhile is noted, and fires when it goes on."""
    with any_runner():
        wait_for(lambda: bool(app.trigger.all()))
        [trigger] = [t for t in app.trigger.all() if t.task_id == tasks.on_event.task_id]
        app.trigger.pause(trigger.trigger_id)
        app.trigger.emit_event("order.refunded", {"order": 1})
        app.trigger.emit_event("moody", "other")
        seen_are("other")
        app.trigger.resume(trigger.trigger_id)
        seen_are("other", ("order.refunded", 1))
    with pytest.raises(TriggerDefinitionError, match="no runner has told of a trigger nobody"):
        app.trigger.pause("nobody's")


def test_ticks(any_runner: Runner, app: Pynenc) -> None:
    """Each second once, within the second, with the time of the tick."""
    with any_runner():
        wait_for(lambda: tasks.seen.count("tick") >= 3)
    fired = [f for f in app.trigger.fired() if f.task_id == tasks.on_tick.task_id]
    ticks = [datetime.fromisoformat(str(f.causes[0]["at"])) for f in fired]
    assert len(ticks) == len(set(ticks))
    for tick, one in zip(ticks, fired, strict=True):
        assert tick.microsecond == 0
        assert 0 <= (one.fired_at - tick).total_seconds() < 1


def test_added_in_code(any_runner: Runner, app: Pynenc, monkeypatch: pytest.MonkeyPatch) -> None:
    """By app.trigger, beside the decorator; an equal one is there once."""
    monkeypatch.setattr(app._triggers, "_added", {})
    for _ in range(2):
        app.trigger.on_event("added").run(tasks.notification_task)
    added = app.trigger.on_event("added", {"x": 1}).run(tasks.notification_task)
    assert added.trigger_id.startswith(tasks.notification_task.task_id)
    with any_runner():
        wait_for(lambda: added.trigger_id in {t.trigger_id for t in app.trigger.all()})
        app.trigger.emit_event("added", {"x": 1})
        app.trigger.emit_event("added", {"x": 2})
        seen_are(*["notified"] * 3)


@pytest.mark.parametrize(
    ("builder", "why"),
    [
        (TriggerBuilder().on_success("tests.app.nobody"), "no task tests.app.nobody here"),
        (
            TriggerBuilder().on_status("tests.app.trigger_tasks.fails", "CONCURRENCY_CONTROLLED"),
            "never gets CONCURRENCY_CONTROLLED",
        ),
    ],
)
def test_what_can_never_fire(
    app: Pynenc, builder: TriggerBuilder, why: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Is refused when a runner starts."""
    definition = builder.build(tasks.notification_task.task_id)
    monkeypatch.setattr(app._triggers, "_known", {definition.trigger_id: definition})
    with pytest.raises(TriggerDefinitionError, match=why):
        app.runner.run()


def test_a_module_that_is_not_there(app: Pynenc, monkeypatch: pytest.MonkeyPatch) -> None:
    """``trigger_task_modules`` are imported when a runner starts."""
    monkeypatch.setattr(app.conf, "trigger_task_modules", ("shop.nowhere",))
    with pytest.raises(Exception, match=r"trigger_task_modules: shop\.nowhere cannot be imported"):
        app.runner.run()


def test_events_that_cannot_be(app: Pynenc) -> None:
    """Are refused at the call."""
    with pytest.raises(TriggerDefinitionError, match="event code ''"):
        app.trigger.emit_event("")
    with pytest.raises(TypeError, match="generator"):
        app.trigger.emit_event("fine", (n for n in "ab"))
