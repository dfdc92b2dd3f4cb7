"""The layout of timelines: stints, lanes, links, the critical path."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from pynenc_pg.monitor.gantt import (
    LEFT,
    NOBODY,
    WIDTH,
    by_invocation,
    critical_path,
    lay_out,
    stints,
)

ZERO = datetime(2026, 1, 1, tzinfo=UTC)


def at(second: float) -> datetime:
    """Return a moment."""
    return ZERO + timedelta(seconds=second)


def history(one: str, *changes: tuple[float, str, str | None]) -> list[dict[str, Any]]:
    """Return the history of an invocation: when, what, who."""
    return [
        {"invocation_id": one, "rev": rev, "status": status, "runner_id": runner, "at": at(when)}
        for rev, (when, status, runner) in enumerate(changes)
    ]


def row(one: str, parent: str | None = None, status: str = "success") -> dict[str, Any]:
    """Return an invocation."""
    return {"invocation_id": one, "task_id": "shop.pack", "status": status, "parent_id": parent}


def test_stints() -> None:
    """One for each time a runner had it; what waits for others is a piece of it."""
    found = stints(
        history(
            "a",
            (0, "registered", None),
            (1, "pending", "r1"),
            (2, "running", "r1"),
            (3, "paused", "r1"),
            (4, "running_recovery", None),
            (5, "rerouted", None),
            (6, "pending", "r2"),
            (7, "running", "r2"),
        ),
        now=at(9),
    )
    assert [(s.runner, s.begin, s.end) for s in found] == [
        ("r1", at(1), at(4)),
        ("r2", at(6), at(9)),
    ]
    assert [piece[0] for piece in found[0].pieces] == ["pending", "running", "paused"]


def test_what_nobody_has_had() -> None:
    """It stands apart, until now or until its end."""
    [waits] = stints(history("a", (0, "registered", None)), now=at(5))
    assert (waits.runner, waits.end) == (NOBODY, at(5))
    ended = history("a", (0, "registered", None), (2, "failed", None))
    assert stints(ended, now=at(5))[0].end == at(2)
    assert stints([], now=at(5)) == []


def test_lanes() -> None:
    """What overlaps lies below each other, what follows beside; runners have lanes of their own."""
    spans = {"a": (0, 4, "r1"), "b": (1, 3, "r1"), "c": (5, 6, "r1"), "d": (0, 9, "r2")}
    entries = [
        entry
        for one, (begin, end, runner) in spans.items()
        for entry in history(one, (begin, "running", runner), (end, "success", runner))
    ]
    drawn = lay_out([*map(row, spans)], by_invocation(entries), (at(0), at(10)), now=at(10))
    y = {bar.invocation_id: bar.y for bar in drawn.bars}
    assert y["a"] == y["c"]
    assert y["b"] > y["a"]
    assert y["d"] > y["b"]
    assert [group.runner for group in drawn.groups] == ["r1", "r2"]
    assert all(LEFT <= bar.x <= bar.x + bar.width <= WIDTH + 2 for bar in drawn.bars)
    assert drawn.height > y["d"]


def test_a_window() -> None:
    """What is outside of it is left out, what reaches into it is cut at its edges."""
    entries = history("a", (0, "running", "r"), (1, "success", "r"))
    entries += history("b", (2, "running", "r"), (20, "success", "r"))
    drawn = lay_out([row("a"), row("b")], by_invocation(entries), (at(5), at(10)), now=at(30))
    [bar] = drawn.bars
    assert bar.invocation_id == "b"
    assert (bar.x, round(bar.x + bar.width)) == (LEFT, WIDTH - 4)
    assert 4 <= len(drawn.ticks) <= 9
    assert drawn.ticks[0][1] == "00:00:06"


def test_links() -> None:
    """From who called to what was called, where both are drawn."""
    entries = history("p", (0, "running", "r"), (9, "success", "r"))
    entries += history("c", (2, "running", "r"), (3, "success", "r"))
    rows = [row("p"), row("c", "p"), row("x", "elsewhere")]
    drawn = lay_out(rows, by_invocation(entries), (at(0), at(10)), now=at(10), root="p")
    [link] = drawn.links
    assert link.critical
    assert link.x1 == link.x2
    assert link.y2 > link.y1


def test_the_critical_path() -> None:
    """From the end backwards: the child that ended last, then what ended before that began."""
    spans = {
        "root": (at(0), at(10)),
        "first": (at(1), at(3)),
        "beside": (at(1), at(2)),
        "last": (at(4), at(9)),
        "inner": (at(5), at(8)),
        "late": (at(9), at(12)),
    }
    parents = {
        "root": None,
        "first": "root",
        "beside": "root",
        "last": "root",
        "inner": "last",
        "late": "root",
    }
    assert set(critical_path("root", parents, spans)) == {"root", "last", "inner", "first"}
    assert critical_path("root", {}, {}) == []
    assert critical_path("a", {"a": "a"}, {"a": (at(0), at(1))}) == ["a"]
