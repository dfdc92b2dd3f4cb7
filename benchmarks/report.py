"""From rounds to two tables, a JSON file and the page in ``docs``."""

from __future__ import annotations

import json
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from rich.console import Group
from rich.table import Table

from benchmarks.catalogue import ROWS
from benchmarks.children import ROOT

if TYPE_CHECKING:
    from benchmarks.rounds import Round

RESULTS: Final = Path(__file__).parent / "results" / "latest.json"
PAGE: Final = ROOT / "docs" / "explanation" / "performance.md"
BEGIN: Final = "<!-- figures: begin, written by python -m benchmarks --write-docs -->"
END: Final = "<!-- figures: end -->"
#: The contender that is compared with each of the others.
SUBJECT: Final = "worker"
#: With more columns than this, only medians have room in a table.
_ROOMY: Final = 2
_TEN, _HUNDRED = 10, 100

Report = Mapping[str, Any]
Cells = list[list[str]]


def summarise(rounds: Sequence[Round], about: Mapping[str, Any]) -> Report:
    """Median, smallest, largest and all samples of each row, and what the worker is to each.

    Such a ratio is taken within each round, then the median of those.
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


def _compared(rounds: Sequence[Round], row: str, name: str) -> dict[str, float]:
    if name == SUBJECT:
        return {}
    pairs = [(found.get(SUBJECT, {}).get(row), found[name].get(row)) for found in rounds]
    ratios = [ours / other for ours, other in pairs if ours and other]
    return {"ratio": statistics.median(ratios)} if ratios else {}


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
    figures = _table(_figures(report), _caption(report["about"]))
    return Group(figures, _table(_ratios(report), _comparison(report)), *_notes(report))


def _table(cells: Cells, title: str) -> Table:
    made = Table(title=title, title_justify="left")
    for number, name in enumerate(cells[0]):
        made.add_column(name, justify="left" if number == 0 else "right")
    for row in cells[1:]:
        made.add_row(*row)
    return made


def markdown(report: Report) -> str:
    """Make what the page shows."""
    notes = "\n".join(f"- {note}" for note in _notes(report))
    parts = [
        _caption(report["about"]),
        _drawn(_figures(report)),
        f"{_comparison(report)}:",
        _drawn(_ratios(report)),
        notes,
    ]
    return "\n\n".join(part for part in parts if part)


def _drawn(cells: Cells) -> str:
    head, *body = cells
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *body]
    return "\n".join(f"| {' | '.join(row)} |" for row in lines)


def write_page(report: Report, page: Path = PAGE) -> None:
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
    page.write_text(f"{before}{begin}\n{markdown(report)}\n{end}{after}", encoding="utf-8")


def _figures(report: Report) -> Cells:
    names: list[str] = report["contenders"]
    spread = len(names) <= _ROOMY
    made: Cells = [["", *names]]
    for key, row in ROWS.items():
        found = report["rows"].get(key)
        if found:
            cells = [_value(found.get(name), spread=spread) for name in names]
            made.append([f"{row.label}, {row.unit}", *cells])
    return made


def _ratios(report: Report) -> Cells:
    names = [name for name in report["contenders"] if name != SUBJECT]
    made: Cells = [["", "better", *names]]
    for key, row in ROWS.items():
        found = report["rows"].get(key, {})
        ratios = [found.get(name, {}).get("ratio") for name in names]
        if any(ratio is not None for ratio in ratios):
            better = "more" if row.unit == "/s" else "less"
            cells = ["-" if ratio is None else _number(ratio) for ratio in ratios]
            made.append([row.label, better, *cells])
    return made


def _value(found: Mapping[str, Any] | None, *, spread: bool) -> str:
    if found is None:
        return "-"
    middle, least, most = (_number(found[key]) for key in ("median", "min", "max"))
    return f"{middle} ({least} - {most})" if spread and len(found["samples"]) > 1 else middle


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


def _comparison(report: Report) -> str:
    return f"{SUBJECT} / each, medians of {report['about']['rounds']} round(s)"


def _notes(report: Report) -> list[str]:
    about = report["about"]
    measured = [f"{name}: {what}" for name, what in about.get("contenders", {}).items()]
    return [*measured, *(f"left out, {line}" for line in about.get("left_out", []))]
