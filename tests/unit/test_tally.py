"""What is counted of attempts."""

from __future__ import annotations

import pickle
import threading

import pytest

from pynenc_pg.domain.ids import InvocationId
from pynenc_pg.domain.records import Again, Aside, Claimed, End, Ending, Settled
from pynenc_pg.invocation.status import InvocationStatus, Reason
from pynenc_pg.runner.tally import EXECUTION, MANY, SAMPLE, Spread, Tally, outcome_of

ME = InvocationId("0")
ENDING = Ending(ME, 1, InvocationStatus.FAILED, "null")


def claimed(number: int = 0, *, options: str = "{}", retries: int = 0) -> Claimed:
    """Return one that was claimed."""
    which = InvocationId(str(number))
    return Claimed(which, "t.task", "{}", number, retries, 0, None, 0, options, "mail")


def test_counts_come_from_any_thread() -> None:
    """None is lost, and what was taken is not told again."""
    tally = Tally()

    def work() -> None:
        for number in range(10 * MANY + 1):
            tally.saw(claimed(number), "success", 0.02)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    counts = tally.take()
    assert counts.attempts == {("t.task", "success"): 40 * MANY + 4}
    spread = counts.execution["t.task"]
    assert spread.counts[EXECUTION.index(0.025)] == 40 * MANY + 4
    assert spread.total == pytest.approx(0.02 * (40 * MANY + 4))
    assert (len(counts.begun), counts.offered) == (SAMPLE, 40 * MANY + 4)
    assert not tally.take()


def test_nothing_is_kept_without_end() -> None:
    """Nobody asks, and there are many: they are put together all the same."""
    tally = Tally()
    for number in range(5 * MANY):
        tally.saw(claimed(number), "success")
        assert len(tally._new) < MANY
    assert tally.take().execution == {}


def test_a_parent_adds_what_children_send() -> None:
    """Pickled, as over the link."""
    parent, child = Tally(), Tally()
    parent.saw(claimed(1), "success", 0.01)
    for number in range(100):
        child.saw(claimed(number), "failed", 2000.0)
    child.saw(claimed(7), "success", 0.01)
    parent.merge(pickle.loads(pickle.dumps(child.take())))  # noqa: S301 - our own
    counts = parent.take()
    assert counts.attempts == {("t.task", "success"): 2, ("t.task", "failed"): 100}
    assert counts.execution["t.task"].counts[-1] == 100
    assert len(counts.begun) == SAMPLE


def test_only_first_attempts_that_may_begin_at_once_are_looked_up() -> None:
    """Of the others nobody can tell since when they were ready."""
    tally = Tally()
    tally.saw(claimed(1, retries=1), "success")
    tally.saw(claimed(2, options='{"delayed": true}'), "success")
    tally.saw(claimed(3, options='{"timeout": 1}'), "success")
    assert [one.invocation_id for one in tally.take().begun] == ["3"]


def test_bounds_belong_to_what_is_below() -> None:
    """As Prometheus has it: less than or equal."""
    spread = Spread((1.0, 2.0))
    for value in (0.5, 1.0, 1.5, 2.0, 3.0):
        spread.add(value)
    assert spread.counts == [2, 2, 1]


@pytest.mark.parametrize(
    ("end", "outcome"),
    [
        (ENDING, "failed"),
        (Again(ME, 1, Reason.SNOOZED), "retry_snoozed"),
        (Settled(ME, 1, ENDING), "failed"),
        (Settled(ME, 1), "undone"),
        (Settled(ME, 1, doubtful=True), "doubtful"),
    ],
)
def test_ends_have_names(end: End, outcome: str) -> None:
    """A final status, or why there is another attempt."""
    assert outcome_of(end) == outcome


def test_what_code_cannot_take_is_set_aside() -> None:
    """It was no attempt, and is counted all the same."""
    from pynenc_pg.domain.records import Cause  # noqa: PLC0415

    assert outcome_of(Aside(ME, 1, next(iter(Cause)))) == "set_aside"
