"""Templates, and the words they use for times, spans and numbers."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlencode

import jinja2
from markupsafe import Markup

from pynenc_pg import __version__
from pynenc_pg.monitor import values

if TYPE_CHECKING:
    from pynenc_pg.monitor.settings import Settings

#: Said where there is nothing to say.
NONE: Final = Markup("&ndash;")
PACKAGE: Final = Path(__file__).parent
_UNITS: Final = ((86_400.0, "d"), (3600.0, "h"), (60.0, "min"))

#: What a status is, in one word that colours it.
TONES: Final = {
    "success": "good",
    "failed": "bad",
    "concurrency_controlled_final": "bad",
    "running": "busy",
    "resumed": "busy",
    "pending": "soon",
    "paused": "held",
    "registered": "idle",
    "rerouted": "idle",
    "retry": "warn",
    "concurrency_controlled": "held",
    "pending_recovery": "warn",
    "running_recovery": "warn",
    "killed": "warn",
}


def make_templates(settings: Settings) -> jinja2.Environment:
    """Build the environment; everything is escaped, and a name that is missing is an error."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(PACKAGE / "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    masks = values.Masks(settings.conf.mask_arguments)
    environment.globals.update(
        version=__version__, tone=tone, query=query, now=lambda: datetime.now(UTC)
    )
    environment.filters.update(
        clock=clock,
        ago=ago,
        seconds=seconds,
        count=count,
        capped=capped,
        percent=percent,
        short=short_id,
        linked=values.linked,
        shown=lambda text: values.pretty(masks.masked(values.readable(text))),
        keyed=lambda pair: values.pretty(_keyed(pair, masks)),
        line=lambda text: values.one_line(masks.masked(values.readable(text))),
        call=lambda text: values.arguments_line(masks.masked(values.readable(text))),
    )
    return environment


def _keyed(pair: dict[str, str], masks: values.Masks) -> Any:
    """Return the value of a stored pair, masked by the name that it has there."""
    [(name, text)] = pair.items()
    return masks.masked({name: values.readable(text)})[name]


def tone(status: str | None) -> str:
    """Return the word that colours a status."""
    return TONES.get(status or "", "idle")


def query(**parameters: Any) -> str:
    """Return the query of a link, without what is empty."""
    return urlencode(
        {name: value for name, value in parameters.items() if value not in (None, "", [], ())},
        doseq=True,
    )


def clock(at: datetime | None) -> Markup:
    """Return a time to the millisecond, in UTC; the browser adds its own."""
    if at is None:
        return NONE
    at = at.astimezone(UTC)
    text = f"{at:%Y-%m-%d %H:%M:%S}.{at.microsecond // 1000:03d}"
    return Markup('<time datetime="{}">{}</time>').format(at.isoformat(), text)


def ago(at: datetime | None) -> Markup:
    """Return how long ago it was, or when it will be."""
    if at is None:
        return NONE
    passed = (datetime.now(UTC) - at).total_seconds()
    text = f"in {seconds(-passed)}" if passed < -1 else f"{seconds(max(passed, 0.0))} ago"
    return Markup('<time datetime="{}">{}</time>').format(at.astimezone(UTC).isoformat(), text)


def seconds(span: float | timedelta | None) -> str:
    """Return a span in a unit that fits: ``850 µs``, ``12 ms``, ``3.4 s``, ``2 h 5 min``."""
    if span is None:
        return NONE
    value = span.total_seconds() if isinstance(span, timedelta) else float(span)
    if value < 0.001:  # noqa: PLR2004 - where the unit changes
        return f"{max(value, 0) * 1e6:.0f} µs"
    if value < 1:
        return f"{value * 1e3:.0f} ms"
    if value < 60:  # noqa: PLR2004
        return f"{value:.1f} s"
    parts = []
    for size, unit in _UNITS:
        whole, value = divmod(value, size)
        if whole:
            parts.append(f"{whole:.0f} {unit}")
    return " ".join(parts[:2])


def count(number: float | None, *, exact: bool = True) -> str:
    """Return a number to be read; large estimates are rounded."""
    if number is None:
        return NONE
    if exact:
        return f"{number:,.0f}"
    for size, word in ((1e9, "billion"), (1e6, "million"), (1e3, "thousand")):
        if number >= size:
            return f"about {number / size:.1f} {word}"
    return f"about {number:.0f}"


def capped(number: int, most: int) -> str:
    """Return a number that was counted no further than ``most``."""
    return f"{number:,}+" if number >= most else f"{number:,}"


def percent(part: float | None, whole: float | None) -> str:
    """Return a share."""
    if not whole or part is None:
        return NONE
    share = 100 * part / whole
    return f"{share:.1f} %" if 0 < share < 10 else f"{share:.0f} %"  # noqa: PLR2004


def short_id(invocation_id: str | None) -> str:
    """Return the part of an id that differs from the next one: its end."""
    return f"…{invocation_id[-12:]}" if invocation_id else NONE
