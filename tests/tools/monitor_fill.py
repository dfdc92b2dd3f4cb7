"""Fills a database with as many invocations as asked for, and with what else grows in one.

They have ended, from yesterday's beginning until now, evenly, one in a thousand failed. For each
hundred of them one is ready and one is a run of a workflow; for each ten there is an event, and
something that it has fired.
"""

from __future__ import annotations

import sys
from typing import Final

import psycopg

_BATCH: Final = 250_000
#: With three changes each.
_CALLS: Final = """
with span as (
    select date_trunc('day', now(), 'UTC') - interval '1 day' + interval '5 minutes' as zero),
each as materialized (
    select n, zero + (now() - zero) * n / %(all)s as at,
           case when n %% 1000 = 0 then 'failed' else 'success' end as ended,
           'runner-' || n %% 8 as runner, 'q' || n %% 4 as queue, md5(n::text) as chance
    from span, generate_series(%(first)s::bigint, %(last)s::bigint) n),
named as materialized (
    select e.*, overlay(pynenc.first_id(at)::text placing
        '7' || substr(chance, 1, 3) || '-8' || substr(chance, 4, 3) || '-' || substr(chance, 7, 12)
        from 15)::uuid as id from each e),
called as (
    insert into pynenc.invocation (invocation_id, app_id, task_id, call_id, arguments, options,
                                   queue, priority, depth, registered_at, registered_by)
    select id, 'shop', 'shop.tasks.task_' || n %% 20, 'call',
           json_build_object('order', n, 'note', 'a note of some length'), '{}', queue, 0, 0, at,
           'client' from named),
ended as (
    insert into pynenc.invocation_outcome (invocation_id, app_id, status, value, queue, runner_id,
        lease, rev, changed_by, retries, recoveries, finished_at)
    select id, 'shop', ended::pynenc.invocation_status,
           case ended when 'failed' then '{"module": "builtins", "type": "ValueError",
               "message": "no", "traceback": "Traceback"}'::json else '1'::json end,
           queue, runner, n, 3, runner, 0, 0, at + interval '300 ms' from named)
insert into pynenc.invocation_history (invocation_id, app_id, rev, previous_status, status,
                                       runner_id, lease, changed_by, at)
select id, 'shop', rev, before::pynenc.invocation_status,
       coalesce(status, ended)::pynenc.invocation_status, runner, n, runner, at + later
from named, (values (0, null, 'registered', interval '0'),
                    (2, 'pending', 'running', interval '100 ms'),
                    (3, 'running', null, interval '300 ms')) r (rev, before, status, later)
order by n, rev"""
_QUEUES: Final = """
insert into pynenc.queue (app_id, queue) select 'shop', 'q' || n from generate_series(0, 3) n"""
_RUNNERS: Final = """
insert into pynenc.runner (runner_id, app_id, runner_cls, hostname, pid, queues, concurrency,
                           lease_seconds, lease_until, heartbeat_at, registered_at, idle_at)
select 'runner-' || n, 'shop', 'ThreadRunner', 'host', n, '{}', 20, 30,
       now() + interval '1 day', now(), now(), now() from generate_series(0, 7) n"""
