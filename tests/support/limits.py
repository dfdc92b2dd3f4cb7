"""How many ran at once: by the history that the database wrote, and by what tasks say of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

import psycopg

# An invocation is in its lane's slot from the row that makes it pending to the first later row of
# a status that nobody owns. At the same microsecond a slot is given up before it is taken.
_MOST_AT_ONCE: Final = """
with given as (
    select * from unnest(%(ids)s::uuid[], %(keys)s::text[]) g (invocation_id, key)
), owned as (
    select g.key, taken.at as since, (
               select given_up.at from {schema}.invocation_history given_up
               where given_up.invocation_id = taken.invocation_id and given_up.rev > taken.rev
                 and given_up.status not in ('pending', 'running', 'paused', 'resumed')
               order by given_up.rev limit 1) as until
    from given g
    join {schema}.invocation_history taken using (invocation_id)
    where taken.status = 'pending'
), change as (
    select key, since as at, 1 as one from owned
    union all
    select key, until, -1 from owned where until is not null
), level as (
    select key, sum(one) over (partition by key order by at, one rows unbounded preceding) as n
    from change
)
select key, max(n)::integer from level group by key"""


def most_at_once(
    connection: psycopg.Connection[Any], keys: Mapping[str, str], schema: str = "pynenc"
) -> dict[str, int]:
    """Return how many invocations of each key were owned at one instant, at the most.

    ``keys`` are the concurrency keys (any names for them) by invocation id. Invocations that were
    never claimed do not count. Read once nothing of it is in motion any more.
    """
    query = _MOST_AT_ONCE.replace("{schema}", schema).encode()
    rows = connection.execute(query, {"ids": list(keys), "keys": list(keys.values())})
    return dict(rows.fetchall())


def most_overlapping(spans: Iterable[tuple[str, float, float]]) -> dict[str, int]:
    """Return the same of (key, start, end), as tasks measured them."""
    changes = sorted(
        (at, one, key) for key, start, end in spans for at, one in ((start, 1), (end, -1))
    )
    now: dict[str, int] = {}
    most: dict[str, int] = {}
    for _, one, key in changes:
        now[key] = now.get(key, 0) + one
        most[key] = max(most.get(key, 0), now[key])
    return most
