"""Small charts, laid out here: numbers for a template that writes SVG."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Bar:
    """One rectangle of a chart of 100 by 100."""

    x: float
    y: float
    width: float
    height: float
    tone: str


@dataclass(frozen=True, slots=True)
class Bars:
    """A chart of stacked bars, and what its full height stands for."""

    top: float
    bars: tuple[Bar, ...]


def bars(series: Mapping[str, Sequence[float]]) -> Bars:
    """Stack series of equal lengths, the first at the bottom.

    >>> bars({"good": [1, 3], "bad": [0, 1]}).top
    4
    """
    columns = list(zip(*series.values(), strict=True))
    top = max([sum(column) for column in columns], default=0)
    if not top:
        return Bars(0, ())
    width = 100 / len(columns)
    made = []
    for number, column in enumerate(columns):
        below = 0.0
        for tone, value in zip(series, column, strict=True):
            height = 100 * value / top
            below += height
            if value:
                made.append(
                    Bar(round(number * width, 3), round(100 - below, 3), round(width * 0.8, 3),
                        round(height, 3), tone)
                )  # fmt: skip
    return Bars(top, tuple(made))
