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


# A lease that is taken away has a row of a status that nobody owns; so has one that ends well.
_TAKEN_AWAY: Final = """
select lease, extract(epoch from min(at))::float8 from {schema}.invocation_history
where lease is not null and status not in ('pending', 'running', 'paused', 'resumed')
group by lease"""
_RUNS: Final = """
select invocation_id::text, fence, extract(epoch from began)::float8,
       extract(epoch from ended)::float8
from body_run where invocation_id = any (%s::uuid[])"""


def spans_of_runs(
    connection: psycopg.Connection[Any],
    bodies: psycopg.Connection[Any],
    keys: Mapping[str, str],
    schema: str = "pynenc",
) -> list[tuple[str, float, float]]:
    """Return (key, start, end) of each run in ``body_run``, for ``most_overlapping``.

    The run of a worker that was killed ends when its lease was taken away: not before that may
    anybody else have its place. Both databases must be on one server, whose clock this is.
    """
    taken_away = dict(connection.execute(_TAKEN_AWAY.replace("{schema}", schema).encode()))
    return [
        (keys[which], began, taken_away[lease] if ended is None else ended)
        for which, lease, began, ended in bodies.execute(_RUNS, (list(keys),))
    ]


# Claims are what a rate limit counts. Two starts just a period apart are not in one period.
_MOST_BEGUN: Final = """
with given as (
    select * from unnest(%(ids)s::uuid[], %(keys)s::text[]) g (invocation_id, key)
)
select key, max(n)::integer from (
    select g.key, count(*) over (
        partition by g.key order by h.at
        range between current row and make_interval(secs => %(seconds)s) following) as n
    from given g join {schema}.invocation_history h using (invocation_id)
    where h.status = 'pending') w
group by key"""


def most_begun(
    connection: psycopg.Connection[Any],
    keys: Mapping[str, str],
    seconds: float,
    schema: str = "pynenc",
) -> dict[str, int]:
    """Return how many attempts of each key began within so many seconds, at the most.

    ``keys`` as for ``most_at_once``.
    """
    given = {"ids": list(keys), "keys": list(keys.values()), "seconds": seconds - 1e-6}
    query = _MOST_BEGUN.replace("{schema}", schema).encode()
    return dict(connection.execute(query, given).fetchall())


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
