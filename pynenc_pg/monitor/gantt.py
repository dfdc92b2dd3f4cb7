"""A timeline, laid out here: who ran what and when, for a template that writes SVG.

Everything is plain values: what stands where is decided without a database and without a template.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from itertools import zip_longest
from typing import Any, Final

#: Of the drawing, in its own units.
WIDTH: Final = 1200.0
LEFT: Final = 170.0
TOP: Final = 26.0
LANE: Final = 20.0
_BAR: Final = 14.0
#: How wide a letter is; and a bar of more pieces has no text in it.
_LETTER: Final = 6.0
_FEW: Final = 2
_GAP: Final = 8.0
_OWNED: Final = frozenset({"pending", "running", "paused", "resumed"})
_STEPS: Final = (
    0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600,
    900, 1800, 3600, 7200, 14_400, 21_600, 43_200, 86_400, 172_800, 604_800,
)  # fmt: skip
#: The lane of what no runner has had.
NOBODY: Final = "not begun"


@dataclass(frozen=True, slots=True)
class Stint:
    """A time in which one runner had an invocation: pieces of it by status."""

    invocation_id: str
    runner: str
    pieces: tuple[tuple[str, datetime, datetime], ...]

    @property
    def begin(self) -> datetime:
        """When it got it."""
        return self.pieces[0][1]

    @property
    def end(self) -> datetime:
        """When it gave it away."""
        return self.pieces[-1][2]


@dataclass(frozen=True, slots=True)
class Piece:
    """A rectangle."""

    x: float
    width: float
    status: str


@dataclass(frozen=True, slots=True)
class Bar:
    """What is drawn of a stint."""

    invocation_id: str
    task_id: str
    label: str
    x: float
    y: float
    width: float
    pieces: tuple[Piece, ...]
    text: str  # fits inside of it
    ended: str  # its status now, which colours its end
    critical: bool = False


@dataclass(frozen=True, slots=True)
class Link:
    """A line from who called to what was called."""

    x1: float
    y1: float
    x2: float
    y2: float
    critical: bool


@dataclass(frozen=True, slots=True)
class Group:
    """The lanes of one runner."""

    runner: str
    y: float
    height: float
    busy: float  # seconds in which it had something, by lane


@dataclass(frozen=True, slots=True)
class Timeline:
    """All that is drawn."""

    begin: datetime
    end: datetime
    height: float
    ticks: tuple[tuple[float, str], ...]
    groups: tuple[Group, ...]
    bars: tuple[Bar, ...]
    links: tuple[Link, ...]
    path: tuple[str, ...] = ()

    @property
    def width(self) -> float:
        """Of the drawing."""
        return WIDTH

    @property
    def left(self) -> float:
        """Where the time begins."""
        return LEFT


@dataclass(slots=True)
class _Lanes:
    """Lanes of one runner: each holds bars one after the other."""

    ends: list[datetime] = field(default_factory=list)

    def put(self, stint: Stint, gap: timedelta) -> int:
        for number, end in enumerate(self.ends):
            if end + gap <= stint.begin:
                self.ends[number] = stint.end
                return number
        self.ends.append(stint.end)
        return len(self.ends) - 1


def stints(history: Sequence[Mapping[str, Any]], now: datetime) -> list[Stint]:
    """Return the stints of one invocation, from its history in order."""
    found: list[Stint] = []
    for entry, following in zip_longest(history, history[1:]):
        if entry["status"] not in _OWNED:
            continue
        end = following["at"] if following else max(now, entry["at"])
        piece = (entry["status"], entry["at"], end)
        runner = entry["runner_id"] or NOBODY
        last = found[-1] if found else None
        if last and last.runner == runner and last.end == entry["at"]:
            found[-1] = replace(last, pieces=(*last.pieces, piece))
        else:
            found.append(Stint(str(entry["invocation_id"]), runner, (piece,)))
    if not found and history:
        first, last_entry = history[0], history[-1]
        ended = last_entry["status"] in {"failed", "success", "concurrency_controlled_final"}
        end = last_entry["at"] if ended else max(now, last_entry["at"])
        piece = (first["status"], first["at"], end)
        found.append(Stint(str(first["invocation_id"]), NOBODY, (piece,)))
    return found


def by_invocation(
    histories: Iterable[Mapping[str, Any]],
) -> dict[str, list[Mapping[str, Any]]]:
    """Sort entries by what they are about."""
    found: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
    for entry in histories:
        found[str(entry["invocation_id"])].append(entry)
    return found


def critical_path(
    root: str, parents: Mapping[str, str | None], spans: Mapping[str, tuple[datetime, datetime]]
) -> list[str]:
    """Return what the end of ``root`` was waiting for: its last child, what went before, and so on.

    From the end backwards: the child that ended last, then the one that ended last before that one
    began. Each is looked at in the same way.
    """
    children: dict[str, list[str]] = defaultdict(list)
    for one, parent in parents.items():
        if parent is not None and one in spans:
            children[parent].append(one)
    path: list[str] = []
    left = [root]
    while left:
        one = left.pop()
        if one in path or one not in spans:
            continue
        path.append(one)
        limit = spans[one][1]
        for child in sorted(children[one], key=lambda c: spans[c][1], reverse=True):
            if spans[child][1] <= limit:
                left.append(child)
                limit = spans[child][0]
    return path


def lay_out(
    invocations: Sequence[Mapping[str, Any]],
    histories: Mapping[str, Sequence[Mapping[str, Any]]],
    window: tuple[datetime, datetime],
    *,
    now: datetime,
    root: str | None = None,
) -> Timeline:
    """Lay out what a window of time shows."""
    begin, end = window
    scale = _Scale(begin, end)
    known = {str(one["invocation_id"]): one for one in invocations}
    all_of_it = [s for one in known for s in stints(histories.get(one, ()), now)]
    seen = [s for s in all_of_it if s.end >= begin and s.begin <= end]
    spans = {
        one: (own[0].begin, own[-1].end)
        for one in known
        if (own := [s for s in all_of_it if s.invocation_id == one])
    }
    parents = {
        one: str(row["parent_id"]) if row["parent_id"] else None for one, row in known.items()
    }
    path = critical_path(root, parents, spans) if root else []
    groups, bars = _bars(seen, known, scale, set(path))
    return Timeline(
        begin=begin,
        end=end,
        height=max(groups[-1].y + groups[-1].height if groups else 0, TOP + LANE) + _GAP,
        ticks=tuple(_ticks(scale)),
        groups=tuple(groups),
        bars=tuple(bars),
        links=tuple(_links(bars, parents, set(path))),
        path=tuple(path),
    )


@dataclass(frozen=True, slots=True)
class _Scale:
    """From times to places."""

    begin: datetime
    end: datetime

    @property
    def seconds(self) -> float:
        return max((self.end - self.begin).total_seconds(), 1e-3)

    def x(self, at: datetime) -> float:
        """Return the place of a time; what is outside stands at the edge."""
        share = (at - self.begin).total_seconds() / self.seconds
        return round(LEFT + (WIDTH - LEFT - 4) * min(max(share, 0.0), 1.0), 2)


def _bars(
    seen: Sequence[Stint], known: Mapping[str, Mapping[str, Any]], scale: _Scale, path: set[str]
) -> tuple[list[Group], list[Bar]]:
    by_runner: dict[str, list[Stint]] = defaultdict(list)
    for stint in seen:
        by_runner[stint.runner].append(stint)
    gap = timedelta(seconds=scale.seconds / 1200)
    groups: list[Group] = []
    bars: list[Bar] = []
    y = TOP
    for runner in sorted(by_runner, key=lambda name: (name == NOBODY, name)):
        lanes = _Lanes()
        own = sorted(by_runner[runner], key=lambda s: (s.begin, s.invocation_id))
        for stint in own:
            place = y + lanes.put(stint, gap) * LANE
            bars.append(_bar(stint, known[stint.invocation_id], scale, place, path))
        height = len(lanes.ends) * LANE
        busy = sum((s.end - s.begin).total_seconds() for s in own)
        groups.append(Group(runner, y, height, busy))
        y += height + _GAP
    return groups, bars


def _bar(stint: Stint, row: Mapping[str, Any], scale: _Scale, y: float, path: set[str]) -> Bar:
    pieces = tuple(
        Piece(scale.x(begin), max(round(scale.x(end) - scale.x(begin), 2), 0.5), status)
        for status, begin, end in stint.pieces
        if end >= scale.begin and begin <= scale.end
    )
    x = scale.x(stint.begin)
    took = (stint.end - stint.begin).total_seconds()
    task = str(row["task_id"])
    return Bar(
        invocation_id=stint.invocation_id,
        task_id=task,
        label=f"{task}, {row['status']}, {took:.3f} s",
        x=x,
        y=y,
        width=max(round(scale.x(stint.end) - x, 2), 2.0),
        pieces=pieces,
        text=_fitting(task.rpartition(".")[2], pieces),
        ended=str(row["status"]),
        critical=stint.invocation_id in path,
    )


def _fitting(name: str, pieces: Sequence[Piece]) -> str:
    """Return the name where there is room for it."""
    room = pieces[-1].width if pieces else 0
    return name if room > _LETTER * len(name) + 8 and len(pieces) <= _FEW else ""


def _links(
    bars: Sequence[Bar], parents: Mapping[str, str | None], path: set[str]
) -> Iterable[Link]:
    first: dict[str, Bar] = {}
    for bar in bars:
        first.setdefault(bar.invocation_id, bar)
    for child, parent in parents.items():
        if parent in first and child in first:
            above, below = first[parent], first[child]
            x1 = min(max(below.x, above.x), above.x + above.width)
            yield Link(
                x1,
                above.y + _BAR / 2,
                below.x,
                below.y + _BAR / 2,
                child in path and parent in path,
            )


def _ticks(scale: _Scale) -> Iterable[tuple[float, str]]:
    step = next((s for s in _STEPS if scale.seconds / s <= 9), _STEPS[-1])  # noqa: PLR2004
    at = (scale.begin.timestamp() // step + 1) * step
    form = "%H:%M:%S" if step >= 1 else "%H:%M:%S.%f"
    while at <= scale.end.timestamp():
        moment = datetime.fromtimestamp(at, scale.begin.tzinfo)
        if step >= 86_400:  # noqa: PLR2004 - a day
            form = "%Y-%m-%d"
        text = moment.strftime(form)
        yield scale.x(moment), text[:-3] if form.endswith("%f") else text
        at += step
