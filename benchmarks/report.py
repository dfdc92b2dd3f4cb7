"""From rounds to tables, a JSON file and the page in ``docs``."""

from __future__ import annotations

import json
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from rich.console import Group
from rich.table import Table

from benchmarks.catalogue import ROWS, Row
from benchmarks.children import ROOT
from benchmarks.peers import PEERS

if TYPE_CHECKING:
    from benchmarks.rounds import Round

RESULTS: Final = Path(__file__).parent / "results" / "latest.json"
PAGE: Final = ROOT / "docs" / "explanation" / "performance.md"
BEGIN: Final = "<!-- figures: begin, written by python -m benchmarks --write-docs -->"
END: Final = "<!-- figures: end -->"
#: The contender that is compared with each of the others.
SUBJECT: Final = "worker"
_TEN, _HUNDRED = 10, 100

Report = Mapping[str, Any]
Cells = list[list[str]]


def summarise(rounds: Sequence[Round], about: Mapping[str, Any]) -> Report:
    """Median, smallest, largest and all samples of each row, and what the worker is to each.

    Such a ratio is taken within each round; then come median, smallest and largest of those.
    """
    names = list(rounds[0])
    rows: dict[str, dict[str, Any]] = {}
    for row in ROWS:
        for name in names:
            samples = [found[name][row] for found in rounds if row in found[name]]
            if samples:
                rows.setdefault(row, {})[name] = {
                    **_statistics(samples),
                    **_compared(rounds, row, name),
                }
    return {"about": dict(about), "contenders": names, "rows": rows}


def _statistics(samples: Sequence[float]) -> dict[str, Any]:
    return {
        "median": statistics.median(samples),
        "min": min(samples),
        "max": max(samples),
        "samples": list(samples),
    }


def _compared(rounds: Sequence[Round], row: str, name: str) -> dict[str, Any]:
    if name == SUBJECT or ROWS[row].share:
        return {}
    pairs = [(found.get(SUBJECT, {}).get(row), found[name].get(row)) for found in rounds]
    ratios = [ours / other for ours, other in pairs if ours and other]
    return {"ratio": _statistics(ratios)} if ratios else {}


def save(report: Report, path: Path = RESULTS) -> None:
    """Write the JSON file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")


def load(path: Path = RESULTS) -> Report:
    """Read what ``save`` wrote."""
    found: Report = json.loads(path.read_text(encoding="utf-8"))
    return found


def tables(report: Report) -> Group:
    """Make what the terminal shows."""
    drawn = [_table(cells, title) for title, cells in _tables(report, wide=False)]
    return Group(*drawn, *_notes(report))


def _table(cells: Cells, title: str) -> Table:
    made = Table(title=title, title_justify="left")
    for number, name in enumerate(cells[0]):
        made.add_column(name, justify="left" if number == 0 else "right")
    for row in cells[1:]:
        made.add_row(*row)
    return made


def markdown(report: Report, plot: str | None = None) -> str:
    """Make what the page shows; ``plot`` is the address of an image of the same figures."""
    (caption, own), *more = _tables(report)
    parts = [caption]
    if plot:
        parts.append(f"![Rates and latencies of each, as in the tables below]({plot})")
    parts.append(_drawn(own))
    for title, cells in more:
        parts += [f"{title}:", _drawn(cells)]
    parts.append("\n".join(f"- {note}" for note in _notes(report)))
    return "\n\n".join(part for part in parts if part)


def _drawn(cells: Cells) -> str:
    head, *body = cells
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *body]
    return "\n".join(f"| {' | '.join(row)} |" for row in lines)


def write_page(report: Report, page: Path, plot: str | None = None) -> None:
    """Put the tables between the two markers of the page.

    Raises:
        ValueError: it does not have them.
    """
    text = page.read_text(encoding="utf-8")
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        message = f"{page.name} has no markers: it needs the lines {BEGIN!r} and {END!r}"
        raise ValueError(message)
    page.write_text(f"{before}{begin}\n{markdown(report, plot)}\n{end}{after}", encoding="utf-8")


def _tables(report: Report, *, wide: bool = True) -> list[tuple[str, Cells]]:
    """Those of this project with their spread, beside others without, and the ratios.

    Where it cannot be wide, ratios to many have no room for their spread.
    """
    names: list[str] = report["contenders"]
    own, others = [n for n in names if n not in PEERS], [n for n in names if n in PEERS]
    made = [(_caption(report["about"]), _figures(report, own, spread=True))]
    if others:
        beside = _figures(report, [SUBJECT, *others], only=others)
        made.append(("Beside other task queues, medians", beside))
    made.append((_comparison(report), _ratios(report, spread=wide or not others)))
    return made


def _figures(
    report: Report, names: Sequence[str], *, spread: bool = False, only: Sequence[str] = ()
) -> Cells:
    """Make a row for each figure that one of ``names`` has, and of ``only``, if there are any."""
    made: Cells = [["", *names]]
    for key, row in ROWS.items():
        found = report["rows"].get(key, {})
        if any(name in found for name in only or names):
            cells = [_value(found.get(name), row, spread=spread) for name in names]
            made.append([f"{row.label}, {row.unit}", *cells])
    return made


def _ratios(report: Report, *, spread: bool) -> Cells:
    names = [name for name in report["contenders"] if name != SUBJECT]
    made: Cells = [["", "better", *names]]
    for key, row in ROWS.items():
        found = report["rows"].get(key, {})
        ratios = [found.get(name, {}).get("ratio") for name in names]
        if any(ratios):
            cells = [_value(ratio, row, spread=spread) for ratio in ratios]
            made.append([row.label, row.better, *cells])
    return made


def _value(found: Mapping[str, Any] | None, row: Row, *, spread: bool) -> str:
    if found is None:
        return "-"
    return _spread(found) if spread or row.share else _number(found["median"])


def _spread(found: Mapping[str, Any] | None) -> str:
    if found is None:
        return "-"
    middle, least, most = (_number(found[key]) for key in ("median", "min", "max"))
    return f"{middle} ({least} - {most})" if len(found["samples"]) > 1 else middle


def _number(value: float) -> str:
    if abs(value) >= _HUNDRED:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= _TEN else f"{value:.3g}"


def _caption(about: Mapping[str, Any]) -> str:
    return (
        f"{about['date']}: medians of {about['rounds']} round(s) (smallest - largest), "
        f"{about['cpus']} cores ({about['processor']}), PostgreSQL {about['postgresql']}, "
        f"fsync {about['fsync']} ({about['sync_ms']:.2f} ms a write), Python {about['python']}, "
        f"revision {about['revision']}, load before {about['load']:.1f}"
    )


def _comparison(report: Report) -> str:
    rounds = report["about"]["rounds"]
    return f"{SUBJECT} / each, medians of {rounds} round(s) (smallest - largest)"


def _notes(report: Report) -> list[str]:
    about = report["about"]
    measured = [f"{name}: {what}" for name, what in about.get("contenders", {}).items()]
    missing = [f"not measured in this run: {what}" for what in about.get("not_measured", [])]
    return [*measured, *(f"left out, {line}" for line in about.get("left_out", [])), *missing]
