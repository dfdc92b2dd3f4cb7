"""The state machine as text, as Mermaid and as SVG; the same machine gives the same drawing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from html import escape
from typing import Final

#: What stands beside what, from the left to the right: those that follow on each other. A status
#: that a later release knows, and this one does not, comes last.
_COLUMNS: Final = (
    ("registered",),
    ("concurrency_controlled", "rerouted", "retry"),
    ("pending",),
    ("pending_recovery", "running", "killed"),
    ("running_recovery", "paused", "resumed"),
    ("concurrency_controlled_final", "success", "failed"),
)
_KINDS: Final = {
    "available": ("ready, a runner may take it", "#dbeafe", "#1d4ed8"),
    "owned": ("held by a runner", "#dcfce7", "#15803d"),
    "passing": ("neither", "#fef3c7", "#b45309"),
    "final": ("the end", "#e5e7eb", "#374151"),
}
_WIDTH, _HEIGHT = 220, 44
_ACROSS, _DOWN = 320, 150
_MARGIN: Final = 60
_HEAD: Final = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" '
    'height="{height}" font-family="sans-serif" font-size="13" role="img">'
)
_TIP: Final = (
    '<defs><marker id="tip" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="7" '
    'markerHeight="7" orient="auto"><path d="M0 0L10 5L0 10z" fill="#6b7280"/></marker></defs>'
)


@dataclass(frozen=True, slots=True)
class Machine:
    """Statuses with their kinds, in order; steps with the reasons they ask for, if any."""

    statuses: Mapping[str, str]
    steps: Mapping[tuple[str, str], tuple[str, ...]]


def text(machine: Machine) -> str:
    """List each status, and where it may go."""
    lines: list[str] = []
    for status, kind in machine.statuses.items():
        lines.append(f"{status} ({_KINDS[kind][0]})")
        for (before, after), reasons in machine.steps.items():
            if before == status:
                why = f"  if {', '.join(reasons)}" if reasons else ""
                lines.append(f"  -> {after}{why}")
    return "\n".join(lines) + "\n"


def mermaid(machine: Machine) -> str:
    """Write a state diagram of Mermaid."""
    lines = ["stateDiagram-v2", "    direction LR"]
    starts = [s for s in machine.statuses if not any(after == s for _, after in machine.steps)]
    lines += [f"    [*] --> {status}" for status in starts]
    for (before, after), reasons in machine.steps.items():
        lines.append(f"    {before} --> {after}" + (f": {', '.join(reasons)}" if reasons else ""))
    lines += [f"    {s} --> [*]" for s, kind in machine.statuses.items() if kind == "final"]
    for kind, (_, fill, line) in _KINDS.items():
        lines.append(f"    classDef {kind} fill:{fill},stroke:{line},color:#111827")
    lines += [f"    class {status} {kind}" for status, kind in machine.statuses.items()]
    return "\n".join(lines) + "\n"


def svg(machine: Machine) -> str:
    """Draw boxes in columns, and an arrow for each step; a title says the reasons."""
    places = _places(machine)
    width = max(x for x, _ in places.values()) + _WIDTH + _MARGIN
    height = max(y for _, y in places.values()) + _HEIGHT + _MARGIN + 40
    parts = (
        _HEAD.format(width=width, height=height),
        "<title>The statuses of an invocation, and the steps between them</title>",
        _TIP,
        f'<rect width="{width}" height="{height}" fill="#ffffff"/>',
        *_arrows(machine, places),
        *_boxes(machine, places),
        *_legend(height),
        "</svg>",
    )
    return "\n".join(parts) + "\n"


def _places(machine: Machine) -> dict[str, tuple[int, int]]:
    known = {status for column in _COLUMNS for status in column}
    others = tuple(status for status in machine.statuses if status not in known)
    places = {}
    for n, column in enumerate((*_COLUMNS, others)):
        shown = [status for status in column if status in machine.statuses]
        # Every other column stands lower: a line that passes one goes between its boxes.
        top = _MARGIN + (len(_COLUMNS[1]) - len(shown)) * _DOWN // 2 + n % 2 * _DOWN // 2
        for m, status in enumerate(shown):
            places[status] = (_MARGIN + n * _ACROSS, max(_MARGIN, top) + m * _DOWN)
    return places


def _boxes(machine: Machine, places: Mapping[str, tuple[int, int]]) -> Iterator[str]:
    for status, (x, y) in places.items():
        _, fill, line = _KINDS[machine.statuses[status]]
        yield (
            f'<g><rect x="{x}" y="{y}" width="{_WIDTH}" height="{_HEIGHT}" rx="8" fill="{fill}" '
            f'stroke="{line}" stroke-width="1.5"/><text x="{x + _WIDTH // 2}" '
            f'y="{y + _HEIGHT // 2 + 5}" text-anchor="middle" fill="#111827">{escape(status)}'
            "</text></g>"
        )


def _arrows(machine: Machine, places: Mapping[str, tuple[int, int]]) -> Iterator[str]:
    leaving = dict.fromkeys(places, 0)
    for (before, after), reasons in machine.steps.items():
        n = leaving[before]
        leaving[before] += 1
        said = f"{before} to {after}" + (f": {', '.join(reasons)}" if reasons else "")
        path = _curve(places[before], places[after], n)
        line = _KINDS[machine.statuses[before]][2]
        yield (
            f'<path d="{path}" fill="none" stroke="{line}" marker-end="url(#tip)"'
            f"{'' if not reasons else ' stroke-dasharray=' + chr(34) + '6 3' + chr(34)}>"
            f"<title>{escape(said)}</title></path>"
        )


def _curve(start: tuple[int, int], end: tuple[int, int], n: int) -> str:
    """Lead from box to box, each of the arrows that leave one by a way of its own."""
    (x, y), (to_x, to_y) = start, end
    shift = (n % 5 - 2) * 7
    if x == to_x:  # one above the other: round the right side
        side = x + _WIDTH
        bulge = side + 30 + abs(to_y - y) // 6
        a, b = y + 22, to_y + 22
        return f"M{side} {a + shift}C{bulge} {a} {bulge} {b} {side} {b - shift}"
    if to_x > x:
        from_x, into_x = x + _WIDTH, to_x
    else:
        from_x, into_x = x, to_x + _WIDTH
    reach = (into_x - from_x) // 2
    a, b = y + 22 + shift, to_y + 22 + shift
    return f"M{from_x} {a}C{from_x + reach} {a} {into_x - reach} {b} {into_x} {b}"


def _legend(height: int) -> Iterator[str]:
    x = _MARGIN
    for words, fill, line in _KINDS.values():
        yield (
            f'<rect x="{x}" y="{height - 36}" width="14" height="14" rx="3" fill="{fill}" '
            f'stroke="{line}"/><text x="{x + 20}" y="{height - 24}" fill="#374151">{words}</text>'
        )
        x += 240
    yield (
        f'<text x="{x}" y="{height - 24}" fill="#374151">dashed: for certain reasons alone</text>'
    )
