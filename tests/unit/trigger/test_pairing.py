"""Which causes fire an ``and`` together, and what becomes of the others."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Final

from hypothesis import given, settings
from hypothesis import strategies as st

from pynenc_pg.trigger.pairing import Pairing, Waiting, pair

START: Final = datetime(2027, 1, 1, tzinfo=UTC)
WITHIN: Final = timedelta(hours=24)


def at(*hours: float, name: str = "") -> list[Waiting]:
    """Causes so many hours after the start, named by their hour."""
    return [Waiting(START + timedelta(hours=h), f"{name}{h:g}") for h in hours]


def paired(queues: Mapping[str, list[Waiting]], now: float) -> tuple[list[str], list[str]]:
    """The sets and the dropped, as text."""
    made = pair(queues, START + timedelta(hours=now), WITHIN)
    sets = [" ".join(cause.cause_id for cause in one.values()) for one in made.sets]
    return sets, [cause.cause_id for _, cause in made.dropped]


def test_the_first_of_each_fire_together() -> None:
    """Then the second ones: the order in which they came counts, each is used once."""
    queues = {"a": at(0, 1, 2, name="a"), "b": at(3, 4, name="b")}
    assert paired(queues, 5) == (["a0 b3", "a1 b4"], [])


def test_one_alone_waits_and_is_dropped_in_the_end() -> None:
    """It is told, and when."""
    queues: dict[str, list[Waiting]] = {"a": at(0, name="a"), "b": []}
    assert paired(queues, 24) == ([], [])
    assert pair(queues, START, WITHIN).next_drop == START + WITHIN
    assert paired(queues, 24.5) == ([], ["a0"])


def test_who_comes_too_late_waits_for_the_next() -> None:
    """The older one is dropped, not the pair that there is without it."""
    queues = {"a": at(0, 23, name="a"), "b": at(25, name="b")}
    assert paired(queues, 25) == (["a23 b25"], ["a0"])


def test_the_whole_time_counts() -> None:
    """Those that are exactly so far apart belong together; a moment more is too much."""
    assert paired({"a": at(0, name="a"), "b": at(24, name="b")}, 24) == (["a0 b24"], [])
    moment = timedelta(microseconds=1)
    late = [Waiting(START + WITHIN + moment, "late")]
    made = pair({"a": at(0, name="a"), "b": late}, START + WITHIN + moment, WITHIN)
    assert (made.sets, [cause.cause_id for _, cause in made.dropped]) == ((), ["a0"])


def test_it_does_not_matter_when_somebody_looks() -> None:
    """A runner that was away for a week pairs what came in time, as one that was there."""
    queues = {"a": at(0, 30, name="a"), "b": at(10, 31, name="b")}
    assert paired(queues, 200) == (["a0 b10", "a30 b31"], [])


def test_three_conditions_need_three_causes() -> None:
    """Two of them wait for the third."""
    queues = {"a": at(0, name="a"), "b": at(1, name="b"), "c": []}
    assert paired(queues, 2) == ([], [])
    assert paired(queues | {"c": at(2, name="c")}, 2) == (["a0 b1 c2"], [])


@given(
    st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 100)), max_size=40),
    st.lists(st.integers(0, 140), max_size=6),
)
@settings(max_examples=200, deadline=None)
def test_every_cause_is_used_once_dropped_once_or_waits(
    causes: list[tuple[str, int]], looks: list[int]
) -> None:
    """Looked at step by step, as they come, the outcome is that of one look at the end."""
    named = [(name, hour, f"{n}") for n, (name, hour) in enumerate(causes)]
    waiting: dict[str, list[Waiting]] = {name: [] for name in "abc"}
    sets: list[tuple[str, ...]] = []
    dropped: list[str] = []
    seen = -1
    for now in sorted([*looks, 150]):
        for name, hour, cause_id in named:
            if seen < hour <= now:
                waiting[name].append(Waiting(START + timedelta(hours=hour), cause_id))
        seen = now
        made = pair(waiting, START + timedelta(hours=now), WITHIN)
        sets += [tuple(one[name].cause_id for name in "abc") for one in made.sets]
        dropped += [cause.cause_id for _, cause in made.dropped]
        gone = {cause for one in sets for cause in one} | set(dropped)
        for name in "abc":
            waiting[name] = [one for one in waiting[name] if one.cause_id not in gone]
    used = [cause for one in sets for cause in one]
    assert len(used) == len(set(used))
    assert sorted(used + dropped) == sorted(cause_id for _, _, cause_id in named)
    hours = {cause_id: hour for _, hour, cause_id in named}
    for one in sets:
        assert max(hours[c] for c in one) - min(hours[c] for c in one) <= 24
    every = {
        name: [Waiting(START + timedelta(hours=h), c) for n, h, c in named if n == name]
        for name in "abc"
    }
    at_the_end = pair(every, START + timedelta(hours=150), WITHIN)
    assert sets == [tuple(one[name].cause_id for name in "abc") for one in at_the_end.sets]


def test_nothing_waits_where_nothing_is() -> None:
    """Empty queues are no error."""
    assert pair({}, START, WITHIN) == Pairing((), (), None)
    assert pair({"a": [], "b": []}, START, WITHIN) == Pairing((), (), None)
