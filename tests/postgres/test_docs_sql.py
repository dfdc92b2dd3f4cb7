"""The reference of SQL has every function and view for people, as the database has them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import psycopg
import pytest

PAGE: Final = (Path(__file__).parents[2] / "docs" / "reference" / "sql.md").read_text(
    encoding="utf-8"
)
FUNCTIONS: Final = {
    name: [word for one in given.split(",") if (word := one.strip()) and word != "…"]
    for row in re.findall(r"^\| (`[^|]*\)`) \|", PAGE, re.MULTILINE)
    for name, given in re.findall(r"`(\w+)\(([^)]*)\)`", row)
}
ENQUEUE: Final = re.findall(r"^\| `(\w+)` \| `\w[\w ]*`", PAGE, re.MULTILINE)
_VIEWS: Final = PAGE.split("\n## Views\n")[1].split("\n## ")[0]
VIEWS: Final = {
    name: set(re.findall(r"`(\w+)`", told))
    for name, told in re.findall(r"^\| `(\w+)` \| (.*) \|$", _VIEWS, re.MULTILINE)
}
#: Values of a column, not columns.
REASONS: Final = {"alone", "removed", "parked"}
#: Verbs behind the command line and the monitor, which change with these.
CLIENTS: Final = frozenset(
    {
        "at_work",
        "count_by_status",
        "fired",
        "pause_queue",
        "purge",
        "queued_misfits",
        "reschedule",
        "retry_causes",
        "triggers_of",
    }
)


@pytest.fixture
def session(database_dsn: str) -> Iterator[psycopg.Connection[tuple[Any, ...]]]:
    """Somebody who looks into the catalogue."""
    with psycopg.connect(database_dsn) as connection:
        yield connection


def test_every_function_is_as_the_page_has_it(
    session: psycopg.Connection[tuple[Any, ...]],
) -> None:
    """It exists, and can be called with as many arguments as the page names."""
    rows = session.execute(
        "select p.proname, p.pronargs - p.pronargdefaults, p.pronargs from pg_proc p "
        "where p.pronamespace = 'pynenc'::regnamespace"
    ).fetchall()
    wrong = {
        name: given
        for name, given in FUNCTIONS.items()
        if not any(name == one and least <= len(given) <= most for one, least, most in rows)
    }
    assert len(FUNCTIONS) > 15
    assert not wrong, "no function of that name takes so many arguments"


def test_the_parameters_of_enqueue(session: psycopg.Connection[tuple[Any, ...]]) -> None:
    """All that it has, by name and in order."""
    [[names]] = session.execute(
        "select proargnames from pg_proc where proname = 'enqueue' "
        "and pronamespace = 'pynenc'::regnamespace"
    ).fetchall()
    assert list(names) == ENQUEUE


def test_every_view_is_on_the_page(session: psycopg.Connection[tuple[Any, ...]]) -> None:
    """All views that observers may read, and the columns that the page names are there."""
    rows = session.execute(
        "select c.relname, array_agg(a.attname::text) from pg_class c "
        "join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 "
        "where c.relnamespace = 'pynenc'::regnamespace and c.relkind in ('v', 'm') "
        "and has_table_privilege('pynenc_observer', c.oid, 'select') group by 1"
    ).fetchall()
    columns = {name: set(found) for name, found in rows}
    assert set(VIEWS) == set(columns)
    assert VIEWS["trigger_runs"] >= REASONS
    for name, named in VIEWS.items():
        assert named - REASONS <= columns[name], name


def test_what_people_may_call_is_on_the_page(
    session: psycopg.Connection[tuple[Any, ...]],
) -> None:
    """A function that a role of people may call, and no producer or worker, has its row."""
    rows = session.execute(
        "select p.proname from pg_proc p where p.pronamespace = 'pynenc'::regnamespace "
        "and prorettype <> 'trigger'::regtype "
        "and (has_function_privilege('pynenc_observer', p.oid, 'execute') "
        "or has_function_privilege('pynenc_operator', p.oid, 'execute')) "
        "and not has_function_privilege('pynenc_worker', p.oid, 'execute')"
    ).fetchall()
    found = {name for [name] in rows}
    assert found - CLIENTS <= set(FUNCTIONS), "a row on the page, or one of CLIENTS?"
    assert found >= CLIENTS
