"""What starts tasks by itself: on both stores, through the app."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, date, datetime
from types import ModuleType
from zoneinfo import ZoneInfo

import pytest

from pynenc_pg import Pynenc
from pynenc_pg.exceptions import TriggerDefinitionError
from pynenc_pg.testing import in_memory
from pynenc_pg.trigger import reactor
from pynenc_pg.trigger.due import CatchUp
from pynenc_pg.trigger.trigger_builder import TriggerBuilder
from tests.app import trigger_tasks as tasks
from tests.app.conftest import Runner
from tests.app.test_thread_runner import wait_for


@pytest.fixture
def tasks_module() -> ModuleType:
    """Tasks with triggers."""
    return tasks


@pytest.fixture
def _calm(app: Pynenc, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """No ticks but where the test is about them, and no long pauses."""
    monkeypatch.setattr(reactor, "AGAIN_AFTER", 0.01)
    tasks.moods.clear()
    if "ticks" in request.node.name:
        return
    which = tasks.on_tick.task_id
    others = {task: d for task, d in app._triggers._decorated.items() if task != which}
    monkeypatch.setattr(app._triggers, "_decorated", others)
    monkeypatch.setattr(app._triggers, "_known", {})
    app._triggers._settle()


def settled(app: Pynenc) -> bool:
    """Nothing is to be looked at, and nothing to be run."""
    known = app.trigger.all()
    return not any(t.due for t in known) and app.state_backend.count_ready() == 0


def seen_are(*expected: object) -> None:
    """Wait for these, in any order."""
    wanted = Counter(map(repr, expected))
    wait_for(lambda: sum(wanted.values()) <= len(tasks.seen))
    assert Counter(map(repr, tasks.seen)) == wanted


@pytest.mark.usefixtures("_calm")
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


@pytest.mark.usefixtures("_calm")
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


@pytest.mark.usefixtures("_calm")
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


@pytest.mark.usefixtures("_calm")
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


@pytest.mark.usefixtures("_calm")
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


@pytest.mark.usefixtures("_calm")
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


@pytest.mark.usefixtures("_calm")
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


@pytest.mark.usefixtures("_calm")
def test_ticks(any_runner: Runner, app: Pynenc) -> None:
    """Each second once, not before its time, with the time of the tick."""
    with any_runner():
        wait_for(lambda: tasks.seen.count("tick") >= 3)
    fired = [f for f in app.trigger.fired() if f.task_id == tasks.on_tick.task_id]
    ticks = [datetime.fromisoformat(str(f.causes[0]["at"])) for f in fired]
    assert len(ticks) == len(set(ticks))
    for tick, one in zip(ticks, fired, strict=True):
        assert tick.microsecond == 0
        assert one.fired_at >= tick


@pytest.mark.usefixtures("_calm")
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


def test_a_schedule_over_a_change_of_the_clocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Three weeks of a runner that looks every half hour: each night once, also that one."""
    app = tasks.app
    for name in ("_added", "_known"):
        monkeypatch.setattr(app._triggers, name, {})
    monkeypatch.setattr(app._triggers, "_decorated", {})
    app.trigger.on_cron("30 2 * * *", timezone="Europe/Berlin").run(tasks.notification_task)
    for start in (datetime(2027, 3, 20, tzinfo=UTC), datetime(2027, 10, 20, tzinfo=UTC)):
        with in_memory(app, now=start) as world:
            for _ in range(21 * 24 * 2):
                world.advance(1800)
                world.run_until_idle()
            fired = [f.causes[0]["at"] for f in app.trigger.fired(limit=100)]
        nights = [datetime.fromisoformat(at).astimezone(ZoneInfo("Europe/Berlin")) for at in fired]
        assert len({night.date() for night in nights}) == len(nights) == 21
        gap = date(2027, 3, 28)
        assert {(n.hour, n.minute) for n in nights if n.date() != gap} == {(2, 30)}
        assert {(n.hour, n.minute) for n in nights if n.date() == gap} <= {(3, 0)}


