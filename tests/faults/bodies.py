"""What task bodies write down, in a database of their own that ``BODY_DSN`` names."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import psycopg

from pynenc_pg.engine.context import running

#: What was done, once for each time, and what a workflow has seen at each of its attempts.
SIDE: Final = """
create table visit (what text, word text, pid int);
create table saw (invocation_id uuid, fence bigint, place text, value json, word text)"""


def _connect() -> psycopg.Connection[Any]:
    return psycopg.connect(os.environ["BODY_DSN"], autocommit=True)


def _facts() -> tuple[str, int]:
    now = running.get()
    assert now is not None
    return now.invocation_id, now.fence


@contextmanager
def recorded() -> Iterator[None]:
    """Leave a record of a run, and of its end where it returns."""
    facts = (*_facts(), os.getpid())
    with _connect() as side:
        side.execute(
            """insert into body_run (invocation_id, fence, pid, began)
               values (%s, %s, %s, clock_timestamp())""",
            facts,
        )
    yield
    with _connect() as side:
        side.execute(
            """update body_run set ended = clock_timestamp()
               where invocation_id = %s and fence = %s and pid = %s""",
            facts,
        )


def visited(what: str, word: str) -> None:
    """Leave a row for something that is done, whoever does it again."""
    with _connect() as side:
        side.execute("insert into visit values (%s, %s, %s)", (what, word, os.getpid()))


class Diary:
    """Writes down at once what a workflow sees, so that attempts that died can be asked, too."""

    def __init__(self, side: psycopg.Connection[Any], word: str) -> None:
        """See ``diary``."""
        self._side = side
        self._word = word
        self._facts = _facts()
        self.values: dict[str, Any] = {}

    def __call__(self, place: str, value: Any) -> None:
        """Write it down."""
        self.values[place] = value
        self._side.execute(
            "insert into saw values (%s, %s, %s, %s, %s)",
            (*self._facts, place, json.dumps(value), self._word),
        )


@contextmanager
def diary(word: str) -> Iterator[Diary]:
    """Record a run and what it sees."""
    with recorded(), _connect() as side:
        yield Diary(side, word)
