"""Statements that store large values, or refer to them, together with something else.

Such a statement is one of a verb's with another function around or inside of it, so that all of it
is one transaction and one round trip, and what has nothing large is called as ever.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cache
from typing import TYPE_CHECKING, Final

from pynenc_pg.exceptions import StoreUnavailableError

if TYPE_CHECKING:
    from pynenc_pg.domain.records import Batch

_IDS: Final = "%b::text[]::uuid[]"
_REFER: Final = "{schema}.refer(%s, %b::text[]::uuid[], %b::text[]::uuid[], %b::text[])"


def around(register: str) -> tuple[str, str]:
    """Return what holds payloads, then registers, then refers to them.

    The first one carries contents; the second one is for those that were stored before. Nothing
    is registered where one is missing: the row is null, and the names of those that are.
    """
    return _around(register, ", cast(%b as bytea[]), cast(%b as text[])"), _around(register, "")


def _around(register: str, contents: str) -> str:
    # Both are constants of ours.
    return f"""
select case when h.missing is null then cast({{schema}}.refer(
    %s, {register}, cast(cast(%b as text[]) as uuid[]), cast(%b as text[])) as text[]) end,
    h.missing
from (select {{schema}}.hold(%s, cast(%b as text[]){contents}) as missing offset 0) h"""  # noqa: S608


def parameters(
    app: str,
    registration: tuple[object, ...],
    batch: Batch,
    names: Sequence[str] = (),
    *contents: Sequence[object],
) -> tuple[object, ...]:
    """Return what belongs to such a statement; ``names`` are of those whose ``contents`` come."""
    others = [each.sha256 for each in batch.payloads if each.sha256 not in set(names)]
    return (app, *registration, *columns(batch.refs), app, [*names, *others], *contents)


@cache
def referring(statement: str) -> str:
    """Return the statement of a verb that ends attempts, with references noted on the way."""
    return statement.replace(_IDS, _REFER, 1)


def columns(refs: Iterable[tuple[str, str]]) -> tuple[list[str], list[str]]:
    """Return invocations and names of payloads, as arrays."""
    pairs = list(refs)
    return [which for which, _ in pairs], [name for _, name in pairs]


def vanished(missing: Sequence[str]) -> StoreUnavailableError:
    """Say that payloads are removed as fast as they are stored."""
    return StoreUnavailableError(
        f"the large value {missing[0]} was removed each time it was stored: somebody purges the "
        "app; nothing was written, try again"
    )
