"""From rounds to a table, a JSON file and the page in ``docs``."""

from __future__ import annotations

import json
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from rich.table import Table

from benchmarks.catalogue import ROWS
from benchmarks.children import ROOT

if TYPE_CHECKING:
    from benchmarks.rounds import Round

RESULTS: Final = Path(__file__).parent / "results" / "latest.json"
PAGE: Final = ROOT / "docs" / "explanation" / "performance.md"
BEGIN: Final = "<!-- figures: begin, written by python -m benchmarks --write-docs -->"
END: Final = "<!-- figures: end -->"
_TEN, _HUNDRED = 10, 100

Report = Mapping[str, Any]
Cells = list[list[str]]


def summarise(rounds: Sequence[Round], about: Mapping[str, Any]) -> Report:
    """Median, smallest, largest and all samples of each row, and ratios to the first contender.

    A ratio is taken within each round, then the median of those.
    """
    names = list(rounds[0])
    rows: dict[str, dict[str, Any]] = {}
    for row in ROWS:
        for name in names:
            samples = [found[name][row] for found in rounds if row in found[name]]
            if samples:
                rows.setdefault(row, {})[name] = _statistics(samples)
                ratios = [
                    found[name][row] / found[names[0]][row]
                    for found in rounds
                    if name != names[0] and found[name].get(row) and found[names[0]].get(row)
                ]
                if ratios:
                    rows[row][name]["ratio"] = statistics.median(ratios)
    return {"about": dict(about), "contenders": names, "rows": rows}


def _statistics(samples: Sequence[float]) -> dict[str, Any]:
    return {
        "median": statistics.median(samples),
        "min": min(samples),
        "max": max(samples),
        "samples": list(samples),
    }


def save(report: Report, path: Path = RESULTS) -> None:
    """Write the JSON file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")


def load(path: Path = RESULTS) -> Report:
    """Read what ``save`` wrote."""
    found: Report = json.loads(path.read_text(encoding="utf-8"))
    return found


def table(report: Report) -> Table:
    """Make the table for the terminal."""
    made = Table(title=_caption(report["about"]), title_justify="left")
    head, *body = _cells(report)
    for number, title in enumerate(head):
        made.add_column(title, justify="left" if number == 0 else "right")
    for cells in body:
        made.add_row(*cells)
    return made


def markdown(report: Report) -> str:
    """Make the table for the page."""
    head, *body = _cells(report)
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *body]
    drawn = "\n".join(f"| {' | '.join(cells)} |" for cells in lines)
    return f"{_caption(report['about'])}\n\n{drawn}"


def write_page(report: Report, page: Path = PAGE) -> None:
    """Put the table between the two markers of the page.

    Raises:
        ValueError: it does not have them.
    """
    text = page.read_text(encoding="utf-8")
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        message = f"{page.name} has no markers: it needs the lines {BEGIN!r} and {END!r}"
        raise ValueError(message)
    page.write_text(f"{before}{begin}\n{markdown(report)}\n{end}{after}", encoding="utf-8")


def _cells(report: Report) -> Cells:
    names: list[str] = report["contenders"]
    first, *others = names
    head = ["", first]
    for name in others:
        head += [name, f"{name} / {first}"]
    made: Cells = [head]
    for key, row in ROWS.items():
        found = report["rows"].get(key)
        if found:
            cells = [f"{row.label}, {row.unit}", _value(found.get(first))]
            for name in others:
                cells += [_value(found.get(name)), _ratio(found.get(name))]
            made.append(cells)
    return made


def _value(found: Mapping[str, Any] | None) -> str:
    if found is None:
        return "-"
    middle, least, most = (_number(found[key]) for key in ("median", "min", "max"))
    return middle if len(found["samples"]) == 1 else f"{middle} ({least} - {most})"


def _ratio(found: Mapping[str, Any] | None) -> str:
    return f"{found['ratio']:.2f}" if found and "ratio" in found else "-"


def _number(value: float) -> str:
    if value >= _HUNDRED:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= _TEN else f"{value:.3g}"


def _caption(about: Mapping[str, Any]) -> str:
    return (
        f"{about['date']}: medians of {about['rounds']} round(s) (smallest - largest), "
        f"{about['cpus']} cores ({about['processor']}), PostgreSQL {about['postgresql']}, "
        f"fsync {about['fsync']} ({about['sync_ms']:.2f} ms a write), Python {about['python']}, "
        f"revision {about['revision']}, load before {about['load']:.1f}"
    )