#: Called in the last seconds: one in a thousand is running, the others are ready.
_LIVE: Final = """
with each as materialized (
    select n, n %% 1000 = 0 as runs, 'q' || n %% 4 as queue, 'runner-' || n %% 8 as runner,
           now() - interval '5 seconds' as at, overlay(
               pynenc.first_id(now() - interval '5 seconds')::text
               placing '7' || lpad(to_hex(n %% 4096), 3, '0') || '-8' || substr(md5(n::text), 1, 3)
               || '-' || substr(md5(n::text), 4, 12) from 15)::uuid as id
    from generate_series(1, %(live)s::bigint) n),
called as (
    insert into pynenc.invocation (invocation_id, app_id, task_id, call_id, arguments, options,
                                   queue, priority, depth, registered_at, registered_by)
    select id, 'shop', 'shop.tasks.task_' || n %% 20, 'call', json_build_object('order', n), '{}',
           queue, 0, 0, at, 'client' from each),
live as (
    insert into pynenc.invocation_state (invocation_id, app_id, queue, status, status_at, runner_id,
                                         lease, rev, changed_by, rank)
    select id, 'shop', queue, (case when runs then 'running' else 'registered' end)
           ::pynenc.invocation_status, at, case when runs then runner end,
           case when runs then n end, case when runs then 2 else 0 end, 'client',
           extract(epoch from at) from each)
insert into pynenc.invocation_history (invocation_id, app_id, rev, status, changed_by, at)
select id, 'shop', 0, 'registered', 'client', at from each order by n"""
_DEFINITIONS: Final = """
insert into pynenc.trigger_definition (app_id, trigger_id, task_id, definition, version, pairs,
                                       within, told_at)
select 'shop', 'trigger-' || n, 'shop.tasks.task_' || n,
       json_build_object('conditions', json_build_array(json_build_object(
           'kind', 'event', 'event_code', 'paid'))), 'v', false, 0, now()
from generate_series(0, 19) n"""
_EVENTS: Final = """
with each as (
    select n, now() - interval '1 day' * (%(tenth)s - n) / %(tenth)s as at, gen_random_uuid() as id
    from generate_series(1, %(tenth)s::bigint) n),
emitted as (
    insert into pynenc.event (app_id, event_id, code, payload, emitted_at, emitted_by)
    select 'shop', id, case when n = 1 then 'rare' else 'paid' end, json_build_object('order', n),
           at, 'client' from each),
waiting as (
    insert into pynenc.trigger_cause (app_id, trigger_id, condition_id, source_id, at, state)
    select 'shop', 'trigger-' || n %% 20, 'event_1', id, at, 'waiting' from each where n %% 10 = 0)
insert into pynenc.trigger_run (app_id, trigger_id, version, task_id, cause_id, causes, arguments,
                                invocation_id, fired_at)
select 'shop', 'trigger-' || n %% 20, 'v', 'shop.tasks.task_' || n %% 20, n,
       json_build_array(json_build_object('condition_id', 'event_1', 'source_id', id)),
       json_build_object('order', n), gen_random_uuid(), at from each"""
#: All of them have ended, as the calls that they are.
_WORKFLOWS: Final = """
with run as materialized (
    select i.invocation_id as id, i.registered_at as at from pynenc.invocation i
    join pynenc.invocation_outcome o using (invocation_id)
    where (i.arguments->>'order')::bigint %% 100 = 0),
begun as (
    insert into pynenc.workflow (invocation_id, app_id, workflow_id, began_at)
    select id, 'shop', id, at from run),
steps as (
    insert into pynenc.workflow_step (invocation_id, app_id, path, run, kind, about, value, retries,
                                      at)
    select id, 'shop', p::text, 0, 'random', 'random', '0.5', 0, at
    from run, generate_series(1, 3) p)
insert into pynenc.audit (app_id, at, who, db_user, action, subject, origin, outcome)
select 'shop', at, 'ann (operator)', 'shop', 'cancel', id, '127.0.0.1', 'final' from run
order by at"""


def fill(dsn: str, number: int) -> None:
    """Put so many invocations in, and the rest."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute("set session_replication_role = replica")
        for first in range(0, number, _BATCH):
            last = min(first + _BATCH, number)
            connection.execute(_CALLS, {"all": number, "first": first + 1, "last": last})
            print(f"{last:,} of {number:,}", file=sys.stderr)  # noqa: T201 - it takes minutes
        shares = {"live": number // 100, "tenth": number // 10}
        for statement in (_QUEUES, _RUNNERS, _DEFINITIONS):
            connection.execute(statement)
        for statement in (_WORKFLOWS, _LIVE, _EVENTS):
            connection.execute(statement, shares)
        connection.execute("vacuum analyze")
