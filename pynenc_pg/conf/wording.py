"""What is said of a key or a value that cannot be: its name, the value, its source, the way out."""

from __future__ import annotations

import reprlib
from collections.abc import Collection, Iterable
from difflib import get_close_matches
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

#: Said instead of a value that may hold a password.
HIDDEN = "(hidden)"


def told(source: str) -> str:
    """Say in brackets where a setting came from."""
    return f"({'set in code' if source == 'code' else source})"


def unknown_key(
    key: str, source: str, *, known: Collection[str], elsewhere: Iterable[str] = ()
) -> str:
    """Refuse a key. ``known`` are the keys beside it, ``elsewhere`` those of other sections.

    Its value is not shown: it may be a password under a mistyped name.
    """
    section, _, name = key.rpartition(".")
    prefix = f"{section}." if section else ""
    same_name = [other for other in elsewhere if other.rpartition(".")[2] == name]
    near = [prefix + close for close in get_close_matches(name, known, n=1)]
    if same_name or near:
        way_out = f"did you mean {(same_name or near)[0]}?"
    else:
        way_out = f"{f'section {section}' if section else 'the configuration'} has "
        way_out += ", ".join(known)
    return f"{key} is not a configuration key {told(source)}: {way_out}"


def wrong_value(key: str, value: Any, allowed: str, source: str) -> str:
    """Refuse a value; give ``HIDDEN`` for one that must not be seen."""
    return f"{key} = {HIDDEN if value is HIDDEN else shown(value)}: {allowed} {told(source)}"


def allowed(error: ValidationError) -> str:
    """Say what pydantic would have taken for the first field it refuses.

    The field may be a union: then each of its types has an entry of its own.
    """
    errors = error.errors(include_url=False)
    of_field = [each for each in errors if each["loc"][:1] == errors[0]["loc"][:1]]
    ours = [each for each in of_field if each["type"] == "value_error"]
    parts = dict.fromkeys(_must(each) for each in ours or of_field)
    return " or ".join(parts).replace(" or must be ", " or ")


def _must(error: ErrorDetails) -> str:
    message = error["msg"].split(", unable to")[0].split(", got a")[0]
    for long, short in (
        ("Value error, ", ""),
        ("Input should be a valid boolean", "must be true or false"),
        ("Input should be a valid tuple", "must be a list"),
        ("Input should be a valid integer", "must be a whole number"),
        ("Input should be a valid ", "must be a "),
        ("Input should be ", "must be "),
        ("Input should ", "must "),
        ("String should ", "must "),
    ):
        if message.startswith(long):
            return short + message.removeprefix(long)
    return message


def shown(value: Any) -> str:
    """Return the repr of a value, shortened."""
    short = reprlib.Repr()
    short.maxstring = short.maxother = 80
    return short.repr(value)
