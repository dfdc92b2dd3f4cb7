"""Calls that ended long ago, and how prune walks through them, in SQL."""

from __future__ import annotations

from typing import Final

from tests.support.sql import APP, Connection, claim, finish, one, register, start

_FIRST: Final = "00000000-0000-0000-0000-000000000000"


def keep(connection: Connection, seconds: float = 60, task: str = "tests.task") -> None:
    """Write down, as a runner would tell, for how long calls of a task are kept."""
    connection.execute(
        """insert into task (app_id, task_id, fingerprint, parameters, options, told_at)
           values (%s, %s, 'kept', '[]',
                   json_build_object('queue', 'default', 'priority', 0, 'ageing', 60, 'slots', 1,
                                     'must_not_wait', false, 'counts', null, 'keep', %s::float8),
                   now())""",
        (APP, task, seconds),
    )


def ended(connection: Connection, n: int = 1) -> list[str]:
    """Run n calls, and have them ended an hour ago."""
    ids = register(connection, n)
    held = claim(connection, limit=n)
    assert start(connection, held) == finish(connection, held) == {}
    age(connection)
    return ids


def age(connection: Connection, seconds: float = 3600) -> None:
    """Have all that ended have ended earlier, which the guard would refuse."""
    connection.execute("set session_replication_role = replica")
    connection.execute(
        "update invocation_outcome set finished_at = finished_at - make_interval(secs => %s)",
        (seconds,),
    )
    connection.execute("set session_replication_role = origin")


def prune(connection: Connection, limit: int = 500, after: str = _FIRST) -> int:
    """Do one step; return how many it removed."""
    query = "select removed from prune(%s, %s::uuid, %s)"
    return int(one(connection, query, (APP, after, limit)))
