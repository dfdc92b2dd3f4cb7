"""Carriers of what the standard library has: times, numbers, bytes, ids, paths."""

from __future__ import annotations

import base64
import re
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any, Final
from uuid import UUID
from zoneinfo import ZoneInfo

from pynenc_pg.serializer.carriers import AsText, Carrier, Exact, UnfitError

_DURATION: Final = re.compile(
    r"([+-]?)P(?:(\d+)W)?(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+)(?:\.(\d{1,6}))?S)?)?"
)
_FRACTION: Final = re.compile(r"-?\d+(/\d+)?", re.ASCII)


def _write_datetime(value: datetime) -> str:
    """As RFC 9557 has it: the name of a zone stands behind its offset."""
    if isinstance(value.tzinfo, ZoneInfo) and value.tzinfo.key is not None:
        return f"{value.isoformat()}[{value.tzinfo.key}]"
    _check_zone(value)
    return value.isoformat()


def _read_datetime(text: str) -> datetime:
    text, _, zone = text.partition("[")
    read = datetime.fromisoformat(text)
    if not zone:
        return read
    placed = read.replace(tzinfo=ZoneInfo(zone.removesuffix("]")))
    if placed.utcoffset() != read.utcoffset():
        placed = placed.replace(fold=1)
    if placed.utcoffset() != read.utcoffset():
        message = "its offset is not that of its zone"
        raise ValueError(message)
    return placed


def _write_time(value: time) -> str:
    _check_zone(value)
    return value.isoformat()


def _check_zone(value: datetime | time) -> None:
    if value.tzinfo is not None and type(value.tzinfo) is not timezone:
        kind = type(value.tzinfo).__qualname__
        message = f"its tzinfo is a {kind}: take datetime.timezone, or for a datetime zoneinfo"
        raise UnfitError(message)


def _write_timedelta(value: timedelta) -> str:
    sign, value = ("-", -value) if value < timedelta(0) else ("", value)
    fraction = f".{value.microseconds:06d}" if value.microseconds else ""
    return f"{sign}P{value.days}DT{value.seconds}{fraction}S"


def _read_timedelta(text: str) -> timedelta:
    found = _DURATION.fullmatch(text)
    if found is None or text[-1] in "PT":
        message = "write it as P1DT2H3M4.5S"
        raise ValueError(message)
    sign, weeks, days, hours, minutes, seconds = (found[n] or "0" for n in range(1, 7))
    made = timedelta(
        weeks=int(weeks),
        days=int(days),
        hours=int(hours),
        minutes=int(minutes),
        seconds=int(seconds),
        microseconds=int((found[7] or "").ljust(6, "0")),
    )
    return -made if sign == "-" else made


def _write_bytes(value: bytes | bytearray) -> str:
    return base64.b64encode(value).decode("ascii")


def _read_bytes(text: str) -> bytes:
    return base64.b64decode(text, validate=True)


def _read_decimal(data: Any) -> Decimal:
    return Decimal(data)


def _read_fraction(data: str | int) -> Fraction:
    if isinstance(data, str) and not _FRACTION.fullmatch(data):
        message = "write it as 1/3"  # 1e999999999 would be worked out, for hours
        raise ValueError(message)
    return Fraction(data)


#: By annotation.
SIMPLE: Final[dict[Any, Carrier]] = {
    type(None): Exact("None", type(None)),
    bool: Exact("bool", bool),
    int: Exact("int", int),
    float: Exact("float", float, int),
    str: Exact("str", str),
    datetime: AsText(datetime, _write_datetime, _read_datetime),
    date: AsText(date, date.isoformat, date.fromisoformat),
    time: AsText(time, _write_time, time.fromisoformat),
    timedelta: AsText(timedelta, _write_timedelta, _read_timedelta),
    Decimal: AsText(Decimal, str, _read_decimal, int),
    Fraction: AsText(Fraction, str, _read_fraction, int),
    UUID: AsText(UUID, str, UUID),
    bytes: AsText(bytes, _write_bytes, _read_bytes),
    bytearray: AsText(bytearray, _write_bytes, lambda text: bytearray(_read_bytes(text))),
    Path: AsText(Path, str, Path, subclasses=True),
}
