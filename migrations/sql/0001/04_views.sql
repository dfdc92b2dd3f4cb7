-- Live and finished invocations in one view: the stable way to look at them in SQL.
create or replace view {schema}.invocations as
select i.invocation_id, i.app_id, i.task_id, i.queue,
       coalesce(o.status, s.status) as status, coalesce(o.reason, s.reason) as reason,
       coalesce(o.runner_id, s.runner_id) as runner_id, i.arguments, o.value as result,
       i.priority, coalesce(o.retries, s.retries) as retries,
       coalesce(o.recoveries, s.recoveries) as recoveries, i.parent_id, i.depth, s.due_at,
       s.expires_at, s.cancel_requested_at, i.registered_at,
       coalesce(o.finished_at, s.status_at) as status_at, o.finished_at
from {schema}.invocation i
left join {schema}.invocation_state s on s.invocation_id = i.invocation_id
left join {schema}.invocation_outcome o on o.invocation_id = i.invocation_id;

-- What stands in each queue now.
create or replace view {schema}.queue_depth as
select q.app_id, q.queue, q.paused,
       count(s.invocation_id) filter (where s.available and s.due_at is null) as ready,
       count(s.invocation_id) filter (where s.due_at is not null) as scheduled,
       count(s.invocation_id) filter (where s.parked) as parked,
       count(s.invocation_id) filter (where s.status = 'pending') as pending,
       count(s.invocation_id) filter (where s.status in ('running', 'resumed')) as running,
       count(s.invocation_id) filter (where s.status = 'paused') as waiting,
       clock_timestamp() - min(s.status_at) filter (where s.available and s.due_at is null) as oldest_ready
from {schema}.queue q
left join {schema}.invocation_state s on s.app_id = q.app_id and s.queue = q.queue
group by q.app_id, q.queue, q.paused;

-- Who works, since when, on how much, and whether it is believed alive.
create or replace view {schema}.runner_health as
select r.runner_id, r.app_id, r.runner_cls, r.hostname, r.pid, r.queues, r.concurrency,
       case when r.dead_at is not null then 'dead'
            when r.lease_until < clock_timestamp() then 'lease over'
            when r.lock_gone_at is not null then 'lock gone'
            else 'alive' end as health,
       r.idle, r.heartbeat_at, r.lease_until, r.registered_at,
       (select count(*) from {schema}.invocation_state s where s.runner_id = r.runner_id) as holds
from {schema}.runner r;

-- What became of each task's invocations within retention, and how long they took to run.
create or replace view {schema}.task_stats as
select i.app_id, i.task_id, count(*) as finished,
       count(*) filter (where o.status = 'success') as succeeded,
       count(*) filter (where o.status = 'failed') as failed,
       sum(o.retries) as retries,
       percentile_cont(0.5) within group (order by extract(epoch from o.finished_at - b.at)) as p50_seconds,
       max(extract(epoch from o.finished_at - b.at))::double precision as max_seconds
from {schema}.invocation_outcome o
join {schema}.invocation i on i.invocation_id = o.invocation_id
left join {schema}.invocation_history b
       on b.invocation_id = o.invocation_id and b.rev = o.rev - 1 and b.status = 'running'
      and b.at <= o.finished_at
group by i.app_id, i.task_id;