@pytest.mark.parametrize(("catch_up", "ticks"), [("latest", 1), ("all", 72), ("none", 0)])
def test_after_an_outage(catch_up: CatchUp, ticks: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of three days without a runner fires what the policy says, and then each hour again."""
    app = tasks.app
    for name in ("_added", "_known", "_decorated"):
        monkeypatch.setattr(app._triggers, name, {})
    trigger = app.trigger.on_cron("30 * * * *", catch_up=catch_up).run(tasks.notification_task)
    with in_memory(app, now=datetime(2027, 5, 1, tzinfo=UTC)) as world:
        world.run_until_idle()
        world.advance(3 * 86_400)
        world.run_until_idle()
        assert len(app.trigger.fired(trigger.trigger_id)) == ticks
        for _ in range(60):
            world.advance(60)
            world.run_until_idle()
        assert len(app.trigger.fired(trigger.trigger_id)) == ticks + 1


def test_schedules_are_left_to_others(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where ``trigger.enable_scheduler`` is off; once it is on, what was missed fires."""
    app = tasks.app
    for name in ("_added", "_known", "_decorated"):
        monkeypatch.setattr(app._triggers, name, {})
    trigger = app.trigger.on_cron("30 * * * *").run(tasks.notification_task)
    with in_memory(app, now=datetime(2027, 5, 1, tzinfo=UTC)) as world:
        world.run_until_idle()
        monkeypatch.setattr(app.conf.trigger, "enable_scheduler", False)
        world.advance(7200)
        world.run_until_idle()
        assert app.trigger.fired(trigger.trigger_id) == []
        monkeypatch.setattr(app.conf.trigger, "enable_scheduler", True)
        world.run_until_idle()
        assert len(app.trigger.fired(trigger.trigger_id)) == 1


def test_a_test_that_owns_the_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fires what its calls cause, one after the other."""
    app = tasks.app
    others = {i: d for i, d in app._triggers._known.items() if d.task_id != tasks.on_tick.task_id}
    monkeypatch.setattr(app._triggers, "_known", others)
    tasks.seen.clear()
    with in_memory(app) as world:
        tasks.source_task(3)
        app.trigger.emit_event("left", 1)
        app.trigger.emit_event("right", 2)
        assert world.run_until_idle() == 4
    assert sorted(map(repr, tasks.seen)) == ["'notified'", "('Processed 3', 3)", "[1, 2]"]


@pytest.mark.usefixtures("_calm")
def test_other_times(any_runner: Runner, app: Pynenc, monkeypatch: pytest.MonkeyPatch) -> None:
    """A schedule that is far off is brought near, and back; what cannot be is refused."""
    monkeypatch.setattr(app._triggers, "_added", {})
    trigger = app.trigger.on_cron("0 0 1 1 *").run(tasks.notification_task)
    which = trigger.trigger_id
    with any_runner():
        wait_for(lambda: any(s.next_at for s in app.trigger.schedules()))
        [before] = app.trigger.schedules()
        assert before.next_at is not None
        assert (before.next_at.month, before.next_at.day) == (1, 1)
        for wrong in ("61 * * * *", "nothing"):
            with pytest.raises(TriggerDefinitionError, match="cron expression"):
                app.trigger.reschedule(which, wrong)
        with pytest.raises(TriggerDefinitionError, match="has 0 such schedules"):
            app.trigger.reschedule("nobody's", "* * * * *")
        app.trigger.reschedule(which, "* * * * * *", "Europe/Berlin")
        wait_for(lambda: "notified" in tasks.seen)
        app.trigger.reschedule(which, None)
        wait_for(lambda: all(s.next_at for s in app.trigger.schedules()))
        [after] = app.trigger.schedules()
    assert (after.condition, after.next_at, after.edited) == (
        before.condition,
        before.next_at,
        False,
    )
