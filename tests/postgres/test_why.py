"""Why an invocation is not running: what only the database knows, in whose words."""

from __future__ import annotations

import json
import re
import time
from typing import Any

import pytest

from pynenc_pg.domain.why import TEMPLATES, sentence
from tests.support.sql import (
    APP,
    Connection,
    claim,
    connect,
    one,
    register,
    register_runner,
    register_tasks,
)

#: Of a fact of each kind: text with all that might be taken for a place, a list, a number, nothing.
KINDS: tuple[Any, ...] = ("a {b} [c] %s '", ["x", "y, z"], [], 7, 0.5, None)


def codes(connection: Connection, which: str) -> list[str]:
    """Ask."""
    rows = connection.execute("select code from why(%s, %s)", (APP, which)).fetchall()
    return [row[0] for row in rows]


@pytest.mark.parametrize("code", TEMPLATES)
def test_the_sentences_are_those_of_python(connection: Connection, code: str) -> None:
    """Word for word, whatever the facts."""
    names = re.findall(r"\{([a-z_]+)\}", TEMPLATES[code])
    for kind in KINDS:
        facts = {name: kind for name in names if kind is not None}
        said = one(connection, "select why_sentence(%s, %s::json)", (code, json.dumps(facts)))
        assert said == sentence(code, facts)


def test_a_session_that_is_gone(c: Connection, other: Connection) -> None:
    """The runner may be dead, and another one will see."""
    with connect(c.info.dsn) as home:
        register_runner(home, "held", lock=True)
        [which] = register(c)
        claim(c, "held")
        assert codes(c, which) == ["claimed"]
    deadline = time.monotonic() + 20
    while codes(c, which) == ["claimed"] and time.monotonic() < deadline:
        other.execute("select from recover(%s, 3600, null, 3, 10)", (APP,))
    assert codes(c, which) == ["runner_suspect", "claimed"]


def test_of_a_great_many_it_is_said_that_there_are_more(c: Connection) -> None:
    """Ten thousand are counted."""
    register_tasks(c, "tests.task", kind="var_keyword")
    register(c, 10_002)
    [last] = register(c)
    rows = c.execute("select code, message from why(%s, %s)", (APP, last)).fetchall()
    assert [row[0] for row in rows] == ["behind"]
    assert rows[0][1] == "more than 10000 come before it in its queue, default"


def test_it_reads_under_the_role_of_an_observer(c: Connection) -> None:
    """And changes nothing: it works where nothing can be written."""
    [which] = register(c)
    with c.transaction():
        c.execute("set transaction read only")
        c.execute("set local role pynenc_observer")
        assert codes(c, which) == ["task_unknown"]
