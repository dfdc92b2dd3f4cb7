"""Values in the definitions of triggers: JSON, compared as JSON compares.

A definition stands in the database, so what it compares with must be said in JSON: a tuple is a
list there, an enum that is a string is that string. Numbers are equal if their values are (``1``
and ``1.0``); ``true`` is no number.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from typing import Any, Final

from pynenc_pg.domain.arguments import short_repr
from pynenc_pg.exceptions import TriggerDefinitionError

#: Up to here every whole number is one double, so Python and PostgreSQL compare alike.
_EXACT: Final = 2**53
#: Bytes; larger arguments and results may be stored by themselves, out of sight of a comparison.
_INLINE: Final = 1_000


def as_json(value: Any, what: str, *, exactly: bool = False) -> Any:
    """Return the JSON for a value of a definition. ``what`` names its place in an error.

    With ``exactly``, for a value that is given back to the user, what JSON would change is refused.

    Raises:
        TriggerDefinitionError: JSON has no such value.
    """
    if value is None or isinstance(value, bool):
        return value
    kind = type(value)
    if isinstance(value, str) and (kind is str or not exactly):
        return str.__str__(value)
    if isinstance(value, int) and (kind is int or not exactly):
        return int(value)
    if isinstance(value, float) and (kind is float or not exactly) and math.isfinite(value):
        return float(value)
    if kind is list or (kind is tuple and not exactly):
        return [as_json(v, f"{what}[{n}]", exactly=exactly) for n, v in enumerate(value)]
    if isinstance(value, Mapping) and (kind is dict or not exactly):
        return {
            _key(key, what): as_json(v, f"{what}[{key!r}]", exactly=exactly)
            for key, v in value.items()
        }
    way_out = "give a function at the top of a module instead, which can compute it"
    message = f"{what} is {short_repr(value)} ({kind.__qualname__}), which is not JSON: {way_out}"
    raise TriggerDefinitionError(message)


def _key(key: object, what: str) -> str:
    if isinstance(key, str):
        return str.__str__(key)
    message = f"{what} has the key {short_repr(key)}: the keys must be strings"
    raise TriggerDefinitionError(message)


def equal(wanted: Any, actual: Any) -> bool:
    """Whether two values are the same JSON; ``wanted`` is JSON, ``actual`` the user's.

    >>> equal(1, 1.0), equal(1, True), equal([1, 2], (1, 2)), equal({"a": 1}, {"a": 1, "b": 2})
    (True, False, True, False)
    """
    if isinstance(wanted, dict):
        return (
            _is_dict(actual) and wanted.keys() == actual.keys() and contains(wanted, actual, equal)
        )
    if isinstance(wanted, list):
        return (
            isinstance(actual, list | tuple)
            and len(wanted) == len(actual)
            and all(equal(w, a) for w, a in zip(wanted, actual, strict=True))
        )
    if wanted is None or isinstance(wanted, bool):
        return actual is wanted
    if isinstance(wanted, str):
        return isinstance(actual, str) and str.__eq__(wanted, actual)
    number = isinstance(actual, int | float) and not isinstance(actual, bool)
    return number and bool(wanted == actual)


def matches(wanted: Any, actual: Any) -> bool:
    """Whether ``actual`` has everything that the dict ``wanted`` has, or else is equal to it.

    Dicts in dicts are compared likewise; those in lists must be equal.

    >>> matches({"user": {"id": 7}}, {"user": {"id": 7, "name": "Ann"}, "more": 1})
    True
    >>> matches([{"id": 7}], [{"id": 7, "name": "Ann"}])
    False
    """
    if not isinstance(wanted, dict):
        return equal(wanted, actual)
    return _is_dict(actual) and contains(wanted, actual, matches)


def contains(wanted: dict[str, Any], actual: Any, same: Any) -> bool:
    """Whether each key of ``wanted`` is in ``actual`` with a value that is the same."""
    return all(key in actual and same(value, actual[key]) for key, value in wanted.items())


def _is_dict(value: Any) -> bool:
    return isinstance(value, Mapping)


def for_sql(wanted: Any) -> Any:
    """Return what ``jsonb @>`` can test of ``wanted`` with the same answer as ``matches``.

    Left out is what it sees otherwise: lists (there an order counts for nothing), numbers that are
    no double and whole, texts that are stored in another form. ``...`` if nothing is left.
    """
    if isinstance(wanted, dict):
        kept = {
            key: seen
            for key, value in wanted.items()
            if _plain_text(key) and not key.startswith("$") and (seen := for_sql(value)) is not ...
        }
        return kept if kept or not wanted else ...
    if isinstance(wanted, str):
        return wanted if _plain_text(wanted) else ...
    if wanted is None or isinstance(wanted, bool):
        return wanted
    if isinstance(wanted, int | float):
        return wanted if abs(wanted) <= _EXACT and wanted == int(wanted) else ...
    return ...


def _plain_text(text: str) -> bool:
    if "\x00" in text or any("\ud800" <= sign <= "\udfff" for sign in text):
        return False
    return len(text.encode()) <= _INLINE


def content_id(content: Any) -> str:
    """Return 20 hexadecimal digits for JSON, the same for the same content."""
    text = json.dumps(normal(content), sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:20]


def normal(value: Any) -> Any:
    """Return the value with whole numbers written in one way, so that equal ones have one id."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, dict):
        return {key: normal(item) for key, item in value.items()}
    return [normal(item) for item in value] if isinstance(value, list) else value
