"""Filters of triggers: what PostgreSQL says of them is what Python says."""

from __future__ import annotations

import json
from typing import Any

import psycopg
from hypothesis import given, settings
from hypothesis import strategies as st

from pynenc_pg.trigger.json_values import for_sql, matches

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.sampled_from([0, 1, 1.0, -1, 0.1, 2**53, 2**53 + 1, 1e23, "", "1", "a", "$a", "\ud800"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["a", "b", "$c", "\x00"]), inner, max_size=3)
    ),
    max_leaves=8,
)


def _hostile(value: Any) -> bool:
    text = json.dumps(value)
    return "\\u0000" in text or "\\ud800" in text


@given(st.lists(st.tuples(JSON, JSON), min_size=200, max_size=200))
@settings(max_examples=5, deadline=None)
def test_postgresql_agrees_where_it_is_asked(server_dsn: str, pairs: list[tuple[Any, Any]]) -> None:
    """Where ``jsonb @>`` says no, so does Python; where all can be asked, they say the same."""
    asked = [
        (for_sql(wanted), wanted, actual)
        for wanted, actual in [*pairs, *((one, one) for one, _ in pairs)]
        if for_sql(wanted) is not ... and not _hostile(actual)
    ]
    assert asked
    with psycopg.connect(server_dsn) as connection:
        rows = connection.execute(
            "select jsonb_build_object('result', actual) @> jsonb_build_object('result', wanted) "
            "from unnest(%s::text[]::jsonb[], %s::text[]::jsonb[]) with ordinality "
            "as pair(wanted, actual, n) order by n",
            ([json.dumps(one[0]) for one in asked], [json.dumps(one[2]) for one in asked]),
        ).fetchall()
    for (tested, wanted, actual), (contained,) in zip(asked, rows, strict=True):
        if tested == wanted:
            assert contained == matches(wanted, actual), (wanted, actual)
        elif not contained:
            assert not matches(wanted, actual), (wanted, actual)
