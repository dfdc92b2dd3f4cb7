"""What stands behind each trigger, as people are told: counts that stop."""

from __future__ import annotations

import pytest

from tests.support.sql import APP, Connection
from tests.support.trigger_sql import emit, tell, watched

_FIRE = """
insert into pynenc.trigger_run (
    app_id, trigger_id, version, task_id, cause_id, causes, reason, fired_at)
select %s, %s, '1', 'task', -n - %s * 100, '[]', %s, now() - make_interval(secs => %s)
from generate_series(1, %s) n"""


@pytest.mark.parametrize(
    ("most", "due", "fired", "more"), [(2, 2, 2, True), (6, 3, 4, True), (10, 3, 4, False)]
)
def test_counts_stop(
    connection: Connection, *, most: int, due: int, fired: int, more: bool
) -> None:
    """Of the latest that fired or were dropped, what fired; others' are not among them."""
    tell(connection, watched("t"), watched("other", about="nothing"))
    for _ in range(3):
        emit(connection)
    for part, (trigger, reason, age, number) in enumerate(
        [("t", None, 1, 4), ("t", "alone", 60, 3), ("other", None, 0, 20)]
    ):
        connection.execute(_FIRE, (APP, trigger, part, reason, age, number))
    query = """select trigger_id, due, waiting, parked, fired, more, last_fired is not null
               from pynenc.trigger_figures(%s, %s, %s)"""
    assert connection.execute(query, (APP, "t", most)).fetchall() == [
        ("t", due, 0, 0, fired, more, True)
    ]
    found = connection.execute(query, (APP, None, most)).fetchall()
    assert [row[0] for row in found] == ["other", "t"]
    assert connection.execute(query, ("elsewhere", None, most)).fetchall() == []
