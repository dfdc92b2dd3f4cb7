"""A workflow that is interrupted at each of its operations does what it does undisturbed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from pynenc_pg.exceptions import OutcomeUnknownError, Snooze
from pynenc_pg.testing import in_memory
from pynenc_pg.workflow.run import WorkflowRun
from tests.app import workflow_tasks as tasks

app = tasks.app
NOW = datetime(2030, 1, 1, tzinfo=UTC)


class Interruption:
    """Ends the attempt at the n-th question to the store: before it is asked, or after."""

    def __init__(self, at: int, *, before: bool) -> None:
        self.at = at
        self.before = before
        self.asked = 0

    def ask(self, run: WorkflowRun, verb: Callable[[], Any]) -> Any:
        """Ask, or not."""
        self.asked += 1
        if self.asked == self.at and self.before:
            raise Snooze(0)
        answer = _ask(run, verb)
        if self.asked == self.at:
            raise Snooze(0)
        return answer


_ask: Any = WorkflowRun.ask


def life(task: Any, interruption: Interruption, patch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Run a workflow to its end; return what it did."""
    tasks.seen.clear()

    def ask(run: WorkflowRun, verb: Callable[[], Any]) -> Any:
        return interruption.ask(run, verb)

    patch.setattr(WorkflowRun, "ask", ask)
    with in_memory(app, now=NOW) as world:
        invocation = task(7)
        world.run_until_idle()
        app.trigger.emit_event("long way", {"number": 6})
        app.trigger.emit_event("long way", {"number": 7})
        for _ in range(10):
            world.run_until_idle()
            world.advance(1)
        result = invocation.result
        steps = app.get_workflow(invocation.invocation_id).steps()
        values = {step.path: step.value for step in steps}
        return {
            "result": result,
            "values": values,
            "about": [(step.path, step.kind, step.about) for step in steps],
            "noted": Counter(entry for entry in tasks.seen if entry != "refund"),
            "attempts": len(invocation.attempts),
        }


@pytest.mark.parametrize("task", [tasks.long_way, tasks.wide_way], ids=["plain", "branches"])
def test_interrupted_at_each_operation(task: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same steps at the same places, what it returned is what is written, each task once."""
    undisturbed = Interruption(0, before=True)
    usual = life(task, undisturbed, monkeypatch)
    assert usual["noted"] == {("noted", 7): 1, ("noted", 8): 1, ("noted", 9): 1}
    assert undisturbed.asked > 12
    for number in range(1, undisturbed.asked + 1):
        for before in (True, False):
            done = life(task, Interruption(number, before=before), monkeypatch)
            assert done["noted"] == usual["noted"], number
            assert sorted(done["about"]) == sorted(usual["about"]), number
            assert done["attempts"] > usual["attempts"] - 1
            written = [value for value in done["values"].values() if isinstance(value, float | str)]
            assert {v for v in written if repr(v) not in repr(done["result"])} == set(), number


class LostAnswer(Interruption):
    """The n-th question is answered, and the answer is lost on the way."""

    def ask(self, run: WorkflowRun, verb: Callable[[], Any]) -> Any:
        """Ask, until an answer arrives."""
        self.asked += 1
        lost = self.asked == self.at

        def flaky() -> Any:
            nonlocal lost
            answer = verb()
            if lost:
                lost = False
                message = "the connection was lost"
                raise OutcomeUnknownError(message)
            return answer

        return _ask(run, flaky)


@pytest.mark.parametrize("task", [tasks.long_way, tasks.wide_way], ids=["plain", "branches"])
def test_answers_that_are_lost(task: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever was asked is asked again, in the same attempt: it is done once all the same."""
    undisturbed = LostAnswer(0, before=True)
    usual = life(task, undisturbed, monkeypatch)
    for number in range(1, undisturbed.asked + 1):
        done = life(task, LostAnswer(number, before=True), monkeypatch)
        assert done["noted"] == usual["noted"], number
        assert sorted(done["about"]) == sorted(usual["about"]), number
        assert done["attempts"] == usual["attempts"], number
