"""The figures of a run as bars, a PNG and an SVG: the same bytes for the same figures."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from benchmarks.catalogue import ROWS
from benchmarks.report import PAGE, SUBJECT, Report

if TYPE_CHECKING:
    from matplotlib.axes import Axes

NAME: Final = "performance"
#: What is said where it cannot be drawn.
MISSING: Final = 'no plot: matplotlib is not installed: pip install "matplotlib>=3.10,<4"'

#: Opaque paper, so that it can be read on a page of any colour.
_PAPER, _INK, _LINES = "#fbfbf8", "#1f2328", "#c9ccd1"
#: They differ for those, too, who do not see all colours.
_COLOURS: Final = ("#0072b2", "#e69f00")
_BOLD, _LIGHT = "bold", "normal"
_BAR: Final = 0.38
_STYLE: Final = {
    "font.size": 9,
    "svg.fonttype": "none",
    "svg.hashsalt": "pynenc_pg",
    "figure.facecolor": _PAPER,
    "axes.facecolor": _PAPER,
    "axes.edgecolor": _LINES,
    "text.color": _INK,
    "axes.labelcolor": _INK,
    "xtick.color": _INK,
    "ytick.color": _INK,
}


@dataclass(frozen=True, slots=True)
class Panel:
    """Bars that belong together: two of each contender, on a logarithmic scale."""

    title: str
    rows: tuple[str, str]


PANELS: Final = (
    Panel("Drain, calls per second: more is better", ("drain_1", "drain_2")),
    Panel("Enqueue, calls per second: more is better", ("enqueue_single", "enqueue_bulk")),
    Panel("Pick-up, milliseconds: less is better", ("pick_up_p50", "pick_up_p99")),
    Panel("Round trip, milliseconds: less is better", ("round_trip_p50", "round_trip_p99")),
)


def draw(report: Report, folder: Path = PAGE.parent) -> list[Path]:
    """Write both files, and return where they are.

    Raises:
        ModuleNotFoundError: matplotlib is not installed.
    """
    import matplotlib as mpl  # noqa: PLC0415 - it takes long, and need not be there
    from matplotlib.figure import Figure  # noqa: PLC0415

    folder.mkdir(parents=True, exist_ok=True)
    written = [folder / f"{NAME}.svg", folder / f"{NAME}.png"]
    with mpl.rc_context():
        mpl.rcdefaults()  # whatever the user's own are
        mpl.rcParams.update(_STYLE)
        names = report["contenders"]
        figure = Figure(figsize=(12, 2.5 + 0.8 * len(names)), layout="constrained")
        axes = figure.subplots(2, 2).flatten()
        for axis, panel in zip(axes, PANELS, strict=True):
            _draw(axis, panel, names, report["rows"])
        figure.suptitle(_title(report["about"]), fontsize=10)
        for path, metadata in zip(written, ({"Date": None}, {"Software": None}), strict=True):
            figure.savefig(path, metadata=metadata, dpi=110)
    return written


def _draw(axis: Axes, panel: Panel, names: Sequence[str], rows: Mapping[str, Any]) -> None:
    """Draw who has one of the two figures."""
    figures = [rows.get(row, {}) for row in panel.rows]
    shown = [name for name in names if any(name in found for found in figures)]
    if not shown:
        axis.set_axis_off()
        return
    for number, (row, found) in enumerate(zip(panel.rows, figures, strict=True)):
        bars = [
            (place + (number - 0.5) * _BAR, found[name])
            for place, name in enumerate(shown)
            if name in found
        ]
        _bars(axis, bars, _COLOURS[number], ROWS[row].label)
    axis.set_title(panel.title, fontsize=10, loc="left")
    axis.set_yticks(range(len(shown)), shown)
    for tick, name in zip(axis.get_yticklabels(), shown, strict=True):
        tick.set_fontweight(_BOLD if name == SUBJECT else _LIGHT)
    axis.set_ylim(len(shown) - 0.5, -0.5)
    _scale(axis, [found[name]["median"] for found in figures for name in found])
    axis.spines[["top", "right"]].set_visible(False)
    axis.legend(loc="upper center", bbox_to_anchor=(0.5, -0.07), ncols=2, frameon=False)


def _scale(axis: Axes, medians: Sequence[float]) -> None:
    """From a power of ten to beyond the longest bar: all bars begin at a number one can read."""
    axis.set_xscale("log")
    axis.set_xlim(10 ** math.floor(math.log10(min(medians))), max(medians) * 3)
    axis.xaxis.set_major_formatter(lambda value, _: f"{value:,g}")
    axis.xaxis.set_minor_formatter(lambda *_: "")
    axis.grid(visible=True, axis="x", color=_LINES, linewidth=0.6)
    axis.set_axisbelow(True)


def _bars(
    axis: Axes, bars: Sequence[tuple[float, Mapping[str, Any]]], colour: str, label: str
) -> None:
    """Draw medians, with a line from the smallest to the largest."""
    medians = [found["median"] for _, found in bars]
    spread = [
        [found["median"] - found["min"] for _, found in bars],
        [found["max"] - found["median"] for _, found in bars],
    ]
    drawn = axis.barh(
        [place for place, _ in bars],
        medians,
        _BAR,
        color=colour,
        label=label,
        xerr=spread,
        error_kw={"ecolor": _INK, "elinewidth": 0.8},
    )
    axis.bar_label(drawn, [_short(value) for value in medians], padding=4, fontsize=7)


def _short(value: float) -> str:
    return f"{value:,.0f}" if value >= 10 else f"{value:.2g}"  # noqa: PLR2004 - two digits


def _title(about: Mapping[str, Any]) -> str:
    return (
        f"Medians of {about['rounds']} round(s), lines from the smallest to the largest, "
        f"logarithmic; {about['cpus']} cores, PostgreSQL {about['postgresql']}, "
        f"fsync {about['fsync']}"
    )
