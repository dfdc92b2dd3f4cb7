"""Finished invocations as JSON, one after the other, however many there are."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Final

import psycopg

from pynenc_pg.postgres.errors import translated
from pynenc_pg.postgres.templates import render

#: Rows that are asked for at a time.
_STEP: Final = 200
_FINISHED: Final = """
select json_build_object(
    'invocation_id', i.invocation_id, 'app_id', i.app_id, 'task_id', i.task_id,
    'call_id', i.call_id, 'arguments', i.arguments, 'options', i.options, 'queue', i.queue,
    'priority', i.priority, 'parent_id', i.parent_id, 'workflow_id', i.workflow_id,
    'retried_from', i.retried_from, 'registered_at', i.registered_at,
    'registered_by', i.registered_by, 'status', o.status, 'reason', o.reason, 'value', o.value,
    'runner_id', o.runner_id, 'retries', o.retries, 'recoveries', o.recoveries,
    'finished_at', o.finished_at,
    'history', (
        select json_agg(json_build_object(
            'rev', h.rev, 'previous_status', h.previous_status, 'status', h.status,
            'reason', h.reason, 'runner_id', h.runner_id,
            'changed_by', coalesce(h.changed_by, h.runner_id),
            'at', h.at, 'error', e.error) order by h.rev)
        from {schema}.invocation_history h
        left join {schema}.invocation_error e
               on e.invocation_id = h.invocation_id and e.rev = h.rev
        where h.invocation_id = i.invocation_id
          and h.at >= {schema}.id_time(i.invocation_id) - interval '2 days'
          and h.at <= o.finished_at)
)::text
from {schema}.invocation_outcome o
cross join lateral (
    select * from {schema}.invocation i where i.invocation_id = o.invocation_id offset 0) i
where o.app_id = %(app)s and (%(since)s::timestamptz is null or o.finished_at >= %(since)s)
  and o.finished_at < %(until)s
order by o.invocation_id"""


def finished(
    dsn: str, schema: str, app_id: str, since: datetime | None, until: datetime
) -> Iterator[str]:
    """Yield those that ended from a moment on and before another, a line of JSON each, by id.

    All as of one moment: whoever exports one period after the other has each once.
    """
    with (
        translated(),
        psycopg.connect(dsn, application_name="pynenc-pg db export") as connection,
        # The server finds them in the order of the index, and keeps nothing but its place.
        connection.transaction(),
    ):
        connection.execute("set local enable_sort = off")
        connection.execute("set local enable_seqscan = off")
        with connection.cursor("export") as cursor:
            cursor.itersize = _STEP
            cursor.execute(
                render(_FINISHED, schema).encode(), {"app": app_id, "since": since, "until": until}
            )
            for (line,) in cursor:
                yield line
